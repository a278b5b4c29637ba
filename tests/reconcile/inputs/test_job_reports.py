"""What a team's own job reports as dropped: proof where nothing speaks against it, a finding where something does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from plumbline.contract.errors import ContractError
from plumbline.contract.loader import parse
from plumbline.reconcile.run import Run
from tests.reconcile.causes.test_causes import stream_of
from tests.reconcile.inputs.test_foreign_table import NEWEST, committed
from tests.support.world import CONTRACT, World, play, show
from tests.support.world_rows import START, Row

MakeWorld = Callable[..., World]
STAMP = pa.timestamp("us", tz="UTC")
DROPPED = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("reason", pa.string()),
        ("event_time", STAMP),
        ("watermark", STAMP),
        ("at", STAMP),
    ]
)
PROGRESS = pa.schema(
    [
        ("source", pa.string()),
        ("partition", pa.int32()),
        ("checkpoint_id", pa.int64()),
        ("start_offset", pa.int64()),
        ("end_offset", pa.int64()),
        ("dropped", pa.int64()),
        ("closed_until", STAMP),
    ]
)
LATE = [show("x", 3), play("pc", "c", 4), show("y", 89, 1), play("py", "y", 130)]
"""Two lefts and one right behind minute 90; the right of y came in time."""
Rows = list[dict[str, Any]]


def reports(world: World) -> Rows:
    """What an exact job writes of the world's late records."""
    late = [world.record(name) for name in world.late]
    return [
        {
            "topic": "t.shows" if record.side == "left" else "t.plays",
            "partition": record.partition,
            "offset": record.offset,
            "reason": "late",
            "event_time": START + timedelta(microseconds=record.us) - _zero(),
            "watermark": START + timedelta(minutes=90),
        }
        for record in late
    ]


def _zero() -> timedelta:
    return timedelta(microseconds=show("zero", 0).us)


def progress(world: World) -> Rows:
    """One row per partition: all that was read, with the number of reports in it."""
    rows = []
    for source, side in (("shows", "left"), ("plays", "right")):
        for partition in {r.partition for r in world.records if r.side == side}:
            mine = [r for r in world.records if (r.side, r.partition) == (side, partition)]
            rows.append(
                {
                    "source": source,
                    "partition": partition,
                    "checkpoint_id": 7,
                    "start_offset": 0,
                    "end_offset": len(mine),
                    "dropped": sum(r.name in world.late for r in mine),
                    "closed_until": START + timedelta(minutes=229),
                }
            )
    return rows


def told(
    world: World, dropped: Rows, counted: Rows | None = None, job: str = "", committed_epoch: int | None = None
) -> Run:
    """Reconcile the world as a job of other makes: no ledger but after `committed_epoch`, and these reports."""
    if committed_epoch is None:
        world.ledger = []
        world.write()
    else:
        committed(world, committed_epoch)
    block = f"\njob:\n  kind: flink\n  dropped: ops.dropped\n{job}"
    world.lake.ensure_table("ops.dropped", DROPPED)
    world.lake.append("ops.dropped", pa.Table.from_pylist(dropped, schema=DROPPED))
    if counted is not None:
        block += "  progress: ops.progress\n"
        world.lake.ensure_table("ops.progress", PROGRESS)
        world.lake.append("ops.progress", pa.Table.from_pylist(counted, schema=PROGRESS))
    world.contract = parse(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer") + block, "plays.yaml")
    return world.reconcile()


def test_a_report_alone_proves_its_row_late(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    document = told(world, reports(world)).document
    assert world.told() == [
        ("c pc", "mismatch reported_late"),
        ("x", "missing reported_late"),
        ("y py", "missing reported_late"),
    ]
    assert document["reports"]["sound"] == 3
    assert document["reports"]["wrong"] == {}
    assert document["balanced"]


def test_with_its_progress_the_ledger_is_made_of_the_reports(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    document = told(world, reports(world), progress(world)).document
    assert document["causes"] == {"late_left": 2, "late_right": 1}
    assert document["agrees"] is True, document["predicted"]
    assert document["settled"] is False, "the newest rows are open"


def test_a_withheld_report_leaves_its_offsets_unknown(make_world: MakeWorld) -> None:
    """Nothing is called lost, and nothing predicted; what is reported stays proven."""
    world = stream_of(make_world(), LATE)
    kept = [row for row in reports(world) if row["topic"] == "t.plays"]
    document = told(world, kept, progress(world)).document
    assert document["causes"] == {"reported_late": 1, "unexplained": 2}
    assert document["predicted"] is None
    assert document["reports"]["incomplete"] == 2
    assert "ledger" in document["unknown"]["lacking"]
    assert any("1 were dropped, 0 are reported" in gap for gap in document["reports"]["gaps"])


@pytest.mark.parametrize(
    ("name", "change", "how"),
    [
        ("a", {}, "written"),
        ("x", {"event_time": START + timedelta(minutes=4)}, "other_time"),
        ("x", {"watermark": START - timedelta(minutes=90)}, "not_late"),
        ("x", {"offset": 7}, "not_archived"),
    ],
)
def test_a_report_that_is_contradicted_is_a_finding(
    name: str, change: dict[str, Any], how: str, make_world: MakeWorld
) -> None:
    world = stream_of(make_world(), [*LATE, show("gap", 3)], after=[show("g", 310)])
    del world.late["gap"]
    world.stream.append(Row(world.record("gap")))
    assert world.record("gap").offset == 7
    world.archive_without("gap")
    record = world.record(name)
    rows = [row for row in reports(world) if (row["topic"], row["offset"]) != ("t.shows", record.offset)]
    wrong = {
        "topic": "t.shows",
        "partition": record.partition,
        "offset": record.offset,
        "reason": "late",
        "event_time": START + timedelta(minutes=record.us / 60_000_000) - _zero(),
        "watermark": START + timedelta(minutes=90),
    }
    run = told(world, [*rows, wrong | change])
    assert run.document["reports"]["wrong"] == {how: 1}
    assert run.document["verdict"] == "drift"
    assert str(record.offset if how != "not_archived" else 7) in run.document["reports"]["example"]
    assert ("x", "missing reported_late") not in world.told() or name != "x"


def test_the_ledger_speaks_against_a_report(make_world: MakeWorld) -> None:
    """Beside a Spark job's ledger: a record that came in time was not late, whatever the job says."""
    world = stream_of(make_world())
    world.stream = [row for row in world.stream if row.left.name != "b"]
    world.late = {"b": "left"}
    world.write()
    document = told(world, reports(world), committed_epoch=NEWEST).document
    assert document["reports"]["wrong"] == {"admitted": 1}
    assert world.told() == [("b", "missing unexplained")]


def test_a_late_left_that_the_job_pads_is_in_the_books(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    for name in ("x", "y"):
        world.stream.append(Row(world.record(name), None))
    document = told(world, reports(world), progress(world), "  late_left: padded\n").document
    assert world.told() == [("c pc", "mismatch late_right"), ("y py", "mismatch late_left")]
    assert document["agrees"] is True, document["predicted"]


def test_another_reason_is_no_lateness(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    rows = [row | {"reason": "no customer"} for row in reports(world)]
    document = told(world, rows).document
    assert document["causes"] == {"unexplained": 3}
    assert document["reports"]["wrong"] == {}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"topic": "t.other", "partition": 0, "offset": 1}], "no row of ops.dropped (job.dropped) is of a source"),
        (None, "names table ops.dropped, which does not exist"),
        ("text", "column 'offset' of ops.dropped (job.dropped) is string, not int or long"),
        ("lacks", "ops.dropped (job.dropped) has no column 'watermark'"),
        ("places", "has neither a column topic nor a column source"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(rows: Any, says: str, make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE).write()
    block = "\njob: {kind: other, dropped: ops.dropped}\n"
    world.contract = parse(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer") + block, "plays.yaml")
    schema = {
        "text": pa.schema([(f.name, pa.string() if f.name == "offset" else f.type) for f in DROPPED]),
        "lacks": pa.schema([field for field in DROPPED if field.name != "watermark"]),
        "places": pa.schema([field for field in DROPPED if field.name != "topic"]),
    }.get(rows if isinstance(rows, str) else "", DROPPED)
    if rows is not None:
        world.lake.ensure_table("ops.dropped", schema)
        written = rows if isinstance(rows, list) else []
        world.lake.append("ops.dropped", pa.Table.from_pylist(written, schema=schema))
    with pytest.raises(ContractError) as raised:
        world.reconcile()
    assert says in str(raised.value)
    assert raised.value.next_step


def test_progress_that_goes_back_is_refused(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    first = progress(world)
    again = [row | {"checkpoint_id": 8, "start_offset": 1, "end_offset": 9} for row in first]
    with pytest.raises(ContractError, match="where an earlier one ended at"):
        told(world, reports(world), [*first, *again])
