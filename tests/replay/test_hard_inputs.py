"""What topics and archives can do to a plan: each case is planned right, or refused with reason and next step.

Plans only, over a real broker and real tables; no Spark.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from plumbline.connect.kafka import Record, create_topics, hand_over, produce
from plumbline.connect.kafka_config import READ_COMMITTED
from plumbline.connect.kafka_read import Reader
from plumbline.connect.kafka_topics import topic_ids
from plumbline.connect.kafka_transactions import Transactions
from plumbline.contract.errors import IncompleteError, PlumblineError, UsageError
from plumbline.replay.plan import Plan
from plumbline.replay.tape_rows import refuse_expired
from plumbline.replay.time_basis import RECORD, touched
from tests.support.scenario import until
from tests.support.shops import Shop, hours, record

pytestmark = pytest.mark.kafka


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
    configure(shop, {"message.timestamp.after.max.ms": str(2**63 - 1)})  # else a broker refuses the next one
    produce(shop.kafka, [record(shop.topics["orders"], 24 * 365 * 900)])
    produce(shop.kafka, [record(shop.topics["orders"], 3.5)])
    shop.archive()


def transactions(shop: Shop, level: str | None = READ_COMMITTED) -> None:
    """A committed and an aborted transaction: what was aborted is no record, and neither's marker is one."""
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
    shop.archive(level=level)


def transactions_archived_before(shop: Shop) -> None:
    """The same, archived by a version that read the aborted transaction too: the archive keeps to that."""
    transactions(shop, level=None)


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
        pytest.param(transactions, "auto", [("iceberg", 2, 15, 6)], id="transactions: aborted ones are no records"),
        pytest.param(transactions, "kafka", [("kafka", 2, 15, 6)], id="transactions from Kafka"),
        pytest.param(transactions_archived_before, "auto", [("iceberg", 2, 15, 7)], id="read uncommitted, as archived"),
        pytest.param(transactions_archived_before, "kafka", [("kafka", 2, 15, 7)], id="the same from Kafka"),
    ],
)
def test_planned_right(
    shop: Shop, made: Callable[[Shop], None], source: str, expected: list[tuple[str, int, int, int | None]]
) -> None:
    made(shop)
    plan = shop.plan(source)
    assert pieces(plan) == expected
    never = {transactions: {"0": 3}, transactions_archived_before: {"0": 2}}
    assert plan.sources["orders"].empty == never.get(made, {}), "two markers, and the record that was aborted"
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


def configure(shop: Shop, settings: dict[str, str], of: ResourceType = ResourceType.TOPIC, name: str = "") -> None:
    """Set these of the orders' topic, or of another part of the broker."""
    entries = [ConfigEntry(key, to, incremental_operation=AlterConfigOpType.SET) for key, to in settings.items()]
    asked = ConfigResource(of, name or shop.topics["orders"], incremental_configs=entries)
    admin = AdminClient(shop.kafka)
    admin.incremental_alter_configs([asked])[asked].result(10)


def compact(shop: Shop) -> None:
    """The cleaner removes all orders but the last: each has the same key, and a new segment ends the old one."""
    topic = shop.topics["orders"]
    configure(shop, {"log.cleaner.backoff.ms": "50"}, ResourceType.BROKER, "1")
    configure(shop, {"cleanup.policy": "compact", "segment.ms": "1", "min.cleanable.dirty.ratio": "0.01"})
    produce(shop.kafka, [record(topic, 10)])
    with Reader(shop.kafka) as reader:
        until(lambda: not reader.shows(topic, 0, 2, 6), "the topic was not compacted")


def test_a_compacted_topic(shop: Shop) -> None:
    """What the cleaner took is gone from the topic, and never counts as an offset that was no record."""
    shop.archive()
    compact(shop)
    assert pieces(shop.plan()) == [("iceberg", 2, 10, 4), ("kafka", 10, 11, None)]
    with pytest.raises(IncompleteError, match=r"topic .*orders no longer has offsets 2 to 8 of .*--source auto"):
        shop.plan("kafka")
    assert pieces(shop.plan("kafka", accept_gaps=True)) == [("kafka", 2, 11, None)]
    shop.lake.load("raw.orders").delete("offset >= 3 and offset < 5")
    with pytest.raises(IncompleteError, match=r"neither the archive .* has offsets 3 to 4 of .*--accept-gaps"):
        shop.plan()
    shop.lake.catalog().drop_table("raw.orders")
    with pytest.raises(IncompleteError, match=r"neither the archive .* has offsets 0 to 8 of"):
        shop.plan()


def test_retention_without_an_archive_is_known_by_the_topic_alone(shop: Shop) -> None:
    """Nothing tells what was below the topic's first offset; the tape holds what there is."""
    retention_without_archive(shop)
    assert pieces(shop.plan()) == [("kafka", 5, 10, None)]


def delete(shop: Shop, topic: str) -> None:
    """Delete a topic and wait until the broker does not know it any more."""
    admin = AdminClient(shop.kafka)
    admin.delete_topics([topic])[topic].result(10)
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while topic in topic_ids(shop.kafka, [topic]):
        assert datetime.now(UTC) < deadline, "the topic was not deleted"


@pytest.mark.parametrize("late", ["complete", "faithful"])
def test_a_deleted_topic_is_planned_by_its_archive(late: str, shop: Shop) -> None:
    shop.archive()
    shop.joined(0, {"orders": (0, 10), "payments": (0, 10)}, closed=8)
    delete(shop, shop.topics["orders"])
    plan = shop.plan(late=late)
    assert plan.sources["orders"].door == "iceberg"
    assert plan.sources["orders"].read == shop.plan("iceberg", late=late).sources["orders"].read
    with pytest.raises(PlumblineError, match="does not exist"):
        shop.plan("kafka", late=late)


def test_a_deleted_topic_of_which_the_archive_lacks_records(shop: Shop) -> None:
    """The ledger says that the stream read offsets 8 and 9: they may be of any time, and nobody has them."""
    shop.archive(below=8)
    shop.joined(0, {"orders": (0, 10), "payments": (0, 8)}, closed=8)
    delete(shop, shop.topics["orders"])
    lacks = r"archive of 'orders' lacks offsets 8 to 9 of partition 0, and topic .* does not exist.*--accept-gaps"
    with pytest.raises(IncompleteError, match=lacks):
        shop.plan()
    assert shop.plan(accept_gaps=True).sources["orders"].door == "iceberg"
    with pytest.raises(IncompleteError, match="archive of 'orders' lacks offset 8"):
        touched(shop.contract, shop.home, hours(2, 3), RECORD)


def test_a_deleted_topic_without_an_archive(shop: Shop) -> None:
    delete(shop, shop.topics["orders"])
    with pytest.raises(PlumblineError, match=r"topic .* does not exist"):
        shop.plan()


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
    with pytest.raises(
        IncompleteError,
        match=r"recreated: partition 0 ends at offset 0, its archive at 10.*--source iceberg.*adopt-topic",
    ):
        shop.plan()
    assert pieces(shop.plan("iceberg")) == [("iceberg", 2, 6, 4)]


def test_ranges_beyond_the_data(shop: Shop) -> None:
    shop.archive()
    shop.closed_until(8)
    assert shop.plan(of=(-9, -5)).estimate["rows"] == 0, "a range without any row"
    with pytest.raises(IncompleteError, match=r"has not closed the range.*an end up to 2024-03-01T08:00:00"):
        shop.plan(of=(2, 9))
    with pytest.raises(IncompleteError, match="has not closed the range"):
        shop.plan(of=(24 * 365, 24 * 366))
    with pytest.raises(UsageError, match="reversed or empty"):
        shop.plan(of=(2, 2))


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
