"""Producing in transactions: a consumer that reads committed records sees each batch whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from plumbline.connect.kafka import Record, end_offsets, hand_over
from plumbline.connect.kafka_config import ISOLATION, READ_COMMITTED, READ_UNCOMMITTED, client_config, made
from plumbline.connect.kafka_refusals import is_refused, not_permitted
from plumbline.contract.errors import SetupError, UnreachableError

ANSWER_SECONDS = 60.0


class Transactions:
    """A producer with this transactional id; there is one at a time.

    A new one fences off an older one that may still run and aborts what that left open (Kafka: KIP-98). Raises
    UnreachableError when the broker does not answer or another producer took over.
    """

    def __init__(self, properties: Mapping[str, str], transactional_id: str) -> None:
        from confluent_kafka import KafkaException, Producer

        self._properties = properties
        self._producer: Any = made(
            Producer,
            {
                **client_config(properties),
                "transactional.id": transactional_id,
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "queue.buffering.max.messages": 200_000,
            },
        )
        try:
            self._producer.init_transactions(ANSWER_SECONDS)
        except KafkaException as error:
            raise self._failed(error, "transactional-id", transactional_id) from None

    def send(self, records: Sequence[Record]) -> None:
        """Send the records as one transaction, in order per partition; returns when it is committed."""
        from confluent_kafka import KafkaException

        try:
            self._producer.begin_transaction()
            for record in records:
                hand_over(self._producer, record)
            self._producer.commit_transaction(ANSWER_SECONDS)
        except KafkaException as error:
            topics = sorted({record.topic for record in records})
            raise self._failed(error, "topic", " or ".join(topics)) from None

    def _failed(self, failure: Any, kind: str, name: str) -> SetupError:
        if is_refused(failure.args[0]):
            return not_permitted("Write", kind, name, self._properties)
        return UnreachableError(
            f"the transaction failed: {failure.args[0].str()}",
            where=f"bootstrap.servers={self._properties['bootstrap.servers']}",
            next_step="check the broker and that nobody else runs the same feed, then repeat the command: it continues",
        )


def settled_ends(properties: Mapping[str, str], topic: str, within_seconds: float = ANSWER_SECONDS) -> dict[int, int]:
    """`{partition: end offset}` once no open transaction stands before it. Raises UnreachableError when one stays."""
    deadline = time.monotonic() + within_seconds
    while True:
        ends = end_offsets({**properties, ISOLATION: READ_UNCOMMITTED}, topic)
        stable = end_offsets({**properties, ISOLATION: READ_COMMITTED}, topic)
        if all(stable[partition] >= end for partition, end in ends.items()):
            return ends
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"a transaction of another producer stays open in topic {topic}",
                where=f"bootstrap.servers={properties['bootstrap.servers']}",
                next_step="end it, then repeat the command: it continues",
            )
        time.sleep(0.1)
