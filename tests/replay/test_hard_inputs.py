"""What topics and archives can do to a plan: each case is planned right, or refused with reason and next step.

Plans only, over a real broker and real tables; no Spark.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from scenario import contract_body

from connect.home import Home
from connect.kafka import Record, create_topics, end_offsets, hand_over, produce
from connect.kafka_read import Reader
from connect.kafka_transactions import Transactions
from connect.lake import Lake
from contract.errors import IncompleteError, PlumblineError, UsageError
from contract.lineage import EVENT_TIME
from contract.loader import load
from contract.ranges import TimeRange
from replay.plan import Plan, make_plan
from replay.tape_rows import refuse_expired
from stream_job.tables import ARCHIVE_SCHEMA, EPOCHS, EPOCHS_SCHEMA, UTC_MICROS

pytestmark = pytest.mark.kafka

T0 = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
numbers = count()


class Shop:
    """Ten orders and ten payments an hour apart, in one partition of one topic each, archived up to now."""

    def __init__(self, folder: Path, kafka: dict[str, str]) -> None:
        self.kafka, self.home = kafka, Home.resolve(folder / "home")
        self.path = folder / "shop.yaml"
        self.path.write_text(yaml.safe_dump(contract_body(f"hard{next(numbers)}", kafka)))
        self.contract = load(self.path)
        self.lake = Lake.open(self.home)
        self.topics = {name: source.topic for name, source in self.contract.sources.items()}
        create_topics(kafka, dict.fromkeys(self.topics.values(), 1))
        self.lake.ensure_table("joined.stream", pa.schema([pa.field(EVENT_TIME, UTC_MICROS)]))
        for topic in self.topics.values():
            produce(kafka, [record(topic, hour) for hour in range(10)])

    def archive(self, below: int | None = None) -> None:
        """Append to both archives what the topics hold and they do not, as the archiver does."""
        for name, source in self.contract.sources.items():
            table = self.lake.ensure_table(source.archive, ARCHIVE_SCHEMA)
            held = set(table.scan(selected_fields=("offset",)).to_arrow()["offset"].to_pylist())
            with Reader(self.kafka) as reader:
                span = (0, end_offsets(self.kafka, source.topic)[0] if below is None else below)
                rows = [archived(name, m) for m in reader.records(source.topic, {0: span}) if m.offset() not in held]
            table.append(pa.Table.from_pylist(rows, schema=ARCHIVE_SCHEMA))

    def plan(self, source: str = "auto", hours: tuple[int, int] = (2, 6), **wanted: Any) -> Plan:
        time_range = TimeRange(T0 + hours[0] * HOUR, T0 + hours[1] * HOUR)
        return make_plan(self.contract, self.path, self.home, time_range, source=source, **wanted)

    def forget_before(self, offset: int) -> None:
        """Retention passed: the topics lose their records below `offset`."""
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import AdminClient

        gone = [TopicPartition(topic, 0, offset) for topic in self.topics.values()]
        admin = AdminClient(self.kafka)
        for future in admin.delete_records(gone).values():
            future.result(10)

    def closed_until(self, hour: float) -> None:
        """The ledger says that the stream has closed all before this hour."""
        evict = T0 + hour * HOUR + timedelta(minutes=60, milliseconds=1)
        epoch = {
            "contract": self.contract.contract,
            "query_id": "q",
            "run_id": "r",
            "epoch": 0,
            "source": "orders",
            "topic": self.topics["orders"],
            "partition": 0,
            "start_offset": 0,
            "end_offset": 1,
            "late_watermark_ms": 0,
            "evict_watermark_ms": int(evict.timestamp() * 1000),
            "no_data": False,
            "planned_at": T0,
        }
        self.lake.ensure_table(EPOCHS, EPOCHS_SCHEMA).append(pa.Table.from_pylist([epoch], schema=EPOCHS_SCHEMA))


def record(topic: str, hour: float) -> Record:
    moment = T0 + hour * HOUR
    return Record(topic, b"k", moment.isoformat().encode(), int(moment.timestamp() * 1000), partition=0)


def archived(name: str, message: Any) -> dict[str, Any]:
    moment = datetime.fromisoformat(message.value().decode()) if message.value() != b"poison" else None
    reason = None if moment else "not_json"
    kept = {"topic": message.topic(), "partition": 0, "offset": message.offset(), "value": message.value()}
    return kept | {"event_time": moment, "quarantine_reason": reason, "schema_id": 0}


@pytest.fixture
def shop(tmp_path: Path, kafka: dict[str, str]) -> Shop:
    return Shop(tmp_path, kafka)


def pieces(plan: Plan, name: str = "orders") -> list[tuple[str, int, int, int | None]]:
    return [(p["door"], p["start"], p["end"], p["rows"]) for p in plan.sources[name].pieces]


def whole(shop: Shop) -> None:
    shop.archive()


def half(shop: Shop) -> None:
    shop.archive(below=4)


def nothing(shop: Shop) -> None: ...


def retention(shop: Shop) -> None:
    shop.archive()
    shop.forget_before(5)


def retention_before_the_archive(shop: Shop) -> None:
    shop.archive(below=3)
    shop.forget_before(5)


def retention_without_archive(shop: Shop) -> None:
    shop.forget_before(5)


def compacted(shop: Shop) -> None:
    """The archive's files are rewritten: other files, another snapshot, the same rows."""
    shop.archive()
    for source in shop.contract.sources.values():
        table = shop.lake.load(source.archive)
        table.overwrite(table.scan().to_arrow())


def a_lost_file(shop: Shop) -> None:
    """A stretch that holds all of the range is gone from the archive, and from the topic as well."""
    shop.archive()
    for source in shop.contract.sources.values():
        shop.lake.load(source.archive).delete("offset >= 2 and offset < 8")
    shop.forget_before(8)


def poison_and_future(shop: Shop) -> None:
    produce(shop.kafka, [Record(shop.topics["orders"], b"k", b"poison", 1, partition=0)])
    produce(shop.kafka, [record(shop.topics["orders"], 24 * 365 * 900)])
    produce(shop.kafka, [record(shop.topics["orders"], 3.5)])
    shop.archive()


def transactions(shop: Shop) -> None:
    """A committed and an aborted transaction: Spark reads both, and neither's marker is a record."""
    for hour, end in ((4.5, "commit"), (4.6, "abort")):
        producer = Transactions(shop.kafka, f"test-{shop.contract.contract}")
        records = [record(topic, hour) for topic in shop.topics.values()]
        if end == "commit":
            producer.send(records)
            continue
        producer._producer.begin_transaction()
        for one in records:
            hand_over(producer._producer, one)
        producer._producer.flush(10)
        producer._producer.abort_transaction(10)
    for topic in shop.topics.values():
        produce(shop.kafka, [record(topic, 4.7)])
    shop.archive()


@pytest.mark.parametrize(
    ("made", "source", "expected"),
    [
        pytest.param(whole, "auto", [("iceberg", 2, 6, 4)], id="archived"),
        pytest.param(whole, "kafka", [("kafka", 2, 6, 4)], id="archived, from Kafka: the index says where"),
        pytest.param(half, "auto", [("iceberg", 2, 4, 2), ("kafka", 4, 10, None)], id="a seam where the archive ends"),
        pytest.param(half, "iceberg", [("iceberg", 2, 4, 2)], id="only what is archived, as asked"),
        pytest.param(nothing, "auto", [("kafka", 0, 10, None)], id="no archive: the whole topic"),
        pytest.param(retention, "auto", [("iceberg", 2, 6, 4)], id="retention passed: the archive"),
        pytest.param(compacted, "auto", [("iceberg", 2, 6, 4)], id="archive compacted"),
        pytest.param(poison_and_future, "auto", [("iceberg", 2, 13, 5)], id="poison and a far future stamp inside"),
        pytest.param(transactions, "auto", [("iceberg", 2, 15, 7)], id="transactions: their markers are no records"),
        pytest.param(transactions, "kafka", [("kafka", 2, 15, 7)], id="transactions from Kafka"),
    ],
)
def test_planned_right(
    shop: Shop, made: Callable[[Shop], None], source: str, expected: list[tuple[str, int, int, int | None]]
) -> None:
    made(shop)
    plan = shop.plan(source)
    assert pieces(plan) == expected
    assert plan.sources["orders"].empty == ({"0": 2} if made is transactions else {})
    assert shop.plan(source).replay_id == plan.replay_id


@pytest.mark.parametrize(
    ("made", "source", "error", "step"),
    [
        pytest.param(
            retention, "kafka", "topic .*orders no longer has offsets 2 to 4 of", "--source auto", id="retention"
        ),
        pytest.param(
            retention_before_the_archive,
            "auto",
            "neither the archive .* has offsets 3 to 4 of",
            "--accept-gaps",
            id="gone",
        ),
        pytest.param(a_lost_file, "auto", "neither the archive .* has offsets 2 to 7 of", "--accept-gaps", id="a hole"),
        pytest.param(a_lost_file, "iceberg", "archive of 'orders' lacks offsets 2 to 7 of", "--source auto", id="lost"),
    ],
)
def test_refused(shop: Shop, made: Callable[[Shop], None], source: str, error: str, step: str) -> None:
    made(shop)
    with pytest.raises(IncompleteError, match=error) as refused:
        shop.plan(source)
    assert step in str(refused.value)
    if "--accept-gaps" in step:
        assert [p[0] for p in pieces(shop.plan(source, accept_gaps=True))].count("gone") == 1


def test_retention_without_an_archive_is_known_by_the_topic_alone(shop: Shop) -> None:
    """Nothing tells what was below the topic's first offset; the tape holds what there is."""
    retention_without_archive(shop)
    assert pieces(shop.plan()) == [("kafka", 5, 10, None)]


def test_a_topic_made_anew_with_more_partitions(shop: Shop) -> None:
    from confluent_kafka.admin import AdminClient

    shop.archive()
    topic = shop.topics["orders"]
    admin = AdminClient(shop.kafka)
    admin.delete_topics([topic])[topic].result(10)
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while True:
        try:
            create_topics(shop.kafka, {topic: 3})
            break
        except PlumblineError:
            assert datetime.now(UTC) < deadline, "the topic was not deleted"
    with pytest.raises(IncompleteError, match=r"ends at offset 0 of partition 0.*made anew.*--source iceberg"):
        shop.plan()
    assert pieces(shop.plan("iceberg")) == [("iceberg", 2, 6, 4)]


def test_ranges_beyond_the_data(shop: Shop) -> None:
    shop.archive()
    shop.closed_until(8)
    assert shop.plan(hours=(-9, -5)).estimate["rows"] == 0, "a range without any row"
    with pytest.raises(IncompleteError, match=r"has not closed the range.*an end up to 2024-03-01T08:00:00"):
        shop.plan(hours=(2, 9))
    with pytest.raises(IncompleteError, match="has not closed the range"):
        shop.plan(hours=(24 * 365, 24 * 366))
    with pytest.raises(UsageError, match="reversed or empty"):
        shop.plan(hours=(2, 2))


def test_faithful_needs_the_epochs_of_the_range(shop: Shop) -> None:
    shop.archive()
    with pytest.raises(IncompleteError, match=r"no epoch that closed the range.*--late complete"):
        shop.plan(late="faithful")


def test_a_snapshot_expired_since_the_plan(shop: Shop) -> None:
    shop.archive()
    plan = shop.plan()
    compacted(shop)
    source = plan.sources["orders"]
    refuse_expired(shop.lake, "orders", source)
    table = shop.lake.load(source.table)
    table.maintenance.expire_snapshots().by_id(source.snapshot_id).commit()
    with pytest.raises(IncompleteError, match=r"of the archive of 'orders' was expired.*plan the range again"):
        refuse_expired(shop.lake, "orders", source)
    assert shop.plan().replay_id != plan.replay_id
