"""The table of a job that is not ours: its own column names, and a ledger that was copied from outside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import Table

from plumbline.contract.errors import ContractError
from plumbline.contract.loader import parse
from plumbline.contract.ranges import TimeRange
from plumbline.expectations.run import run as expect
from plumbline.reconcile.explain.explain import explain
from tests.reconcile.causes.test_causes import stream_of
from tests.support.world import CONTRACT, OUTPUT, World, play, show
from tests.support.world_rows import START

MakeWorld = Callable[..., World]
NAMES = {
    "_event_time": "shown",
    "_left_partition": "show_p",
    "_left_offset": "show_o",
    "_right_partition": "play_p",
    "_right_offset": "play_o",
}
JOB = """
job:
  kind: spark
  event_time: TIME
  lineage: {left: {partition: show_p, offset: show_o}, right: {partition: play_p, offset: play_o}}
"""
STREAM, NEWEST = "joined.plays_stream", 8


def theirs(world: World, time: str = "shown", **kinds: pa.DataType) -> World:
    """Write the world's tables, the stream's as a job of a team's own does: the newest commit is of epoch 8."""
    world.write()
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer") + JOB.replace("TIME", time)
    world.contract = parse(text, "plays.yaml")
    kept = [field for field in OUTPUT if field.name != "_replay_id"]
    fields = [pa.field(NAMES.get(field.name, field.name), field.type) for field in kept]
    schema = pa.schema([*(pa.field(f.name, kinds.get(f.name, f.type)) for f in fields), ("written", OUTPUT[4].type)])
    rows = [{NAMES.get(name, name): value for name, value in row.values().items()} for row in world.stream]
    world.lake.catalog().drop_table(STREAM)
    world.lake.ensure_table(STREAM, schema)
    values = [{**row, "written": row["shown"] + timedelta(days=9)} for row in rows]
    table = pa.Table.from_pylist(values, schema=pa.schema([*fields, schema.field("written")])).cast(schema)
    world.lake.append(STREAM, table)
    committed(world, NEWEST)
    return world


def committed(world: World, epoch: int, rows: int = 0) -> None:
    """A commit of the job's query, with some rows a second time."""
    said = {"spark.sql.streaming.queryId": "q1", "spark.sql.streaming.epochId": str(epoch), "engine-version": "4.1.4"}
    world.lake.append(STREAM, world.lake.load(STREAM).scan().to_arrow().slice(0, rows), said)


def late_and_lost(make_world: MakeWorld) -> World:
    world = stream_of(make_world(), [show("x", 3), play("pb", "b", 4)])
    world.stream.remove(world.row("f", "pf"))
    return world


def test_its_columns_may_be_called_as_words_of_a_filter(make_world: MakeWorld) -> None:
    world = theirs(late_and_lost(make_world))
    names = {"shown": "not", "show_o": "null", "play_o": "and"}
    with world.lake.load(STREAM).update_schema() as change:
        for name, now in names.items():
            change.rename_column(name, now)
    job = JOB.replace("TIME", "shown")
    for name, now in names.items():
        job = job.replace(f": {name}", f": '{now}'")
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    world.contract = parse(text + job, "plays.yaml")
    document = world.reconcile(time_range=TimeRange(START, START.replace(day=2))).document
    assert document["causes"] == {"late_left": 1, "late_right": 1, "unexplained": 1}


def test_causes_are_told_under_the_names_that_the_job_uses(make_world: MakeWorld) -> None:
    """What the job must have written is not claimed: it may join otherwise than the contract says."""
    world = theirs(late_and_lost(make_world))
    document = world.reconcile().document
    causes = dict(world.told())
    assert causes["x"] == "missing late_left"
    assert causes["b pb"] == "mismatch late_right"
    assert causes["f pf"] == "missing unexplained"
    assert document["balanced"]
    assert document["unknown"]["causes"] == ["lost_output"]
    assert list(document["unknown"]["lacking"]) == ["own_job"]
    assert [m["what"] for m in explain(world.contract, world.home, "x").document["story"]].count("dropped") == 1


def test_with_nothing_lost_the_prediction_agrees(make_world: MakeWorld) -> None:
    world = theirs(stream_of(make_world(), [show("x", 3), play("pb", "b", 4)]))
    document = world.reconcile().document
    assert document["agrees"] is True
    assert document["unexplained"] == 0


@pytest.mark.parametrize("named", [True, False], ids=["with event times", "without"])
def test_two_empty_tables_have_an_empty_page(named: bool, make_world: MakeWorld) -> None:
    world = theirs(make_world().play([show("a", 0)]))
    for table in (STREAM, "joined.plays_batch"):
        world.lake.load(table).delete()
    if not named:
        text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
        world.contract = parse(text + "\njob: {kind: other}\n", "plays.yaml")
    document = world.reconcile().document
    assert (set(document["counts"].values()), document["balanced"], document["settled"]) == ({0}, True, False)


def test_of_what_was_purged_unseen_nothing_is_said(make_world: MakeWorld) -> None:
    """Epochs 0 to 2 are not in the ledger: a late record of theirs may have been admitted, and the reverse."""
    world = late_and_lost(make_world)
    told = {row["epoch"] for row in world.ledger}
    read_late = {name: world.read_in[name] for name in ("x", "pb")}
    world.ledger = [row for row in world.ledger if row["epoch"] > max(read_late.values())]
    assert len({row["epoch"] for row in world.ledger}) < len(told)
    document = theirs(world).reconcile().document
    assert {kind for _, kind in world.told()} == {"missing unexplained", "mismatch unexplained"}
    assert (document["predicted"], document["agrees"]) == (None, None)
    assert "ledger" in document["unknown"]["lacking"]
    assert {"late_left", "late_right"} <= set(document["unknown"]["causes"])


def test_a_table_that_contradicts_its_ledger_gets_no_cause_of_lateness(make_world: MakeWorld) -> None:
    """The watermark of another column, for example: a row is there whose record the ledger calls late."""
    world = late_and_lost(make_world)
    world.stream.append(next(row for row in world.batch if row.left.name == "x"))
    document = theirs(world).reconcile().document
    assert document["agrees"] is False
    assert {kind.split()[1] for _, kind in world.told()} == {"unexplained"}
    assert "rule" in document["unknown"]["lacking"]
    story = explain(world.contract, world.home, "b").document
    assert not {"dropped", "admitted", "closed", "open"} & {moment["what"] for moment in story["story"]}
    assert [finding["cause"] for finding in story["findings"]] == ["unexplained"]


def test_a_ledger_of_another_query_is_none(make_world: MakeWorld) -> None:
    world = late_and_lost(make_world)
    world.ledger = [{**row, "query_id": "another"} for row in world.ledger]
    document = theirs(world).reconcile().document
    assert {kind.split()[1] for _, kind in world.told()} == {"unexplained"}
    assert "ledger" in document["unknown"]["lacking"]


def test_the_newest_epochs_are_read_once(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world, scan, read = theirs(late_and_lost(make_world)), Table.scan, []

    def counted(self: Table, *args: Any, **kwargs: Any) -> Any:
        if self.name()[-1] == "epochs" and "query_id" in kwargs.get("selected_fields", ()):
            read.append(self.name())
        return scan(self, *args, **kwargs)

    monkeypatch.setattr(Table, "scan", counted)
    world.reconcile()
    assert len(read) == 1


def test_rows_of_epochs_that_were_not_seen_yet_are_not_judged(make_world: MakeWorld) -> None:
    """The job goes on while the ledger is read: rows that it wrote since stand for epochs that nobody knows."""
    world = theirs(stream_of(make_world(), [show("x", 3), play("pb", "b", 4)]))
    before = world.reconcile().document
    committed(world, NEWEST + 1, rows=6)
    after = world.reconcile().document
    assert (after["counts"], after["causes"]) == (before["counts"], before["causes"])
    assert after["snapshots"][STREAM] == before["snapshots"][STREAM]


@pytest.mark.parametrize(
    ("time", "kinds", "told"),
    [
        ("written", {}, "job.event_time names column 'written' of joined.plays_stream, which is not the left event's"),
        ("when", {}, "job.event_time names column 'when', which joined.plays_stream does not have"),
        ("title", {}, "job.event_time names column 'title' of joined.plays_stream, which is string"),
        ("shown", {"play_o": pa.string()}, "job.lineage names column 'play_o' of joined.plays_stream, which is string"),
    ],
)
def test_a_column_that_is_not_what_the_contract_says_is_refused(
    time: str, kinds: dict[str, pa.DataType], told: str, make_world: MakeWorld
) -> None:
    world = theirs(late_and_lost(make_world), time, **kinds)
    with pytest.raises(ContractError, match=told) as caught:
        world.reconcile()
    assert caught.value.where is not None
    assert caught.value.where.startswith("plays.yaml:")
    assert caught.value.next_step


@pytest.mark.parametrize(
    "span", [TimeRange(), TimeRange(START - timedelta(hours=2), START + timedelta(hours=9))], ids=["all", "a range"]
)
def test_expectations_are_checked_under_the_names_that_the_job_uses(span: TimeRange, make_world: MakeWorld) -> None:
    """A pair that is there twice breaks what the contract implies, as in a table of ours."""
    world = theirs(stream_of(make_world(), [show("x", 3), play("pb", "b", 4)]))
    checked = expect(world.contract, world.home, span, on=["stream"]).document["tables"]["stream"]
    assert [one for one in checked["expectations"] if not one["success"]] == []
    assert checked["rows"] == len(world.stream)
    assert {"ranges are cut by it", "each row has a left record"} <= {one["why"] for one in checked["expectations"]}
    committed(world, NEWEST + 1, rows=1)
    checked = expect(world.contract, world.home, span, on=["stream"]).document["tables"]["stream"]
    assert any("double commit" in one["why"] for one in checked["expectations"] if not one["success"])
