"""A tape fed into topics: whole, in order, as it was recorded; cut off and resumed, no record comes twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from plumbline.connect.kafka import Record, create_topics, end_offsets, hand_over, produce
from plumbline.connect.kafka_read import Reader
from plumbline.connect.kafka_transactions import Transactions
from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.replay import feed as feeding
from plumbline.replay.steps import open_replay
from tests.support.replaying import Replay, the_replay
from tests.support.scenario import PARTITIONS, Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]


@pytest.fixture
def day(replayed: Scenario) -> Replay:
    return the_replay(replayed)


@pytest.fixture
def topics(day: Replay) -> dict[str, str]:
    """Topics for both sources, which already hold a foreign record each."""
    named = {name: f"{day.job.home.root.parent.name}.again.{name}" for name in day.plan.sources}
    create_topics(day.job.kafka, dict.fromkeys(named.values(), PARTITIONS))
    produce(day.job.kafka, [Record(topic, b"k", b"foreign", 1, partition=0) for topic in named.values()])
    return named


def fed(day: Replay, topics: Mapping[str, str], speed: float | None = None) -> dict[str, Any]:
    return feeding.feed(open_replay(day.job.home, day.id), topics, speed=speed)


def committed(day: Replay, topic: str) -> list[Any]:
    with Reader(day.job.kafka) as reader:
        spans = {partition: (0, end) for partition, end in end_offsets(day.job.kafka, topic).items()}
        found = list(reader.records(topic, spans))
    return [message for message in found if message.value() != b"foreign"]


def delivered(day: Replay, name: str) -> list[tuple[int, bytes, int]]:
    """(partition, value, ms) of the source's records that the replay needs, in offset order."""
    side = "left" if name == "orders" else "right"
    needed = TimeRange.of_json(day.plan.sources[name].needed)
    placed = [p for p in day.job.placed[side] if p.event.at is not None and needed.contains(p.event.at)]
    return sorted((p.partition, p.event.value(side) or b"", (p.event.us or 0) // 1000) for p in placed)


def test_cut_off_between_and_inside_transactions_and_resumed(
    day: Replay, topics: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "AT_ONCE", 3)
    send, calls = Transactions.send, [0]

    def cut_off(self: Transactions, records: Sequence[Record]) -> None:
        calls[0] += 1
        if calls[0] == 2:
            send(self, records)
            raise KeyboardInterrupt  # committed, and never noted anywhere but in the topics
        if calls[0] == 3:
            self._producer.begin_transaction()
            for record in records:
                hand_over(self._producer, record)
            self._producer.flush(10)
            raise KeyboardInterrupt  # sent, and never committed
        send(self, records)

    monkeypatch.setattr(Transactions, "send", cut_off)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fed(day, topics)
    result = fed(day, topics)
    assert (result["before"], result["sent"]) == (6, result["records"] - 6)
    assert fed(day, topics)["sent"] == 0
    rows = []
    for name, topic in topics.items():
        messages = committed(day, topic)
        found = sorted((m.partition(), m.value(), m.timestamp()[1]) for m in messages)
        assert found == delivered(day, name)
        headers = [dict(message.headers()) for message in messages]
        assert {header["plumbline.replay-id"] for header in headers} == {day.id.encode()}
        rows += [int(header["plumbline.replay-row"]) for header in headers]
        assert {message.key() for message in messages} <= {str(p.event.id).encode() for p in day.job.placed["left"]}
    assert sorted(rows) == list(range(result["records"]))


def test_the_pace_follows_the_records_times() -> None:
    pace = feeding._Pace(1000.0)
    assert pace.wait_for(1_000_000) == 0.0
    assert pace.wait_for(1_060_000) == pytest.approx(0.06, abs=0.05)
    assert feeding._Pace(None).wait_for(10**12) == 0.0


def test_what_is_refused(day: Replay, topics: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="the live job reads topic"):
        fed(day, {"orders": day.plan.sources["orders"].topic})
    with pytest.raises(UsageError, match=r"no source 'order'.*--topic orders=TOPIC"):
        fed(day, {"order": topics["orders"]})
    with pytest.raises(SetupError, match=r"topic nowhere does not exist"):
        fed(day, {"orders": "nowhere"})
    day.folder.forget("tape")
    with pytest.raises(UsageError, match=f"replay {day.id} has no tape.*plumbline replay run {day.id} --execute"):
        fed(day, topics)
