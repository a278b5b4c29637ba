"""Holes held against a real topic: transactions, retention, open transactions, topics that were made again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from plumbline.cli import run
from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, admin_client, create_topics, produce
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError
from tests.support.coordinate_tables import append, audited, told

pytestmark = pytest.mark.kafka
_numbers = count()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.resolve(tmp_path_factory.mktemp("audited"))


@pytest.fixture(scope="module")
def lake(home: Home) -> Lake:
    return Lake.open(home)


@pytest.fixture
def name() -> str:
    return f"audit{next(_numbers)}"


@pytest.fixture
def transaction(kafka: dict[str, str], name: str) -> Iterator[Callable[..., None]]:
    """Sends so many records of partition 0 in one transaction and ends it: by `commit`, `abort`, or not at all."""
    producer = Producer({**kafka, "transactional.id": f"tx-{name}", "transaction.timeout.ms": 60_000})
    producer.init_transactions(30)

    def send(records: int, end: str) -> None:
        producer.begin_transaction()
        for n in range(records):
            producer.produce(name, b"%d" % n, b"k", partition=0)
        producer.flush(30)
        if end != "open":
            (producer.commit_transaction if end == "commit" else producer.abort_transaction)(30)

    yield send
    producer.purge()


def plain(kafka: dict[str, str], topic: str, records: int, partition: int = 0) -> None:
    produce(kafka, (Record(topic, b"k", b"%d" % n, 1_700_000_000_000, partition=partition) for n in range(records)))


def forget(kafka: dict[str, str], topic: str, before: int) -> None:
    """As retention does."""
    for future in admin_client(kafka).delete_records([TopicPartition(topic, 0, before)]).values():
        future.result()


def test_markers_and_aborted_records_are_no_loss(
    kafka: dict[str, str], lake: Lake, name: str, transaction: Callable[..., None]
) -> None:
    """Offsets 0 to 4 committed, marker 5; 6 to 8 aborted, marker 9; 10 to 13 committed, marker 14."""
    create_topics(kafka, {name: 1})
    for records, end in ((5, "commit"), (3, "abort"), (4, "commit")):
        transaction(records, end)
    append(lake, f"a.{name}", {0: [*range(5), *range(10, 14)]})
    assert told(lake, f"a.{name}", name, kafka=kafka) == ["marker 0: 5-5", "aborted 0: 6-8", "marker 0: 9-9"]
    found = audited(lake, f"a.{name}", name, kafka=kafka)
    assert (found["verdict"], found["partitions"][0]["behind"]) == ("clean", 1)
    assert told(lake, f"a.{name}") == ["unasked 0: 5-9"]


def test_a_lost_record_between_them_is(
    kafka: dict[str, str], lake: Lake, name: str, transaction: Callable[..., None]
) -> None:
    create_topics(kafka, {name: 1})
    for records, end in ((5, "commit"), (3, "abort"), (4, "commit")):
        transaction(records, end)
    append(lake, f"a.{name}", {0: [0, 1, 2]}, {0: [11, 13]})
    found = audited(lake, f"a.{name}", name, kafka=kafka)
    assert [(one["kind"], one["start"], one["end"]) for one in found["findings"] if one["kind"] == "held"] == [
        ("held", 3, 5),
        ("held", 10, 11),
        ("held", 12, 13),
    ]
    second = str(lake.load(f"a.{name}").metadata.snapshots[1].snapshot_id)
    assert {tuple(one["passed_by"]) for one in found["findings"] if one["kind"] == "held"} == {(second,)}
    assert found["verdict"] == "drift"


def test_a_transaction_that_is_open_says_nothing_yet(
    kafka: dict[str, str], lake: Lake, name: str, transaction: Callable[..., None]
) -> None:
    create_topics(kafka, {name: 1})
    transaction(2, "commit")
    transaction(3, "open")
    append(lake, f"a.{name}", {0: [0, 1, 3, 5]})
    assert told(lake, f"a.{name}", name, kafka=kafka) == ["marker 0: 2-2", "open 0: 4-4"]
    assert audited(lake, f"a.{name}", name, kafka=kafka)["verdict"] == "incomplete"


def test_what_retention_took_cannot_be_told(kafka: dict[str, str], lake: Lake, name: str) -> None:
    create_topics(kafka, {name: 1})
    plain(kafka, name, 20)
    forget(kafka, name, 6)
    append(lake, f"a.{name}", {0: [0, 1, 2, *range(9, 20)]})
    assert told(lake, f"a.{name}", name, kafka=kafka) == ["expired 0: 3-5", "held 0: 6-8"]
    append(lake, f"a.{name}_all", {0: range(5)})
    both = {"kafka": kafka, "archive": f"a.{name}_all"}
    assert told(lake, f"a.{name}", name, **both) == ["archived 0: 3-4", "expired 0: 5-5", "held 0: 6-8"]


def test_before_the_first_row_and_partitions_without_any(kafka: dict[str, str], lake: Lake, name: str) -> None:
    create_topics(kafka, {name: 3})
    plain(kafka, name, 10)
    plain(kafka, name, 4, partition=1)
    append(lake, f"a.{name}", {0: range(4, 8)})
    assert told(lake, f"a.{name}", name, kafka=kafka) == ["before_first 0: 0-3", "absent 1: 0-3"]
    since = lake.load(f"a.{name}").metadata.snapshots[0].snapshot_id
    append(lake, f"a.{name}", {0: [9]})
    assert told(lake, f"a.{name}", name, kafka=kafka, since=since) == ["held 0: 8-8"]


def test_rows_beyond_the_end_are_of_another_topic(kafka: dict[str, str], lake: Lake, name: str) -> None:
    create_topics(kafka, {name: 1})
    plain(kafka, name, 10)
    append(lake, f"a.{name}", {0: range(8)}, {0: [8, 9, 10, 11, 20], 5: [0]})
    found = audited(lake, f"a.{name}", name, kafka=kafka)
    kinds = [(one["kind"], one["partition"], one["start"], one["end"]) for one in found["findings"]]
    assert kinds == [("beyond_end", 0, 10, 12), ("beyond_end", 0, 20, 21), ("beyond_end", 5, 0, 1)]
    second = str(lake.load(f"a.{name}").metadata.snapshots[1].snapshot_id)
    assert {tuple(one["written_by"]) for one in found["findings"]} == {(second,)}


def test_rows_deleted_at_the_end_are_not_taken_for_rows_to_come(kafka: dict[str, str], lake: Lake, name: str) -> None:
    create_topics(kafka, {name: 1})
    plain(kafka, name, 10)
    append(lake, f"a.{name}", {0: range(9)})
    lake.load(f"a.{name}").delete("kafka_offset > 5")
    deleting = str(lake.load(f"a.{name}").metadata.current_snapshot_id)
    [found] = audited(lake, f"a.{name}", name, kafka=kafka)["findings"]
    assert (found["kind"], found["start"], found["end"], found["deleted_by"]) == ("deleted", 6, 9, deleting)
    append(lake, f"a.{name}", {0: [6]})
    assert told(lake, f"a.{name}", name, kafka=kafka) == ["deleted 0: 7-8"]
    assert told(lake, f"a.{name}", name, kafka=kafka, since=int(deleting)) == []


def test_of_a_compacted_topic_no_marker_is_sure(
    kafka: dict[str, str], lake: Lake, name: str, transaction: Callable[..., None]
) -> None:
    """An offset without a record may be a marker, or a record that went for a newer one of its key."""
    create_topics(kafka, {name: 1})
    policy = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[policy])
    admin_client(kafka).incremental_alter_configs([resource])[resource].result()
    transaction(3, "commit")
    transaction(3, "commit")
    append(lake, f"a.{name}", {0: [0, 2, 4, 5, 6]})
    assert told(lake, f"a.{name}", name, kafka=kafka) == ["held 0: 1-1", "compacted 0: 3-3"]


def test_the_archive_of_a_recreated_topic(kafka: dict[str, str], lake: Lake, name: str) -> None:
    """Partitions from 1,000,000 on are of the topic that has the name now."""
    create_topics(kafka, {name: 1})
    plain(kafka, name, 5)
    append(lake, f"a.{name}", {0: [0, 1, 3, 900], 1_000_000: [0, 1, 3, 4]})
    assert told(lake, f"a.{name}", name, kafka=kafka) == ["expired 0: 2-2", "expired 0: 4-899", "held 1000000: 2-2"]


def test_the_command(
    kafka: dict[str, str], home: Home, lake: Lake, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    create_topics(kafka, {name: 1})
    plain(kafka, name, 10)
    append(lake, f"a.{name}", {0: range(10)})
    line = ["audit", f"a.{name}", "--topic", name, "--home", str(home.root)]
    servers = ["--kafka", f"bootstrap.servers={kafka['bootstrap.servers']}"]
    assert run([*line, *servers]) == 0
    assert "clean: every offset" in capsys.readouterr().out
    assert run(line) == 2
    assert "--kafka bootstrap.servers=HOST:PORT" in capsys.readouterr().err
    append(lake, f"a.{name}", {0: [3]})
    assert run([*line, *servers, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["counts"]["doubled"] == {"stretches": 1, "offsets": 1, "copies": 1}


def test_a_topic_that_is_not_there(kafka: dict[str, str], lake: Lake, name: str) -> None:
    append(lake, f"a.{name}", {0: range(10)})
    with pytest.raises(SetupError, match=f"topic {name} does not exist"):
        told(lake, f"a.{name}", name, kafka=kafka)
