"""Kafka clients made from the contract's `kafka:` block: topics, offsets, producing."""

from __future__ import annotations

import difflib
import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from plumbline.connect.kafka_config import READ_COMMITTED, client_config, isolation_level, made, spark_options
from plumbline.connect.kafka_refusals import ANSWER_SECONDS, is_refused, no_answer, not_permitted, unanswered
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

PROGRESS_EVERY = 10_000
CREATE_IT = "create it, or correct the contract's topic"
STAMP_STEP = (
    "a broker takes a record that is stamped up to an hour ahead; correct its time, or set the topic's "
    "message.timestamp.after.max.ms"
)
__all__ = [
    "Record",
    "admin_client",
    "client_config",
    "compacted",
    "create_topics",
    "earliest_offsets",
    "end_offsets",
    "hand_over",
    "partitions_of",
    "produce",
    "spark_options",
    "topic_partitions",
]

Headers = Sequence[tuple[str, bytes | None]]


class Record(NamedTuple):
    """One message to produce. `timestamp_ms` is in ms UTC; `partition` None: by key (murmur2, as Java)."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers | None = None
    partition: int | None = None


def create_topics(properties: Mapping[str, str], partitions: Mapping[str, int]) -> None:
    """Create the topics `{name: partitions}` that do not exist; retention is off, since replays need old events.

    Raises SetupError when an existing topic has another number of partitions or when the broker refuses.
    """
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import NewTopic

    wanted = [NewTopic(name, count, 1, config={"retention.ms": "-1"}) for name, count in partitions.items()]
    there, admin = _partitions(properties), admin_client(properties)
    for name, future in admin.create_topics(wanted, request_timeout=ANSWER_SECONDS).items() if wanted else ():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise SetupError(f"topic {name} could not be created: {error.args[0].str()}") from None
            if name in there and there[name] != partitions[name]:
                raise SetupError(
                    f"topic {name} exists with {there[name]} partitions, not {partitions[name]}",
                    where=properties["bootstrap.servers"],
                    next_step="name another topic or delete that one",
                ) from None
    _wait_for_leaders(properties, partitions)


def _wait_for_leaders(properties: Mapping[str, str], partitions: Mapping[str, int]) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while missing := {name for name in partitions if _partitions(properties).get(name) != partitions[name]}:
        if time.monotonic() > deadline:
            raise SetupError(f"topic {min(missing)} was created but did not appear within {ANSWER_SECONDS:.0f} s")
        time.sleep(0.05)


def partitions_of(contract: Contract, properties: Mapping[str, str]) -> dict[str, int]:
    """Topic of each source to its number of partitions. Raises as `topic_partitions`."""
    step = CREATE_IT
    if contract.kafka is None and contract.job is not None:
        step += "; or, if it is on brokers of your own, name them in the contract: `kafka: {bootstrap.servers: …}`"
    topics = (source.topic for source in contract.sources.values())
    return {topic: topic_partitions(properties, topic, step) for topic in topics}


def topic_partitions(properties: Mapping[str, str], topic: str, step: str = CREATE_IT) -> int:
    """How many partitions the topic has. Raises SetupError: no broker answers, no such topic (nearest named), or one
    that this user may not see."""
    there = _partitions(properties)
    if topic not in there:
        _refuse_hidden(properties, topic)
        near = difflib.get_close_matches(topic, there, 1, 0.5)
        raise SetupError(
            f"topic {topic} does not exist",
            where=properties["bootstrap.servers"],
            next_step=f"did you mean {near[0]}?" if near else step,
        )
    return there[topic]


def _refuse_hidden(properties: Mapping[str, str], topic: str) -> None:
    """Raise SetupError for a topic that the broker leaves out of its list because this user may not describe it."""
    from confluent_kafka import KafkaError, KafkaException

    admin = admin_client(properties)
    try:
        error = admin.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic].error
    except KafkaException as failure:
        raise no_answer(admin, properties, failure) from None
    if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        raise not_permitted("Describe", "topic", topic, properties)


def compacted(properties: Mapping[str, str], topic: str) -> bool:
    """Whether the broker removes records that have a newer one of their key (Kafka's `cleanup.policy`).

    Raises SetupError for a user who may not ask that: of a topic that may be compacted no missing offset is harmless.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import ConfigResource, ResourceType

    asked, admin = ConfigResource(ResourceType.TOPIC, topic), admin_client(properties)
    try:
        settings = admin.describe_configs([asked], request_timeout=ANSWER_SECONDS)[asked].result()
    except KafkaException as failure:
        raise unanswered(admin, properties, failure, "DescribeConfigs", topic) from None
    return "compact" in settings["cleanup.policy"].value


def end_offsets(properties: Mapping[str, str], topic: str) -> dict[int, int]:
    """`{partition: offset that the next record will get}`, as a consumer of these properties sees it: one of committed
    records sees no further than the first open transaction (Kafka's last stable offset)."""
    from confluent_kafka.admin import OffsetSpec

    return _offsets(properties, topic, OffsetSpec.latest())


def earliest_offsets(properties: Mapping[str, str], topic: str) -> dict[int, int]:
    """`{partition: first offset that is still there}`."""
    from confluent_kafka.admin import OffsetSpec

    return _offsets(properties, topic, OffsetSpec.earliest())


def _offsets(properties: Mapping[str, str], topic: str, spec: Any) -> dict[int, int]:
    from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition

    committed = isolation_level(properties) == READ_COMMITTED
    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        count = topic_partitions(properties, topic)
        asked = {TopicPartition(topic, partition): spec for partition in range(count)}
        admin = admin_client(properties)
        try:
            answers = admin.list_offsets(asked, isolation_level=level, request_timeout=ANSWER_SECONDS)
            return {part.partition: future.result().offset for part, future in answers.items()}
        except KafkaException as error:
            # A topic that was just made, or whose leader moves: its next leader is known within moments.
            moving = error.args[0].code() in (
                KafkaError.NOT_LEADER_FOR_PARTITION,
                KafkaError.LEADER_NOT_AVAILABLE,
                KafkaError.UNKNOWN_TOPIC_OR_PART,
            )
            if not moving or time.monotonic() > deadline:
                raise unanswered(admin, properties, error, "Describe", topic) from None
        time.sleep(0.1)


def produce(
    properties: Mapping[str, str],
    records: Iterable[Record],
    on_progress: Callable[[int], None] = lambda sent: None,
    *,
    linger_ms: int = 20,
) -> int:
    """Send the records with an idempotent producer, in order per partition; how many were acknowledged (all of them).

    `linger_ms`: how long the producer gathers records before it sends them (Kafka's `linger.ms`).
    `on_progress` gets the number handed over so far, every 10,000 records and at the end.
    Raises SetupError when any record was not acknowledged.
    """
    failures: list[SetupError] = []

    def delivered(error: Any, message: Any) -> None:
        if error is not None:
            failures.append(_undelivered(properties, error, message.topic()))

    producer = _producer(properties, delivered, linger_ms)
    sent, permitted = 0, set[str]()
    for record in records:
        if record.topic not in permitted:
            _refuse_unwritable(properties, record.topic)
            permitted.add(record.topic)
        hand_over(producer, record)
        sent += 1
        if sent % PROGRESS_EVERY == 0:
            producer.poll(0)
            on_progress(sent)
            _check(properties, failures, 0)
    _check(properties, failures, producer.flush(60))
    on_progress(sent)
    return sent


def _refuse_unwritable(properties: Mapping[str, str], topic: str) -> None:
    """Raise SetupError where this user may not write the topic, as far as the broker tells (KIP-430).

    An idempotent producer without the right ends by a fatal error, which confluent_kafka raises in the midst of other
    calls, as what is no exception of Python's.
    """
    from confluent_kafka import KafkaException, TopicCollection
    from confluent_kafka.admin import AclOperation

    asked = admin_client(properties).describe_topics(
        TopicCollection([topic]), include_authorized_operations=True, request_timeout=ANSWER_SECONDS
    )
    try:
        permitted = asked[topic].result().authorized_operations
    except KafkaException:
        return
    if permitted is not None and AclOperation.WRITE not in permitted:
        raise not_permitted("Write", "topic", topic, properties)


def _producer(properties: Mapping[str, str], delivered: Callable[[Any, Any], None], linger_ms: int) -> Any:
    from confluent_kafka import Producer

    _partitions(properties)
    return made(
        Producer,
        {
            **client_config(properties),
            "enable.idempotence": True,
            "linger.ms": linger_ms,
            "partitioner": "murmur2_random",
            "delivery.report.only.error": True,
            "queue.buffering.max.messages": 200_000,
            "message.timeout.ms": 60_000,
            "topic.metadata.propagation.max.ms": 5_000,
            "on_delivery": delivered,
        },
    )


def hand_over(producer: Any, record: Record) -> None:
    """Give a record to a producer, waiting while its queue is full. Raises SetupError for one that it refuses."""
    placed = {} if record.partition is None else {"partition": record.partition}
    from confluent_kafka import KafkaException

    while True:
        try:
            producer.produce(
                record.topic,
                key=record.key,
                value=record.value,
                timestamp=record.timestamp_ms,
                headers=list(record.headers or []),
                **placed,
            )
            return
        except BufferError:
            producer.poll(0.1)
        except KafkaException as error:
            raise SetupError(
                f"producing failed: {record.topic}: {error.args[0].str()}",
                where=f"key {record.key!r}",
                next_step="correct that record, then produce again",
            ) from None


def _check(properties: Mapping[str, str], failures: list[SetupError], waiting: int) -> None:
    if failures:
        raise failures[0]
    if waiting:
        raise _failed(properties, f"{waiting} records were not acknowledged within 60 s")


def _undelivered(properties: Mapping[str, str], error: Any, topic: str) -> SetupError:
    if is_refused(error):
        return not_permitted("Write", "topic", topic, properties)
    return _failed(properties, f"{topic}: {error.str()}")


def _failed(properties: Mapping[str, str], what: str) -> SetupError:
    return SetupError(
        f"producing failed: {what}",
        where=properties["bootstrap.servers"],
        next_step=STAMP_STEP if "timestamp" in what else "check the topic and the broker, then produce again",
    )


def admin_client(properties: Mapping[str, str]) -> Any:
    """confluent_kafka's AdminClient for these properties, one for all that ask."""
    return _admin_of(tuple(sorted(client_config(properties).items())))


@functools.lru_cache(maxsize=8)
def _admin_of(config: tuple[tuple[str, str], ...]) -> Any:
    from confluent_kafka.admin import AdminClient

    return made(AdminClient, dict(config))


def _partitions(properties: Mapping[str, str]) -> dict[str, int]:
    from confluent_kafka import KafkaException

    admin = admin_client(properties)
    try:
        topics = admin.list_topics(timeout=ANSWER_SECONDS).topics
    except KafkaException as error:
        raise no_answer(admin, properties, error) from None
    return {name: len(topic.partitions) for name, topic in topics.items() if topic.partitions}
