"""Events sent in transactions of a producer, committed, aborted or left open, as actions of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.support.model import Event
from tests.support.scenario import SIDES, Scenario


def sent(job: Scenario, side: str, events: list[Event], *, commit: bool) -> None:
    """Send the events of one side in one transaction and commit or abort it."""
    with begun(job, side, events) as producer:
        (producer.commit_transaction if commit else producer.abort_transaction)(30)


@contextmanager
def begun(job: Scenario, side: str, events: list[Event]) -> Iterator[Any]:
    """A transaction with these events that nobody has ended; what is still open is aborted at the end."""
    from confluent_kafka import KafkaException, Producer

    topic = job.contract.sources[SIDES[side]].topic
    producer = Producer({**job.kafka, "transactional.id": f"tx-{topic}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for event in events:
        producer.produce(
            topic, event.value(side), (event.id or "").encode(), event.partition, timestamp=(event.us or 0) // 1000
        )
    producer.flush(30)
    try:
        yield producer
    finally:
        with suppress(KafkaException):
            producer.abort_transaction(30)
