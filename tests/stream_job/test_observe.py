"""Epochs of a Spark query that is not ours, from a checkpoint's files as Spark writes them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import EPOCHS, LATE
from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.errors import IncompleteError, PlumblineError, SetupError, UsageError
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.contract.operators import JOIN
from plumbline.stream_job import status
from plumbline.stream_job.observe.epochs_of import UNNAMED
from plumbline.stream_job.observe.observer import observe
from tests.support.foreign_job import digest
from tests.support.observed_query import OTHER, PLAYS, QUERY, SHOWS, Query
from tests.support.scenario import until
from tests.support.world import CONTRACT

ANOTHER = "0b1c9a52-6a57-4c53-8a3c-1f1f7c3e9d42"


def three(query: Query) -> Query:
    """Three batches, each of ten shows and five plays, with the watermarks 0, 100 and 200."""
    query.begin(shows={0: 7}, plays={0: 0}).operators(JOIN)
    for n in range(1, 4):
        query.batch(100 * (n - 1), {SHOWS: {0: 7 + 10 * n}, PLAYS: {0: 5 * n}, OTHER: {0: 1000 * n}})
    return query


@pytest.fixture
def query(tmp_path: Path) -> Query:
    return Query(tmp_path / "checkpoint")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path / "home")


def contract(query: Query, name: str = "plays", job: str = "", **changes: str) -> Contract:
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    for old, new in {"contract: plays": f"contract: {name}", **changes}.items():
        text = text.replace(old, new)
    return parse(f"{text}\njob: {{kind: spark, checkpoint: '{query.folder}'{job}}}\n", "plays.yaml")


def ledger(home: Home, name: str = "plays") -> list[tuple[int, str, int, int, int]]:
    """(epoch, source, start, end, late watermark) of what is published, in order."""
    rows = Lake.open(home).load(EPOCHS).scan(f"contract == '{name}'").to_arrow().to_pylist()
    return sorted((r["epoch"], r["source"], r["start_offset"], r["end_offset"], r["late_watermark_ms"]) for r in rows)


ALL = [
    (0, "plays", 0, 5, 0), (0, "shows", 7, 17, 0),
    (1, "plays", 5, 10, 0), (1, "shows", 17, 27, 0),
    (2, "plays", 10, 15, 100), (2, "shows", 27, 37, 100),
]  # fmt: skip


def test_what_each_batch_read_and_which_watermark_was_in_force(query: Query, home: Home) -> None:
    three(query).batch(300, {SHOWS: {0: 99}, PLAYS: {0: 99}}, commit=False)
    before = digest(query.folder)
    found = observe(contract(query), home, once=True)
    assert ledger(home) == ALL
    assert (found["query_id"], found["last_epoch"], found["published"]) == (QUERY, 2, 3)
    assert (found["evict_watermark_ms"], found["gaps"], found["other_topics"]) == (200, [], [])
    assert observe(contract(query), home, once=True)["published"] == 0
    assert digest(query.folder) == before


@pytest.mark.parametrize("plan", [(PLAYS, SHOWS), (OTHER, SHOWS, PLAYS), (PLAYS, OTHER, SHOWS)], ids=str)
def test_offsets_go_by_topic_and_not_by_the_place_in_the_plan(plan: tuple[str, ...], tmp_path: Path) -> None:
    said: list[str] = []
    query, home = three(Query(tmp_path / "checkpoint", plan)), Home.resolve(tmp_path / "home")
    found = observe(contract(query), home, once=True, say=said.append)
    assert ledger(home) == ALL
    assert found["other_topics"] == ([OTHER] if OTHER in plan else [])
    assert (f"observe: the query also reads {OTHER}: no matter of the contract" in said) is (OTHER in plan)


def test_what_was_purged_unseen_is_a_gap_and_the_batch_after_it_is_unknown_too(query: Query, home: Home) -> None:
    """Of the first batch that is left neither its start nor its late watermark is known."""
    said: list[str] = []
    found = observe(contract(three(query).purge(1)), home, once=True, say=said.append)
    assert ledger(home) == ALL[4:]
    assert found["gaps"] == [[0, 1]]
    assert any("epochs 0 to 1 were purged before they were seen" in line for line in said)
    for n in range(4, 8):
        query.batch(100 * (n - 1), {SHOWS: {0: 7 + 10 * n}, PLAYS: {0: 5 * n}})
    assert observe(contract(query.purge(5)), home, once=True)["gaps"] == [[0, 1], [3, 5]]
    assert [row[0] for row in ledger(home)] == [2, 2, 6, 6]
    assert ledger(home)[-1] == (6, "shows", 67, 77, 500)


def test_a_query_that_began_in_the_middle_of_its_topics_has_read_nothing_before(query: Query, home: Home) -> None:
    """Also where one topic had nothing at first."""
    query.begin(shows={0: 50}, plays={0: 30})
    query.batch(0, {SHOWS: {0: 60}}).batch(0, {SHOWS: {0: 70}, PLAYS: {0: 40}})
    observe(contract(query), home, once=True)
    assert ledger(home) == [
        (0, "plays", 30, 30, 0), (0, "shows", 50, 60, 0), (1, "plays", 30, 40, 0), (1, "shows", 60, 70, 0),
    ]  # fmt: skip


def test_without_its_first_offsets_the_first_batch_is_unknown(query: Query, home: Home) -> None:
    shutil.rmtree(three(query).folder / "sources")
    assert observe(contract(query), home, once=True)["gaps"] == [[0, 0]]
    assert ledger(home) == ALL[2:]


def test_two_contracts_over_one_checkpoint_each_have_their_ledger(query: Query, home: Home) -> None:
    three(query)
    other = contract(query, "second", **{"joined.": "other.", "raw.": "more."})
    assert [observe(each, home, once=True)["published"] for each in (contract(query), other)] == [3, 3]
    assert ledger(home) == ledger(home, "second") == ALL


def test_a_new_checkpoint_is_said_and_keeps_the_ledger_of_the_old_one(query: Query, home: Home) -> None:
    observe(contract(three(query)), home, once=True)
    shutil.rmtree(query.folder)
    said: list[str] = []
    found = observe(contract(three(Query(query.folder, query_id=ANOTHER))), home, once=True, say=said.append)
    assert found["query_id"] == ANOTHER
    assert any(f"the job has a new checkpoint: query {ANOTHER}, before {QUERY}" in line for line in said)
    assert ledger(home) == sorted([*ALL, *ALL])


def test_runs_are_told_by_the_commits_of_the_table(query: Query, home: Home) -> None:
    wrote(home, QUERY, {0: "app-1", 1: "app-1", 2: "app-2"})
    observe(contract(three(query)), home, once=True)
    rows = Lake.open(home).load(EPOCHS).scan().to_arrow().to_pylist()
    assert {row["epoch"]: row["run_id"] for row in rows} == {0: "app-1", 1: "app-1", 2: "app-2"}
    assert {row["spark_version"] for row in rows} == {"4.1.4"}


@pytest.mark.parametrize(
    ("commits", "versions"),
    [
        ({0: "4.1.4", 2: "4.1.4"}, ["4.1.4", "4.1.4", "4.1.4"]),
        ({0: "4.1.3", 2: "4.1.4"}, ["4.1.3", UNNAMED, "4.1.4"]),
        ({1: "4.1.4"}, [UNNAMED, "4.1.4", "4.1.4"]),
        ({}, [UNNAMED, UNNAMED, UNNAMED]),
    ],
)
def test_the_spark_of_an_epoch_is_told_or_unnamed(
    commits: dict[int, str], versions: list[str], query: Query, home: Home
) -> None:
    """Never null: the ledger's readers take that for a proven one."""
    for epoch, version in commits.items():
        wrote(home, QUERY, {epoch: "app"}, version)
    observe(contract(three(query)), home, once=True)
    rows = Lake.open(home).load(EPOCHS).scan().to_arrow().to_pylist()
    assert [{row["spark_version"] for row in rows if row["epoch"] == n} for n in range(3)] == [{v} for v in versions]


def test_the_watermark_is_that_of_the_log_whatever_its_policy(query: Query, home: Home) -> None:
    policy = {"spark.sql.streaming.multipleWatermarkPolicy": "max"}
    query.begin().batch(0, {SHOWS: {0: 1}, PLAYS: {0: 1}}, **policy).batch(9, {SHOWS: {0: 2}, PLAYS: {0: 1}}, **policy)
    said: list[str] = []
    assert observe(contract(query), home, once=True, say=said.append)["watermark_policy"] == "max"
    assert any("the query's watermark is the max of its sources'" in line for line in said)


def test_late_rows_are_written_as_the_archive_gets_them(query: Query, home: Home) -> None:
    """Of the shows of the third batch those at or before the watermark that the second one left."""
    wrote(home, QUERY, {0: "app", 2: "app"})
    assert observe(contract(three(query)), home, once=True)["late"] == 0
    lake = Lake.open(home)
    lake.ensure_table("raw.shows", ARCHIVE_SCHEMA)
    for first, last in ((7, 30), (30, 37)):
        times = [datetime.fromtimestamp((90 + at - 27) / 1000, UTC) for at in range(first, last)]
        rows = [
            {"topic": SHOWS, "partition": 0, "offset": at, "event_time": time, "value": b"%d" % at}
            for at, time in zip(range(first, last), times, strict=True)
        ]
        lake.append("raw.shows", pa.Table.from_pylist(rows, schema=ARCHIVE_SCHEMA))
        assert observe(contract(query), home, once=True)["late"] == {30: 3, 37: 7}[last]
    found = lake.load(LATE).scan().to_arrow().to_pylist()
    assert sorted((row["offset"], row["epoch"], row["late_by_ms"], row["value"]) for row in found) == [
        (at, 2, 100 - (90 + at - 27), b"%d" % at) for at in range(27, 37)
    ]
    assert observe(contract(query), home, once=True)["late"] == 0


def test_it_watches_until_it_is_stopped(query: Query, home: Home) -> None:
    """Beside a job that goes on; what was committed last is taken in at the end."""
    three(query)
    lake = Lake.open(home)
    lake.ensure_table("joined.plays_stream", pa.schema([("show_id", pa.string())]))
    stop, done = threading.Event(), list[dict[str, Any]]()
    thread = threading.Thread(target=lambda: done.append(observe(contract(query), home, stop=stop)), daemon=True)
    thread.start()
    until(lambda: lake.exists(EPOCHS) and ledger(home) == ALL, "the epochs were not published")
    with pytest.raises(SetupError, match="another observer works here already"):
        observe(contract(query), home, once=True)
    query.batch(300, {SHOWS: {0: 47}, PLAYS: {0: 20}})
    stop.set()
    thread.join(30)
    assert done[0]["last_epoch"] == 3
    assert len(ledger(home)) == 8


def wrote(home: Home, query_id: str, apps: Mapping[int, str], version: str = "4.1.4") -> None:
    """Commits of the stream table by a query of Spark."""
    lake, rows = Lake.open(home), pa.table({"show_id": pa.array([], pa.string())})
    lake.ensure_table("joined.plays_stream", rows.schema)
    for epoch, app in apps.items():
        said = {"spark.sql.streaming.queryId": query_id, "spark.sql.streaming.epochId": str(epoch)}
        lake.append("joined.plays_stream", rows, {**said, "spark.app.id": app, "engine-version": version})


def _nothing(query: Query) -> None:
    shutil.rmtree(query.folder)


def _no_commits(query: Query) -> None:
    shutil.rmtree(query.folder / "commits")


def _no_offsets(query: Query) -> None:
    shutil.rmtree(query.folder / "offsets")


def _older_commits(query: Query) -> None:
    (query.folder / "commits" / "2").unlink()
    (query.folder / "commits" / "1").unlink()


def _cut_off(query: Query) -> None:
    file = query.folder / "offsets" / "1"
    file.write_text(file.read_text()[:60])


def _newer_engine(query: Query) -> None:
    file = query.folder / "offsets" / "1"
    file.write_text(file.read_text().replace("v1", "v2", 1))


def _another_rule(query: Query) -> None:
    query.batch(
        300, {SHOWS: {0: 50}, PLAYS: {0: 50}}, **{"spark.sql.streaming.statefulOperator.allowMultiple": "false"}
    )


def _no_id(query: Query) -> None:
    (query.folder / "metadata").write_text('{"id":"../elsewhere"}')


def _read_twice(query: Query) -> None:
    file = query.folder / "offsets" / "1"
    file.write_text(file.read_text() + '\n{"t.shows":{"0":20}}')


def _other_topic(query: Query) -> None:
    for file in (query.folder / "offsets").iterdir():
        file.write_text(file.read_text().replace(PLAYS, OTHER))


@pytest.mark.parametrize(
    ("harm", "kind", "told"),
    [
        (_nothing, SetupError, "there is no checkpoint of a Spark query"),
        (_no_commits, SetupError, "half deleted: the newest planned batch is 2, the newest committed -1"),
        (_no_offsets, SetupError, "half deleted: the newest planned batch is -1, the newest committed 2"),
        (_older_commits, SetupError, "half deleted: the newest planned batch is 2, the newest committed 0"),
        (_cut_off, IncompleteError, "cut off, or of a version of Spark that is not known here"),
        (_newer_engine, IncompleteError, "its format is 'v2', known is v1"),
        (_another_rule, IncompleteError, "allowMultiple false, whose rule of lateness is another one"),
        (_no_id, IncompleteError, "cut off, or of a version of Spark"),
        (_read_twice, UsageError, "reads topic t.shows by several sources"),
        (_other_topic, UsageError, "does not read topic t.plays of source 'plays'; it reads t.other, t.shows"),
    ],
)
def test_a_checkpoint_that_cannot_be_taken_at_its_word_is_refused(
    harm: Callable[[Query], None], kind: type[PlumblineError], told: str, query: Query, home: Home
) -> None:
    harm(three(query))
    with pytest.raises(kind, match=told) as caught:
        observe(contract(query), home, once=True)
    assert str(query.folder) in (caught.value.where or "")
    assert caught.value.next_step


def test_the_checkpoint_of_another_query_than_the_tables_is_refused(query: Query, home: Home) -> None:
    wrote(home, ANOTHER, {0: "app"})
    with pytest.raises(UsageError, match=f"the newest epoch of joined.plays_stream of query {ANOTHER}"):
        observe(contract(three(query)), home, once=True)


@pytest.mark.parametrize(("job", "told"), [("", "names no streaming job"), ("job: {kind: flink}", "no checkpoint")])
def test_without_a_checkpoint_there_is_nothing_to_observe(job: str, told: str, home: Home) -> None:
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    with pytest.raises(UsageError, match=told):
        observe(parse(f"{text}\n{job}\n"), home, once=True)


def test_the_status_of_such_a_job_is_not_ours_to_tell(query: Query, home: Home) -> None:
    with pytest.raises(UsageError, match="stream status: the streaming job of plays is not Plumbline's"):
        status.look(contract(query), home)
