"""Reading exact offsets of a topic without a consumer group: nothing is committed, nobody else is disturbed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from plumbline.connect.kafka_config import ISOLATION, client_config, isolation_level, made
from plumbline.connect.kafka_refusals import not_permitted
from plumbline.contract.errors import UnreachableError

SILENCE_SECONDS = 30.0
AT_ONCE = 1_000


class Reader:
    """One client for any number of reads. Use it as a context manager.

    It leaves out records of open and aborted transactions unless the properties' `isolation.level` says otherwise.
    """

    def __init__(self, properties: Mapping[str, str]) -> None:
        from confluent_kafka import Consumer

        self._properties = properties
        self._consumer: Any = made(
            Consumer,
            {
                **client_config(properties),
                "group.id": "plumbline-reader",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                ISOLATION: isolation_level(properties),
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
            },
        )

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self._consumer.close()

    def records(self, topic: str, spans: Mapping[int, tuple[int, int]]) -> Iterator[Any]:
        """The records (confluent_kafka.Message) with `start <= offset < end` per partition, or what the topic has of
        them. In order within a partition. Raises UnreachableError when nothing comes for half a minute."""
        from confluent_kafka import TopicPartition

        ends = {partition: end for partition, (start, end) in spans.items() if start < end}
        self._consumer.assign([TopicPartition(topic, p, spans[p][0]) for p in ends])
        heard = time.monotonic()
        while ends:
            for message in self._consumer.consume(AT_ONCE, timeout=0.2):
                heard = time.monotonic()
                if self._beyond(message, ends):
                    ends.pop(message.partition(), None)
                elif message.error() is None and message.partition() in ends:
                    yield message
            if time.monotonic() - heard > SILENCE_SECONDS:
                raise UnreachableError(
                    f"{topic} sent no record for {SILENCE_SECONDS:.0f} s",
                    where=f"bootstrap.servers={self._properties['bootstrap.servers']}",
                    next_step="check the broker, then try again",
                )
        self._consumer.unassign()

    def shows(self, topic: str, partition: int, start: int, end: int) -> bool:
        """Whether the topic has any record with `start <= offset < end`."""
        return next(self.records(topic, {partition: (start, end)}), None) is not None

    def _beyond(self, message: Any, ends: Mapping[int, int]) -> bool:
        """Whether the partition's span is read: by a record behind it, or because the partition ends.

        Raises SetupError for what the broker refuses; what may pass is tried again by the client itself.
        """
        from confluent_kafka import KafkaError

        error = message.error()
        if error is None:
            return int(message.offset()) >= ends.get(message.partition(), 0)
        # A group that this user may not read is no hindrance: librdkafka looks for its coordinator, and nobody uses it.
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise not_permitted("Read", "topic", message.topic(), self._properties)
        return bool(error.code() == KafkaError._PARTITION_EOF)
