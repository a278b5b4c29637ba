"""A whole reconcile: document, range, verdict, exit code, record."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from plumbline.commands.reconcile import reconcile as command
from plumbline.contract.errors import IncompleteError, SetupError
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.foreseen import foreseen
from plumbline.reconcile.inputs.open_inputs import pinned
from plumbline.reconcile.judge.store import _without_connections
from plumbline.reconcile.judge.verdict import EXIT
from tests.reconcile.causes.test_causes import (
    late_left,
    late_right,
    lost_match,
    nothing,
    pending_unmatched,
    several_at_once,
    stream_of,
)
from tests.support.table_versions import edit, numbered, retyped
from tests.support.world import CONTRACT, START, World, play, show

MakeWorld = Callable[..., World]
DOCUMENT_KEYS = {
    "run_id", "contract", "range", "snapshots", "settled", "verdict", "counts", "causes", "unexplained", "columns",
    "ledger", "predicted", "alerts", "replayed",
}  # fmt: skip


def run_command(world: World, *arguments: str) -> int:
    path = world.home.root / "plays.yaml"
    path.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    code = command.main([str(path), "--home", str(world.home.root), *arguments], standalone_mode=False)
    assert isinstance(code, int)
    return code


def test_a_column_whose_files_hold_another_type_is_named(make_world: MakeWorld) -> None:
    """The metadata of a table can be edited by anything; where the column is not compared only some reads meet it."""
    world = make_world().play([show("a", 0), play("p1", "a", 1), play("p2", "a", 2)], [show("z", 300)])
    world.stream.remove(world.row("a", "p2"))
    world.write()
    edit(world.lake, "joined.plays_stream", numbered)
    edit(world.lake, "joined.plays_stream", retyped("seconds", "geography"))
    with pytest.raises(duckdb.ConversionException) as raised:
        world.reconcile()
    told = foreseen(raised.value)
    assert str(told).startswith("column seconds holds DOUBLE, which cannot be read as BLOB. Next: its type was changed")


def test_the_document_counts_every_row_once(make_world: MakeWorld) -> None:
    world = make_world()
    several_at_once(world)
    document = world.write().reconcile().document
    assert document.keys() >= DOCUMENT_KEYS
    assert document["counts"] == {
        "batch": 11, "stream": 8, "match": 2, "mismatch": 3, "missing": 3, "extra": 1, "duplicate": 1, "pending": 2,
    }  # fmt: skip
    assert document["causes"] == {
        "double_commit": 1, "value_divergence": 1, "arrived_after_batch": 1, "late_left": 1, "late_right": 2,
        "lost_output": 1, "unexplained": 1,
    }  # fmt: skip
    assert document["columns"] == {"play_id": 2, "seconds": 3}
    assert [page["window"] for page in document["ledger"]] == ["2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"]
    assert all(page["balanced"] for page in document["ledger"])
    assert json.loads(json.dumps(document)) == document


def test_the_record_holds_the_contract_without_its_connections() -> None:
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer") + (
        "kafka: {bootstrap.servers: 'b:9', sasl.password: S3cret-k}\n"
        "catalog: {type: rest, uri: 'http://h', token: S3cret-c}\n"
        "schema_registry: {url: 'http://u:S3cret-r@h/?p=S3cret-q', basic.auth.user.info: 'u:S3cret-r'}\n"
    )
    kept = json.loads(_without_connections(parse(text)))
    assert "S3cret" not in json.dumps(kept)
    assert kept["schema_registry"] == {"url": "http://u:***@h/?p=***"}
    assert not {"kafka", "catalog"} & kept.keys()
    assert Contract.model_validate(kept).fingerprint() == parse(text).fingerprint()


def test_repeating_a_reconcile_gives_the_same_document_and_adds_nothing(make_world: MakeWorld) -> None:
    world = make_world()
    several_at_once(world)
    first = world.write().reconcile().document
    tables = ("plumbline.runs", "plumbline.findings")
    before = [world.lake.load(table).current_snapshot().snapshot_id for table in tables]
    assert world.reconcile().document == first
    assert [world.lake.load(table).current_snapshot().snapshot_id for table in tables] == before


def test_after_a_crash_between_findings_and_run_the_next_reconcile_adds_the_run_only(make_world: MakeWorld) -> None:
    world = make_world()
    late_left(world)
    world.write().reconcile()
    world.lake.load("plumbline.runs").delete()
    run = world.reconcile()
    assert len(world.findings()) == 1
    runs = world.lake.load("plumbline.runs").scan().to_arrow().to_pylist()
    assert [row["run_id"] for row in runs] == [run.document["run_id"]]
    assert json.loads(runs[0]["document"]) == run.document


def test_another_range_is_another_run(make_world: MakeWorld) -> None:
    world = make_world()
    late_left(world)
    world.write().reconcile()
    world.reconcile(time_range=TimeRange(START, START + timedelta(days=1)))
    assert len({row["run_id"] for row in world.findings()}) == 2


def test_a_run_that_is_not_recorded_writes_nothing(make_world: MakeWorld) -> None:
    world = make_world()
    late_left(world)
    assert world.write().reconcile(record=False).document["counts"]["missing"] == 1
    assert not world.lake.exists("plumbline.runs")
    assert not world.lake.exists("plumbline.findings")


def test_a_reconcile_leaves_no_scratch_files(make_world: MakeWorld) -> None:
    world = make_world()
    late_left(world)
    world.write().reconcile()
    assert list(world.home.runs.iterdir()) == []


def test_only_rows_of_the_range_count(make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world, [show("x", 3)]).write()
    before = world.reconcile(time_range=TimeRange(START - timedelta(days=1), START)).document
    assert (before["counts"]["batch"], before["verdict"]) == (1, "clean")
    assert before["range"] == {"from": "2024-02-29T00:00:00Z", "to": "2024-03-01T00:00:00Z"}
    minutes = TimeRange(START + timedelta(minutes=2), START + timedelta(minutes=3))
    assert world.reconcile(time_range=minutes).document["counts"]["batch"] == 1
    assert world.told() == []


def test_a_range_that_no_batch_run_covers_is_incomplete(make_world: MakeWorld) -> None:
    world = make_world()
    nothing(world)
    world.batch_range = (START, START + timedelta(days=1))
    world.write()
    with pytest.raises(IncompleteError, match="does not cover") as caught:
        world.reconcile(time_range=TimeRange(START, START + timedelta(days=2)))
    assert "plumbline batch run" in str(caught.value)
    covered = world.reconcile().document
    assert covered["range"] == {"from": "2024-03-01T00:00:00Z", "to": "2024-03-02T00:00:00Z"}


def test_a_missing_output_table_is_a_setup_error(make_world: MakeWorld) -> None:
    with pytest.raises(SetupError, match=r"joined\.plays_stream does not exist"):
        make_world().reconcile()


def test_a_settled_range_is_said_to_be(make_world: MakeWorld) -> None:
    world = make_world()
    nothing(world)
    world.write()
    assert not world.reconcile().document["settled"]
    closed = TimeRange(None, START + timedelta(minutes=200))
    assert world.reconcile(time_range=closed).document["settled"]
    not_reached = TimeRange(START + timedelta(days=30), START + timedelta(days=31))
    empty = world.reconcile(time_range=not_reached).document
    assert (empty["counts"]["batch"], empty["settled"]) == (0, False), "a stream that stands still is never settled"
    assert empty["verdict"] == "incomplete", "nor is it clean, where neither table has a row yet"


@pytest.mark.parametrize(
    ("covered", "verdict", "said"),
    [
        (True, "clean", "nothing to compare: neither table holds a row of the range"),
        (False, "incomplete", "incomplete: nothing to compare, neither table holds a row of a range that no batch run"),
    ],
)
def test_a_settled_range_without_rows(
    make_world: MakeWorld, capsys: pytest.CaptureFixture[str], covered: bool, verdict: str, said: str
) -> None:
    """Only what a batch run covers is known to be empty."""
    world = make_world()
    nothing(world)
    world.write()
    if not covered:
        rows = world.lake.load("joined.plays_batch").scan().to_arrow()
        world.lake.catalog().drop_table("joined.plays_batch")
        world.lake.ensure_table("joined.plays_batch", rows.schema)
        world.lake.append("joined.plays_batch", rows)
    long_ago = TimeRange(None, START - timedelta(days=30))
    assert world.reconcile(time_range=long_ago).document["verdict"] == verdict
    assert run_command(world, "--date", "1970-02-01") == EXIT[verdict]
    assert said in capsys.readouterr().out


EXITS: tuple[tuple[Any, tuple[str, ...], int], ...] = (
    (nothing, (), 0),
    (late_left, (), 1),
    (pending_unmatched, (), 0),
    (pending_unmatched, ("--require-settled",), 3),
    (late_left, ("--alerts-only",), 0),
    (lost_match, ("--alerts-only", "--json"), 0),
    (several_at_once, ("--alerts-only",), 1),
    (late_left, ("--date", "2024-02-29"), 0),
    (nothing, ("--date", "2024-03-30"), 3),
    (nothing, ("--date", "2024-03-30", "--alerts-only"), 3),
)


@pytest.mark.parametrize(
    ("plant", "arguments", "code"),
    EXITS,
    ids=lambda value: (
        value.__name__ if callable(value) else " ".join(value) if isinstance(value, tuple) else str(value)
    ),
)
def test_exit_codes(
    plant: Callable[[World], Any], arguments: tuple[str, ...], code: int, make_world: MakeWorld
) -> None:
    world = make_world()
    plant(world)
    world.write()
    assert run_command(world, *arguments) == code


def test_the_page_names_verdict_books_causes_and_the_next_command(
    make_world: MakeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world()
    late_right(world)
    world.write()
    run_command(world)
    page = capsys.readouterr().out
    assert "drift: 1 differences among 6 batch rows, 0 unexplained" in page
    assert "late_right" in page
    assert "2024-02-29" in page
    assert "plumbline replay plan " in page
    assert "stream_rows 6, late_left 0, late_right 1, pending 0: as found" in page


def test_json_is_one_document_on_stdout(make_world: MakeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world = make_world()
    late_right(world)
    world.write()
    run_command(world, "--json")
    assert json.loads(capsys.readouterr().out) == world.reconcile().document


def test_out_holds_the_findings(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world()
    several_at_once(world)
    world.write()
    out = tmp_path / "drift.parquet"
    run_command(world, "--out", str(out))
    rows, kept = pq.read_table(out).to_pylist(), world.lake.load("plumbline.findings").scan().to_arrow().to_pylist()
    assert sorted(rows, key=str) == sorted(kept, key=str)
    assert len(rows) == 10


def test_an_unwritable_out_is_a_setup_error_and_records_nothing(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world()
    late_left(world)
    world.write()
    with pytest.raises(SetupError, match="cannot be written"):
        run_command(world, "--out", str(tmp_path / "nowhere" / "drift.parquet"))
    assert not world.lake.exists("plumbline.runs")


def test_evidence_says_where_when_and_by_how_much(make_world: MakeWorld) -> None:
    world = make_world()
    late_right(world)
    world.write().reconcile()
    (finding,) = world.findings()
    evidence = finding["evidence"]
    assert finding["key"] == {"show_id": "c"}
    assert finding["event_time"] == START + timedelta(minutes=2)
    assert finding["window"] == datetime(2024, 3, 1, tzinfo=UTC)
    assert finding["columns"] == ["play_id", "seconds"]
    assert finding["left_row"]["play_id"] == "pc"
    assert finding["right_row"]["play_id"] is None
    assert evidence["right_topic"] == "t.plays"
    assert (evidence["right_partition"], evidence["right_offset"], evidence["right_epoch"]) == (0, 1, 4)
    assert evidence["right_event_time"] == "2024-03-01T00:04:00.000000Z"
    assert evidence["right_late_watermark"] == "2024-03-01T01:30:00.000000Z"
    assert evidence["right_late_by_ms"] == 86 * 60_000


def test_evidence_that_does_not_fit_into_memory_is_a_plain_error(make_world: MakeWorld) -> None:
    world = make_world()
    late_left(world)
    world.write()
    with (
        pytest.raises(SetupError, match="do not fit into 512MB"),
        pinned(world.contract, world.home, None, "512MB") as pins,
    ):
        pins.con.execute("SELECT list(range) FROM range(100_000_000)")
