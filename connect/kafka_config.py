"""The contract's `kafka:` properties: the allow-list, and both clients' words for them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from plumbline.connect.kafka_tls import jvm_properties
from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.secrets import keep

ISOLATION = "isolation.level"
READ_COMMITTED, READ_UNCOMMITTED = LEVELS = ("read_committed", "read_uncommitted")
"""Whether records of aborted and open transactions are left out, or read as any other (KIP-98)."""

ALLOWED = ("bootstrap.servers", "security.protocol", "client.id", ISOLATION)
ALLOWED_PREFIXES = ("sasl.", "ssl.")
KNOWN = (
    *ALLOWED,
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "sasl.jaas.config",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.endpoint.identification.algorithm",
)
JVM_ONLY = ("sasl.jaas.config", "ssl.truststore.", "ssl.keystore.")
LIBRDKAFKA_ONLY = (
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.certificate.",
    "ssl.key.",
)


def client_config(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties for librdkafka clients of any kind, so without the consumers' `isolation.level`.

    Raises UsageError for one that is not on the allow-list.
    """
    check_properties(properties)
    left_out = (*JVM_ONLY, ISOLATION)
    return {key: str(value) for key, value in properties.items() if not key.startswith(left_out)}


def isolation_level(properties: Mapping[str, str]) -> str:
    """What a consumer of these properties reads; `read_committed` where they do not say."""
    return properties.get(ISOLATION, READ_COMMITTED)


def made(client: Callable[[dict[str, Any]], Any], config: dict[str, Any]) -> Any:
    """A librdkafka client. Raises UsageError for a value that it does not take."""
    from confluent_kafka import KafkaException

    from plumbline.connect.kafka_refusals import hearing

    try:
        return client({**config, "log_level": 0, "error_cb": hearing(config)})
    except KafkaException as error:
        raise UsageError(
            f"the Kafka client does not accept the kafka block: {error.args[0].str()}",
            where="kafka",
            next_step="correct that property",
        ) from None


def spark_options(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties as options of Spark's Kafka source, each with its `kafka.` prefix.

    User name and password become the JVM's `sasl.jaas.config` unless that is given, PEM files what kafka_tls says.
    """
    check_properties(properties)
    options = {f"kafka.{key}": str(value) for key, value in properties.items() if not key.startswith(LIBRDKAFKA_ONLY)}
    options |= {f"kafka.{key}": value for key, value in jvm_properties(properties).items()}
    options[f"kafka.{ISOLATION}"] = isolation_level(properties)
    mechanism = properties.get("sasl.mechanisms") or properties.get("sasl.mechanism")
    if mechanism:
        options["kafka.sasl.mechanism"] = str(mechanism)
    if "sasl.username" in properties and "sasl.jaas.config" not in properties:
        options["kafka.sasl.jaas.config"] = _jaas(str(mechanism or "PLAIN"), properties)
    return options


def _jaas(mechanism: str, properties: Mapping[str, str]) -> str:
    module = "scram.ScramLoginModule" if mechanism.startswith("SCRAM") else "plain.PlainLoginModule"
    user, password = (
        str(properties.get(key, "")).replace("\\", "\\\\").replace('"', '\\"')
        for key in ("sasl.username", "sasl.password")
    )
    return f'org.apache.kafka.common.security.{module} required username="{user}" password="{password}";'


def check_properties(properties: Mapping[str, str]) -> None:
    """Raises UsageError for a property not on the allow-list, naming the nearest, and for an unknown isolation level;
    SetupError without servers.

    What the block holds is hidden in every error from here on.
    """
    keep(properties)
    for key in properties:
        if key not in ALLOWED and not key.startswith(ALLOWED_PREFIXES):
            near = difflib.get_close_matches(key, KNOWN, 1, 0.5)
            raise UsageError(
                f"Kafka property {key} is not allowed",
                where="kafka",
                next_step=f"did you mean {near[0]}?" if near else f"allowed: {', '.join(ALLOWED)}, sasl.*, ssl.*",
            )
    if properties.get(ISOLATION, READ_COMMITTED) not in LEVELS:
        raise UsageError(
            f"{ISOLATION} {properties[ISOLATION]!r} is not one of Kafka's",
            where="kafka",
            next_step=f"use one of {', '.join(LEVELS)}",
        )
    if not properties.get("bootstrap.servers"):
        raise SetupError(
            "bootstrap.servers is missing", where="kafka", next_step="set it in the contract's kafka block"
        )
