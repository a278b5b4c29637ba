"""A topic that was deleted and recreated under its name: refused everywhere, and adopted without loss or copies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plumbline.cli import run as command
from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, admin_client, create_topics, produce
from plumbline.connect.kafka_topics import topic_ids
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import EPOCHS
from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.commit_properties import EPOCH_ID, QUERY_ID
from plumbline.contract.errors import IncompleteError, PlumblineError, SetupError, UsageError
from plumbline.contract.loader import parse
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.aggregates.run import reconcile_aggregate
from plumbline.replay.recover.run import Wanted, recover
from plumbline.stream_job import same_records, topics
from plumbline.stream_job.adopt import RECOVER, adopt
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.ledger import Epoch
from plumbline.stream_job.service import Service
from tests.support.aggregates import aggregated, held
from tests.support.model import Event
from tests.support.scenario import PARTITIONS, Scenario, contract_body, until

pytestmark = pytest.mark.kafka


def recreate(kafka: Mapping[str, str], *names: str, partitions: int = PARTITIONS) -> None:
    """Delete topics and create them again."""
    before = topic_ids(kafka, names)
    for future in admin_client(kafka).delete_topics(list(names)).values():
        future.result(30)
    until(lambda: not topic_ids(kafka, names), f"{names} are still there")
    create_topics(kafka, dict.fromkeys(names, partitions))
    assert all(topic_ids(kafka, names)[name] != before[name] for name in names)


class Job:
    """A job's folder and tables as they are after two epochs of a topic each, without a Spark."""

    def __init__(self, folder: Path, kafka: dict[str, str], name: str) -> None:
        import yaml

        self.kafka, self.home = kafka, Home.resolve(folder / "home")
        self.contract = parse(yaml.safe_dump(contract_body(name, kafka)))
        self.topics = [self.contract.left.topic, self.contract.right.topic]
        create_topics(kafka, dict.fromkeys(self.topics, PARTITIONS))
        self.job, self.lake = JobFolder.of(self.contract, self.home), Lake.open(self.home)
        for part in ("offsets", "commits", "sources/0"):
            (self.job.join / part).mkdir(parents=True)
        (self.job.join / "metadata").write_text('{"id":"q"}')
        (self.job.join / "sources" / "0" / "0").write_text("old")
        self.plan(0, {"0": 3}, {"0": 1})
        self.commit(0)
        for source in self.contract.sources.values():
            self.lake.ensure_table(source.archive, ARCHIVE_SCHEMA)
        ids = {side: topics.agreed(self.lake, kafka, source) for side, _, source in topics.sides(self.contract)}
        topics.note_read(self.job.join, ids)
        self.job.ledger.sync()

    def plan(self, number: int, left: dict[str, int], right: dict[str, int]) -> None:
        lines = [json.dumps({topic: ends}) for topic, ends in zip(self.topics, (left, right), strict=True)]
        metadata = json.dumps({"batchWatermarkMs": 0, "batchTimestampMs": 1000 + number})
        (self.job.join / "offsets" / str(number)).write_text("\n".join(["v1", metadata, *lines]))

    def commit(self, number: int) -> None:
        (self.job.join / "commits" / str(number)).write_text('v1\n{"nextBatchWatermarkMs":0}')

    def sink(self, number: int) -> None:
        """Let the stream table hold an epoch."""
        import pyarrow as pa

        rows = pa.table({"n": pa.array([1], pa.int64())})
        table = self.contract.output.stream_table
        self.lake.ensure_table(table, rows.schema)
        self.lake.append(table, rows, {QUERY_ID: "q", EPOCH_ID: str(number)})

    def ends(self, number: int) -> list[Any]:
        lines = (self.job.join / "offsets" / str(number)).read_text().splitlines()[2:]
        return [next(iter(json.loads(line).values())) for line in lines]

    def newest(self) -> Epoch:
        self.job.ledger.sync()
        return self.job.ledger.read(self.job.ledger.last_epoch())


@pytest.fixture
def job(tmp_path: Path, kafka: dict[str, str], request: pytest.FixtureRequest) -> Job:
    return Job(tmp_path, kafka, request.node.name.replace("[", "-").replace("]", "")[:60])


def test_the_ledger_notes_the_ids(job: Job) -> None:
    ids = topic_ids(job.kafka, job.topics)
    assert job.newest().topic_ids == tuple((ids[topic],) for topic in job.topics)


def test_nothing_to_adopt_is_said(job: Job) -> None:
    with pytest.raises(SetupError, match="no topic of the contract was recreated"):
        adopt(job.contract, job.home, execute=True)
    with pytest.raises(UsageError, match="no source 'nope'"):
        adopt(job.contract, job.home, execute=True, named=["nope"])


def test_reconcile_tells_it(job: Job) -> None:
    assert topics.recreated_topics(job.contract, job.home, job.lake) == []
    recreate(job.kafka, job.topics[0])
    (told,) = topics.recreated_topics(job.contract, job.home, job.lake)
    assert told.startswith(f"topic {job.topics[0]} was deleted and recreated")
    adopt(job.contract, job.home, execute=True)
    assert topics.recreated_topics(job.contract, job.home, job.lake) == []


@pytest.mark.parametrize("joins", [True, False], ids=["join", "archive"])
def test_a_running_job_ends(joins: bool, job: Job) -> None:
    service = object.__new__(Service)
    parts = SimpleNamespace(contract=job.contract, lake=job.lake, kafka=job.kafka, job=job.job, joins=joins)
    service.parts = parts  # type: ignore[assignment]
    keeper: Any = SimpleNamespace(trouble=None)
    service._asked = float("-inf")
    service._refuse_other_topics(keeper)
    recreate(job.kafka, job.topics[1])
    service._refuse_other_topics(keeper)
    service._asked = float("-inf")
    with pytest.raises(SetupError, match=f"topic {job.topics[1]} was deleted and recreated"):
        service._refuse_other_topics(keeper)


def test_one_of_two_topics_is_adopted_and_the_ledger_goes_on(job: Job) -> None:
    recreate(job.kafka, job.topics[0])
    before = (job.job.join / "offsets" / "0").read_text()
    shown = adopt(job.contract, job.home, execute=False)
    assert (shown["executed"], shown["left"], list(shown["sources"])) == (False, None, ["orders"])
    assert shown["sources"]["orders"]["read_and_never_archived"] == {"0": [0, 3]}
    assert (job.job.join / "offsets" / "0").read_text() == before
    adopt(job.contract, job.home, execute=True)
    assert job.ends(0) == [{"0": 0, "1": 0}, {"0": 1}]
    assert not list((job.job.join / "sources").glob("*/*"))
    assert job.newest().end == ({"0": 3}, {"0": 1})
    job.plan(1, {"0": 2, "1": 4}, {"0": 5})
    job.commit(1)
    epoch = job.newest()
    assert epoch.end == ({"0": 3, "1000000": 2, "1000001": 4}, {"0": 5})
    assert (len(epoch.topic_ids[0]), len(epoch.topic_ids[1])) == (2, 1)
    shutil.rmtree(job.job.root / "ledger")
    assert job.newest() == epoch, "the log alone says the same"
    with pytest.raises(SetupError, match="no topic of the contract was recreated"):
        adopt(job.contract, job.home, execute=True)


@pytest.mark.parametrize("step", ["the archive is noted", "the log is turned"])
def test_an_adoption_that_was_killed_is_refused_and_repeated(
    job: Job, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    recreate(job.kafka, job.topics[0])
    with monkeypatch.context() as patch:

        def killed(*args: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(
            "plumbline.stream_job.adopt._turn" if "noted" in step else "plumbline.stream_job.topics.write", killed
        )
        with pytest.raises(KeyboardInterrupt):
            adopt(job.contract, job.home, execute=True)
    ids = {name: topics.agreed(job.lake, job.kafka, source) for name, source in job.contract.sources.items()}
    assert len(ids["orders"]) == 2
    with pytest.raises(SetupError, match="has read an older topic"):
        topics.refuse_unturned(job.job, job.contract, ids)
    assert adopt(job.contract, job.home, execute=True)["executed"]
    topics.refuse_unturned(job.job, job.contract, ids)
    assert job.ends(0)[0] == {"0": 0, "1": 0}
    assert [g.before for g in topics.read_by(job.job.join, "left")] == [{}, {"0": 3}]


def test_a_planned_epoch_of_the_old_topic_is_left_out_unless_the_table_holds_it(job: Job) -> None:
    job.plan(1, {"0": 9}, {"0": 1})
    job.sink(1)
    recreate(job.kafka, job.topics[0])
    assert adopt(job.contract, job.home, execute=False)["left"] == RECOVER
    job.sink(0)
    assert adopt(job.contract, job.home, execute=True)["left"] is None
    assert not (job.job.join / "offsets" / "1").exists()
    assert job.newest().end[0] == {"0": 3}


def test_a_planned_epoch_that_reads_nothing_of_it_is_turned_too(job: Job) -> None:
    job.plan(1, {"0": 3}, {"0": 4})
    job.sink(1)
    recreate(job.kafka, job.topics[0])
    assert adopt(job.contract, job.home, execute=True)["left"] is None
    assert [job.ends(number) for number in (0, 1)] == [[{"0": 0, "1": 0}, {"0": 1}], [{"0": 0, "1": 0}, {"0": 4}]]
    job.commit(1)
    assert job.newest().end == ({"0": 3, "1000000": 0, "1000001": 0}, {"0": 4})


def test_a_broker_that_tells_no_ids(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read shows a topic that ends before it; a longer one must be named."""

    def told_nothing(properties: Mapping[str, str], names: list[str], *_: float) -> dict[str, str | None]:
        return dict.fromkeys(names)

    monkeypatch.setattr("plumbline.connect.kafka_topics.topic_ids", told_nothing)
    ids = {name: topics.agreed(job.lake, job.kafka, source) for name, source in job.contract.sources.items()}
    with pytest.raises(SetupError, match=r"ends at offset 0 of partition 0, what was read of it ends at 3.*--source"):
        topics.refuse_read_beyond(job.job, job.contract, job.kafka, ids)
    with pytest.raises(SetupError, match="no topic of the contract was recreated"):
        adopt(job.contract, job.home, execute=True)
    assert adopt(job.contract, job.home, execute=True, named=["orders"])["sources"]["orders"]["is"] is None
    assert topics.noted(job.lake, job.contract.left)[1:] == (None,)


def test_records_tell_a_longer_topic_from_the_archived_one_where_no_id_was_noted(job: Job) -> None:
    """As in a home of an earlier version, or with a broker that tells no ids."""
    import pyarrow as pa

    source = job.contract.left.model_copy(update={"archive": "raw.unnoted"})
    job.lake.ensure_table(source.archive, ARCHIVE_SCHEMA)
    sent = [Record(source.topic, b"k", b"{}", 1_700_000_000_000 + n, partition=1) for n in range(3)]
    produce(job.kafka, sent)
    at = pa.array([1_700_000_000_000_000 + 1000 * n for n in range(3)], pa.timestamp("us", "UTC"))
    rows = {"topic": [source.topic] * 3, "partition": [1] * 3, "offset": [0, 1, 2], "kafka_timestamp": at}
    rows |= {"key": [b"k"] * 3, "value": [b"{}"] * 3}
    nothing = {field.name: pa.nulls(3, field.type) for field in ARCHIVE_SCHEMA if field.name not in rows}
    columns = {**{name: pa.array(column) for name, column in rows.items()}, **nothing}
    table = pa.table({field.name: columns[field.name].cast(field.type) for field in ARCHIVE_SCHEMA})
    job.lake.append(source.archive, table)
    same_records.refuse_other_records(job.lake, job.kafka, source, ())
    recreate(job.kafka, source.topic)
    with pytest.raises(SetupError, match=r"ends at offset 0 of partition 1, what was read of it ends at 3"):
        topics.agreed(job.lake, job.kafka, source)
    aborted(job.kafka, [record._replace(timestamp_ms=1_710_000_000_000) for record in [*sent, *sent]])
    with pytest.raises(SetupError, match="holds another record at offset 2 of partition 1"):
        topics.agreed(job.lake, job.kafka, source)
    assert topics.noted(job.lake, source) == ()


def aborted(kafka: Mapping[str, str], records: list[Record]) -> None:
    """Send records of a transaction that is given up: an archive of uncommitted records would hold them."""
    from confluent_kafka import Producer

    producer = Producer({**kafka, "transactional.id": f"tx-{records[0].topic}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for record in records:
        producer.produce(record.topic, record.value, record.key, record.partition, timestamp=record.timestamp_ms)
    producer.flush(30)
    producer.abort_transaction(30)


def send(kafka: Mapping[str, str], topic: str, side: str, *events: Event) -> None:
    records = [Record(topic, e.id.encode(), e.value(side), (e.us or 0) // 1000, partition=e.partition) for e in events]
    produce(kafka, records)


@pytest.mark.spark
def test_old_and_new_records_are_told_apart_and_none_is_lost_or_doubled(
    new_scenario: Callable[..., Scenario],
) -> None:
    job = new_scenario()
    orders, payments = job.contract.left.topic, job.contract.right.topic
    job.feed([Event("a", 0), Event("open", 50, partition=1)], [Event("a", 10, "p-a")]).epoch()
    recreate(job.kafka, orders, payments)
    send(job.kafka, orders, "left", Event("b", 80), Event("c", 81), Event("d", 200), Event("e", 300, partition=1))
    send(job.kafka, payments, "right", Event("open", 90, "p-open"), Event("d", 201, "p-d"), Event("e", 301, "p-e"))
    refused_everywhere(job)
    adopt(job.contract, job.home, execute=True)
    with pytest.raises(SetupError, match="no topic of the contract was recreated"):
        adopt(job.contract, job.home, execute=True)
    older = job.home.root / "older"
    shutil.copytree(job.job.archive("orders"), older)
    job.epoch()
    shutil.rmtree(job.job.archive("orders"))
    shutil.copytree(older, job.job.archive("orders"))
    job.epoch()
    found = {side: [(p, o) for p, o, _ in rows] for side, rows in job.archived().items()}
    new = 1_000_000
    assert found["left"] == [(0, 0), (1, 0), (new, 0), (new, 1), (new, 2), (new + 1, 0)]
    assert found["right"] == [(0, 0), (new, 0), (new, 1), (new, 2)]
    rows = {(row.left, row.right) for row in job.rows()}
    assert ((0, 0), (0, 0)) in rows
    assert ((1, 0), (new, 0)) in rows, "what waited in state meets its match from the new topic"
    assert ((new, 2), (new, 1)) in rows
    job.batch()
    document = job.reconcile()
    assert document["verdict"] == "clean", document
    published = job.lake.load(EPOCHS).scan().to_arrow().to_pylist()
    ids = topics.noted(job.lake, job.contract.left)
    assert {row["topic_id"] for row in published if row["partition"] < new and row["source"] == "orders"} == {ids[0]}
    assert {row["topic_id"] for row in published if row["partition"] >= new and row["source"] == "orders"} == {ids[1]}
    document = recover(job.contract, job.home, Wanted(execute=True, force=True), spark=job.spark)
    assert document["proof"]["missing"] == document["proof"]["extra"] == 0
    send(job.kafka, payments, "right", Event("e", 310, "p-e2"))
    job.epoch()
    assert len(job.rows()) == len(rows) + 1


@pytest.mark.spark
def test_the_open_windows_of_an_aggregate_take_in_both_topics(
    new_scenario: Callable[..., Scenario], capsys: pytest.CaptureFixture[str]
) -> None:
    job = aggregated(
        new_scenario(), "1 hour", group_by=[], values={"orders": "count(*)", "payments": "count(payments.id)"}
    )
    orders, payments = job.contract.left.topic, job.contract.right.topic
    job.feed([Event("a", 0), Event("open", 50, partition=1)], [Event("a", 10, "p-a")]).epoch()
    recreate(job.kafka, orders, payments)
    send(job.kafka, orders, "left", Event("b", 55), Event("z", 400), Event("z", 400, partition=1))
    send(job.kafka, payments, "right", Event("open", 58, "p-open"), Event("z", 401, "p-z"))
    words = ["stream", "adopt-topic", str(job.contract_path), f"--home={job.home.root}"]
    assert command([*words, "--execute"]) == 0, capsys.readouterr().err
    job.epoch()
    first = min(held(job, "joined.stream"), key=lambda line: line["window_start"])
    assert (first["orders"], first["payments"]) == (3, 2), "two of the old topic and one of the new, in one window"
    job.batch()
    document = reconcile_aggregate(job.contract, job.home).document
    assert (document["verdict"], document["counts"]["match"], document["agrees"]) == ("clean", 1, True)


def refused_everywhere(job: Scenario) -> None:
    from plumbline.replay.plan import make_plan
    from plumbline.stream_job.status import look

    again = r"was deleted and recreated: its id is"
    with pytest.raises(SetupError, match=again):
        job.epoch()
    with pytest.raises(SetupError, match=again):
        recover(job.contract, job.home, Wanted(execute=True, force=True), spark=job.spark)
    status = look(job.contract, job.home)
    assert (status.lag, status.exit_code) == (None, 3)
    assert "recreated" in status.unknown[0]
    assert "adopt-topic" in status.unknown[0]
    day = TimeRange.of_json({"from": "2024-02-29T00:00:00Z", "to": "2024-02-29T12:00:00Z"})
    for door in ("auto", "kafka"):
        with pytest.raises(IncompleteError, match="was recreated: its id is"):
            make_plan(job.contract, job.contract_path, job.home, day, source=door)
    with pytest.raises(PlumblineError):
        adopt(job.contract, job.home, execute=False, named=["nobody"])
