"""Archives that another tool wrote (`archive_columns`): read as our own, and refused where they cannot serve."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from yaml import safe_load as load

from plumbline.batch_reference.run import run as batch_run
from plumbline.connect.home import Home
from plumbline.contract.errors import ContractError, PlumblineError, UsageError
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.expectations.subjects import subjects
from plumbline.reconcile.explain.explain import explain
from plumbline.replay.fill import fill
from plumbline.replay.plan import make_plan
from plumbline.stream_job import run as job
from plumbline.stream_job.maintain import tables_of
from tests.reconcile.causes.test_causes import stream_of
from tests.reconcile.inputs.test_foreign_table import NEWEST, committed
from tests.support.their_archives import COLUMNS, JOB, MS, UNZONED, ZONED, contract, with_their_archives
from tests.support.world import CONTRACT, World, play, show
from tests.support.world_rows import START

MakeWorld = Callable[..., World]
DAY = TimeRange(START, START.replace(day=2))
LATE = {"late_left": 1, "late_right": 1, "unexplained": 1}


def late_and_lost(make_world: MakeWorld) -> World:
    world = stream_of(make_world(), [show("x", 3), play("pb", "b", 4)])
    world.stream.remove(world.row("f", "pf"))
    return world


@pytest.mark.parametrize(
    ("kind", "place"), [(ZONED, pa.int64()), (UNZONED, pa.int32()), (MS, pa.int32())], ids=["zoned", "unzoned", "ms"]
)
@pytest.mark.parametrize("time_range", [DAY, None], ids=["a day", "everything"])
def test_causes_are_told_as_of_our_own_archive(
    kind: pa.DataType, place: pa.DataType, time_range: TimeRange | None, make_world: MakeWorld
) -> None:
    world = with_their_archives(late_and_lost(make_world), kind=kind, place=place)
    committed(world, NEWEST)
    document = world.reconcile(time_range=time_range).document
    assert document["causes"] == LATE
    assert document["balanced"] is True
    assert document["records"] == {}, "nobody says which of them could enter"
    assert "verdicts" in document["unknown"]["lacking"]
    assert "quarantined" in document["unknown"]["causes"]


def test_what_is_no_record_of_the_source_is_left_out(make_world: MakeWorld) -> None:
    """Records of another topic at the same places, doubled ones, and rows without a place."""
    world = with_their_archives(late_and_lost(make_world))
    committed(world, NEWEST)
    for table, time in (("raw.shows", "shown_at"), ("raw.plays", "played_at")):
        rows = world.lake.load(table).scan().to_arrow().to_pylist()
        others = [row | {"_kafka_metadata_topic": "t.other", time: row[time] + timedelta(hours=1)} for row in rows]
        untold = [row | {"_kafka_metadata_offset": None} for row in rows]
        schema = world.lake.load(table).scan().to_arrow().schema
        world.lake.append(table, pa.Table.from_pylist([*rows, *others, *untold], schema=schema))
    assert world.reconcile().document["causes"] == LATE


def test_explain_knows_its_records(make_world: MakeWorld) -> None:
    world = with_their_archives(late_and_lost(make_world))
    committed(world, NEWEST)
    [finding] = explain(world.contract, world.home, "x").findings
    assert finding["cause"] == "late_left"


@pytest.mark.parametrize(
    ("table", "time", "by", "says"),
    [
        ("raw.shows", "shown_at", timedelta(seconds=9), "'_event_time' of .* and 'shown_at' of raw.shows are not"),
        (
            "raw.plays",
            "played_at",
            timedelta(hours=3),
            "'played_at' of raw.plays is not the time of plays that",
        ),
    ],
    ids=["left", "right"],
)
def test_a_column_that_is_not_the_event_time_is_refused(
    table: str, time: str, by: timedelta, says: str, make_world: MakeWorld
) -> None:
    world = with_their_archives(late_and_lost(make_world))
    rows = world.lake.load(table).scan().to_arrow()
    moved = [row | {time: row[time] + by} for row in rows.to_pylist()]
    world.lake.catalog().drop_table(table)
    world.lake.ensure_table(table, rows.schema)
    world.lake.append(table, pa.Table.from_pylist(moved, schema=rows.schema))
    with pytest.raises(ContractError, match=says):
        world.reconcile()


@pytest.mark.parametrize(
    ("named", "by", "says"),
    [
        ("_kafka_metadata_offset", "_offset", "names column '_offset' of raw.shows, which does not exist"),
        (
            "offset: _kafka_metadata_offset",
            "offset: _kafka_metadata_topic",
            "archive_columns.offset .* is string",
        ),
        ("event_time: TIME", "event_time: _kafka_metadata_topic", "archive_columns.event_time .* which is string"),
    ],
)
def test_a_map_that_does_not_fit_the_table_is_refused(named: str, by: str, says: str, make_world: MakeWorld) -> None:
    world = with_their_archives(late_and_lost(make_world))
    world.contract = contract(columns=COLUMNS.replace(named, by))
    with pytest.raises(ContractError, match=says) as raised:
        world.reconcile()
    assert raised.value.next_step
    assert "plays.yaml:" in str(raised.value.where)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("\njob: {kind: other}\n", ""), "add job:"),
        (("    event_time: shown_at\n", "    event_time: shown_at\n    event_id: show_id\n"), "delivered twice"),
        (("    event_time: shown_at\n", "    event_time: shown_at\n    where: title <> ''\n"), "whether it holds"),
    ],
    ids=["no job", "event_id", "where"],
)
def test_a_contract_that_needs_the_bytes_is_refused(change: tuple[str, str], says: str) -> None:
    columns = "{partition: p, offset: o, event_time: t}"
    body = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer") + JOB
    body = body.replace("archive: raw.shows", f"archive: raw.shows\n    archive_columns: {columns}")
    with pytest.raises(ContractError, match=says):
        parse(body.replace(*change), "plays.yaml")


def test_how_an_archive_is_read_does_not_change_what_the_contract_means() -> None:
    ours = parse(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer") + JOB, "plays.yaml")
    assert contract().fingerprint() == ours.fingerprint()


WORK: dict[str, Callable[[Contract, Home], object]] = {
    "batch run": lambda contract, home: batch_run(contract, home, DAY),
    "archive run": lambda contract, home: job.archive(contract, home, once=True),
    "archive fill": lambda contract, home: fill(contract, home, execute=False),
    "replay plan": lambda contract, home: make_plan(contract, "plays.yaml", home, DAY),
}


@pytest.mark.parametrize("what", WORK)
def test_work_that_needs_our_own_archive_is_refused(what: str, tmp_path: Path) -> None:
    with pytest.raises(PlumblineError, match=f"{what}: raw.shows is an archive of your own") as raised:
        WORK[what](contract(), Home(tmp_path, tmp_path / "jars"))
    assert isinstance(raised.value, UsageError)
    assert raised.value.next_step


def test_neither_maintenance_nor_expectations_touch_it(make_world: MakeWorld) -> None:
    world = with_their_archives(late_and_lost(make_world))
    assert not {"raw.shows", "raw.plays"} & set(tables_of(world.lake, world.contract))
    found = subjects(world.contract, ["sources"], DAY, START, lambda: 0)
    assert found == []


def test_the_contract_of_the_page_loads() -> None:
    """docs/adopt-other.md shows a job and one source of it."""
    page = (Path(__file__).parents[3] / "docs/adopt-other.md").read_text(encoding="utf-8")
    parts = {name: part for block in re.findall(r"```yaml\n(.*?)```", page, re.S) for name, part in load(block).items()}
    shown = parts["sources"]["impressions"]
    plays = shown | {"topic": "ads.plays", "archive": "raw.plays"}
    body = {
        "contract": "takes",
        "sources": {"impressions": shown, "plays": plays},
        "join": {"left": "impressions", "right": "plays", "on": ["imp_id"], "within": ["0 minutes", "1 hour"]},
        "output": {
            "key": ["imp_id"],
            "columns": ["impressions.ad"],
            "stream_table": "ads.takes",
            "batch_table": "ads.takes_batch",
        },
        "job": parts["job"],
    }
    made = parse(json.dumps(body), "takes.yaml")
    assert made.left.archive_columns is not None
    assert made.job is not None
    assert made.job.progress == "ops.progress"


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "late"])
def test_a_time_that_was_cut_to_the_watermark_may_have_been_in_time(lost: bool, make_world: MakeWorld) -> None:
    """`x` at 0.4 ms after the watermark came in time and its row was lost; the archive keeps milliseconds. `y`, a
    millisecond before, was late whatever was cut off."""
    moment = 1 / 60_000_000
    late = [show("x", 90 + 400 * moment), show("y", 90 - 1_000 * moment)]
    world = stream_of(make_world(), late)
    assert world.late == {"y": "left"}
    if lost:
        world.stream = [row for row in world.stream if row.left.name != "x"]
    committed(with_their_archives(world, kind=MS), NEWEST)
    world.reconcile()
    assert world.told() == [("x", "missing unexplained")] * lost + [("y", "missing late_left")]


def test_an_archive_with_two_records_at_one_place_is_refused(make_world: MakeWorld) -> None:
    """As of a topic that was recreated."""
    world = with_their_archives(late_and_lost(make_world))
    committed(world, NEWEST)
    rows = world.lake.load("raw.shows").scan().to_arrow()
    again = [row | {"shown_at": row["shown_at"] + timedelta(minutes=1)} for row in rows.to_pylist()]
    world.lake.append("raw.shows", pa.Table.from_pylist(again, schema=rows.schema))
    with pytest.raises(ContractError, match=r"partition 0 offset 0 of t\.shows with two event times") as raised:
        world.reconcile()
    assert raised.value.next_step


def test_an_archive_that_names_other_topics_only_is_refused(make_world: MakeWorld) -> None:
    """Nothing of it would be there, and each record of the stream in a gap."""
    world = with_their_archives(late_and_lost(make_world))
    committed(world, NEWEST)
    rows = world.lake.load("raw.shows").scan().to_arrow()
    world.lake.load("raw.shows").overwrite(
        pa.Table.from_pylist([row | {"_kafka_metadata_topic": "dc1.t.shows"} for row in rows.to_pylist()], rows.schema)
    )
    with pytest.raises(ContractError, match=r"of topic t\.shows, but of dc1\.t\.shows") as raised:
        world.reconcile()
    assert raised.value.next_step
