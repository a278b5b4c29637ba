"""The flights arrive in a real broker as they were made: keys, values, timestamps, order."""

from __future__ import annotations

import time
from datetime import date
from itertools import pairwise
from typing import Any

import pytest

from plumbline.connect.kafka import create_topics
from plumbline.demo.flights import loader

pytestmark = pytest.mark.kafka


def consume(properties: dict[str, str], topic: str, expected: int) -> list[Any]:
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({**properties, "group.id": "test"})
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(3)])
    messages: list[Any] = []
    deadline = time.monotonic() + 30
    while len(messages) < expected and time.monotonic() < deadline:
        messages += consumer.consume(5_000, timeout=0.5)
    messages += consumer.consume(1, timeout=0.5)  # one too many would show here
    consumer.close()
    return messages


def test_a_day_of_flights_in_the_broker(kafka: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEPARTURES", "ARRIVALS"):  # the shared broker keeps the real names for the story
        monkeypatch.setattr(loader, name, f"one.day.of.{name.lower()}")
    day = loader.load((date(2013, 2, 8), date(2013, 2, 9)))
    create_topics(kafka, {loader.DEPARTURES: 3, loader.ARRIVALS: 3})
    progress: list[int] = []
    sent = loader.produce(kafka, day, progress.append)
    tables = {loader.DEPARTURES: day.departures, loader.ARRIVALS: day.arrivals}
    assert sent == {topic: table.num_rows for topic, table in tables.items()}
    assert progress[-1] == sum(sent.values())
    for topic, table in tables.items():
        messages = consume(kafka, topic, table.num_rows)
        found = {(m.key().decode(), m.value().decode(), m.timestamp()[1]) for m in messages}
        columns = (table[name].to_pylist() for name in ("key", "value", "timestamp_ms"))
        assert found == set(zip(*columns, strict=True))
        assert len(messages) == table.num_rows
        assert {m.partition() for m in messages} == {0, 1, 2}
        ordered = sorted(messages, key=lambda m: (m.partition(), m.offset()))
        assert all(a.timestamp()[1] <= b.timestamp()[1] for a, b in pairwise(ordered) if a.partition() == b.partition())
