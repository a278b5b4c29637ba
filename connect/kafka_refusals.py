"""What a broker refuses, and why none answers: errors that name the missing right or property.

librdkafka tells a wrong password and an untrusted certificate to a client's `error_cb` alone, and tries again for
ever; the question itself ends as one that no broker answered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from plumbline.contract.errors import SetupError, UnreachableError

ANSWER_SECONDS = 10.0
FRESH_SECONDS = 15.0
"""How long an error counts; a client tries to connect again after 10 s at the latest (`reconnect.backoff.max.ms`)."""

_Client = frozenset[tuple[str, str]]
_heard: dict[_Client, tuple[float, Any]] = {}


def hearing(config: Mapping[str, Any]) -> Callable[[Any], None]:
    """The `error_cb` for a client: keeps its newest error (confluent_kafka.KafkaError) that tells something."""
    from confluent_kafka import KafkaError

    client = _client(config)

    def hear(error: Any) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            _heard[client] = (time.monotonic(), error)

    return hear


def no_answer(client: Any, properties: Mapping[str, str], failure: Exception) -> SetupError:
    """For a client's question that failed with a KafkaException: UnreachableError, or SetupError where the brokers
    refuse the client."""
    client.poll(0)  # calls its `error_cb` for what happened meanwhile
    error = failure.args[0]
    at, heard = _heard.get(_client(properties), (-FRESH_SECONDS, None))
    told = heard if heard is not None and time.monotonic() - at < FRESH_SECONDS else error
    return _refusal(properties, told) or UnreachableError(
        f"no Kafka broker answers within {ANSWER_SECONDS:.0f} s: {_reason(told)}",
        where=_where(properties),
        next_step="check the address and security.protocol, or start the local one with `plumbline kafka start`",
    )


def unanswered(
    client: Any, properties: Mapping[str, str], failure: Exception, operation: str, topic: str
) -> SetupError:
    """As `no_answer`, for a question that needs this right on a topic."""
    if is_refused(failure.args[0]):
        return not_permitted(operation, "topic", topic, properties)
    return no_answer(client, properties, failure)


def is_refused(error: Any) -> bool:
    """Whether a right is missing for what was asked, a confluent_kafka.KafkaError."""
    from confluent_kafka import KafkaError

    return error.code() in (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    )


def not_permitted(operation: str, kind: str, name: str, properties: Mapping[str, str]) -> SetupError:
    """The broker's refusal, by its access lists' operation and the kind and name of what it is on."""
    verb = {"DescribeConfigs": "see the settings of"}.get(operation, operation.lower())
    return SetupError(
        f"the broker does not permit this user to {verb} {kind} {name}",
        where=_where(properties),
        next_step=f"have it allowed (Kafka's ACL operation {operation} on the {kind}), then try again",
    )


def _refusal(properties: Mapping[str, str], error: Any) -> SetupError | None:
    from confluent_kafka import KafkaError

    if error.code() == KafkaError._AUTHENTICATION:
        return SetupError(
            f"the broker refuses the login: {_reason(error)}",
            where=_where(properties),
            next_step="correct sasl.mechanism, sasl.username or sasl.password in the kafka block",
        )
    if error.code() == KafkaError._SSL and "certificate verify failed" in error.str():
        return SetupError(
            "the broker's certificate is not trusted, or is not for this address",
            where=_where(properties),
            next_step="name the file with its authority's certificate as ssl.ca.location in the kafka block",
        )
    return None


def _reason(error: Any) -> str:
    """The error without the connection and its state."""
    return re.sub(r"^\w+://\S+: | \(after \d+ms in state \w+.*\)$", "", error.str())


def _client(config: Mapping[str, Any]) -> _Client:
    told = ("bootstrap.servers", "security.protocol", "sasl.", "ssl.")
    return frozenset((name, str(value)) for name, value in config.items() if name.startswith(told))


def _where(properties: Mapping[str, str]) -> str:
    return f"bootstrap.servers={properties['bootstrap.servers']}"
