"""What a team's own job reports as dropped: proof where nothing speaks against it, a finding where something does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from plumbline.contract.errors import ContractError
from plumbline.contract.lineage import COORDINATES, EVENT_TIME
from plumbline.contract.loader import parse
from plumbline.reconcile.explain.explain import explain
from plumbline.reconcile.run import Run
from tests.reconcile.causes.test_causes import stream_of
from tests.reconcile.evidence.test_rows_elsewhere import DAY, FAR, append
from tests.reconcile.inputs.test_foreign_table import NEWEST, committed
from tests.support.edits import STREAM
from tests.support.world import CONTRACT, World, play, show
from tests.support.world_rows import OUTPUT, START, Row

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
NOTHING = pa.Table.from_pylist([], schema=OUTPUT)
Rows = list[dict[str, Any]]


def reports(world: World) -> Rows:
    """What an exact job writes of the world's late records."""
    return [of(world, name) for name in world.late]


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


def of(world: World, name: str, **changed: Any) -> dict[str, Any]:
    """A report of that record, late or not."""
    record = world.record(name)
    return {
        "topic": "t.shows" if record.side == "left" else "t.plays",
        "partition": record.partition,
        "offset": record.offset,
        "reason": "late",
        "event_time": record.at,
        "watermark": START + timedelta(minutes=90),
    } | changed


def told(
    world: World, dropped: Rows, counted: Rows | None = None, job: str = "", committed_epoch: int | None = None
) -> Run:
    """Reconcile the world as `ready` makes it."""
    ready(world, dropped, counted, job, committed_epoch)
    return world.reconcile()


def ready(
    world: World, dropped: Rows, counted: Rows | None = None, job: str = "", committed_epoch: int | None = None
) -> None:
    """Write the world as a job of other makes: no ledger but after `committed_epoch`, and these reports."""
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
        ("x", {"offset": 5}, "not_archived"),
    ],
)
def test_a_report_that_is_contradicted_is_a_finding(
    name: str, change: dict[str, Any], how: str, make_world: MakeWorld
) -> None:
    world = stream_of(make_world(), [*LATE, show("gap", 3)], after=[show("g", 310)])
    del world.late["gap"]
    world.stream.append(Row(world.record("gap")))
    assert world.record("gap").offset == 5
    world.archive_without("gap")
    record = world.record(name)
    rows = [row for row in reports(world) if (row["topic"], row["offset"]) != ("t.shows", record.offset)]
    run = told(world, [*rows, of(world, name) | change])
    assert run.document["reports"]["wrong"] == {how: 1}
    assert run.document["verdict"] == "drift"
    assert str(record.offset if how != "not_archived" else 5) in run.document["reports"]["example"]
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


def test_a_checkpoint_that_is_told_twice_is_refused(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    first = progress(world)
    again = [row | {"start_offset": None, "end_offset": row["end_offset"] + 5} for row in first]
    with pytest.raises(ContractError, match="twice, and not the same"):
        told(world, reports(world), [*first, *again])


def test_progress_without_an_end_is_refused(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    with pytest.raises(ContractError, match="to None: one of these is null"):
        told(world, reports(world), [row | {"end_offset": None} for row in progress(world)])


def test_one_false_report_takes_the_proof_of_the_others(make_world: MakeWorld) -> None:
    """They may be of another job, or of an attempt that was rolled back; then each is a coincidence."""
    world = stream_of(make_world(), LATE)
    document = told(world, [*reports(world), of(world, "a")]).document
    assert document["reports"]["wrong"] == {"written": 1}
    assert document["causes"] == {"unexplained": 3}
    assert "reports" in document["unknown"]["lacking"]


def test_one_false_report_takes_the_proof_of_the_ledger_too(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    counted = [row | {"dropped": row["dropped"] + (row["source"] == "shows" and not row["partition"])}
               for row in progress(world)]  # fmt: skip
    document = told(world, [*reports(world), of(world, "a")], counted).document
    assert document["reports"]["wrong"] == {"written": 1}
    assert document["causes"] == {"unexplained": 3}
    assert document["verdict"] == "drift"


def test_a_report_of_what_the_archive_does_not_have_yet_says_nothing(make_world: MakeWorld) -> None:
    """The archiver may be behind the job; the other reports stay proof."""
    world = stream_of(make_world(), LATE)
    document = told(world, [*reports(world), of(world, "x", offset=99)]).document
    assert document["reports"]["wrong"] == {}
    assert document["reports"]["records"] == document["reports"]["sound"] + 1 == 4
    assert document["causes"] == {"reported_late": 3}


@pytest.mark.parametrize(
    "change",
    [
        {"topic": "t.plays"},
        {"topic": "t.other"},
        {"topic": None},
        {"partition": 1},
        {"partition": 5},
        {"offset": 0},
        {"partition": None},
        {"offset": None},
        {"event_time": None, "watermark": None},
    ],
    ids=str,
)
def test_a_report_with_wrong_coordinates_proves_nothing(change: dict[str, Any], make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    told(world, [of(world, "x") | change, of(world, "pc")])
    assert ("x", "missing unexplained") in world.told()


def test_a_report_given_twice_counts_once(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    again = [row | {"watermark": row["watermark"] + timedelta(minutes=1)} for row in reports(world)]
    document = told(world, [*reports(world), *again, *reports(world)], progress(world)).document
    assert document["reports"]["sound"] == 3
    assert document["causes"] == {"late_left": 2, "late_right": 1}


def test_reports_of_one_record_with_two_event_times_are_contradicted(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    other = of(world, "x", event_time=START + timedelta(minutes=4))
    document = told(world, [of(world, "x"), other]).document
    assert document["reports"]["wrong"] == {"other_time": 1}
    assert "reported_late" not in document["causes"]


def test_a_dropped_right_record_does_not_hide_that_its_left_one_is_lost(make_world: MakeWorld) -> None:
    """The join keeps its left side: without the match the left row comes alone."""
    world = stream_of(make_world(), LATE)
    world.stream = [row for row in world.stream if row.left.name != "c"]
    told(world, reports(world))
    assert ("c pc", "missing unexplained") in world.told()


def test_a_left_row_with_and_without_a_match_is_not_explained_by_a_dropped_match(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), [play("pa2", "a", 6)])
    world.stream.append(Row(world.record("a")))
    told(world, reports(world))
    assert not any(finding == "extra reported_late" for _, finding in world.told())


def test_what_the_job_pads_must_be_there(make_world: MakeWorld) -> None:
    """`x` has no match and `y` one: both must have come alone, at once."""
    world = stream_of(make_world(), LATE)
    document = told(world, reports(world), progress(world), "  late_left: padded\n").document
    assert [found for found in world.told() if found[0] != "c pc"] == [
        ("x", "missing unexplained"),
        ("y py", "missing unexplained"),
    ]
    assert document["agrees"] is False


def test_a_padded_left_without_a_row_in_the_batch_is_not_explained(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    world.stream.append(Row(world.record("x")))
    world.batch = [row for row in world.batch if row.left.name != "x"]
    told(world, reports(world), job="  late_left: padded\n")
    assert ("x", "extra unexplained") in world.told()


@pytest.mark.parametrize("changed", [{EVENT_TIME: FAR}, {"show_id": "another"}, dict.fromkeys(COORDINATES)], ids=str)
def test_a_reported_row_that_the_table_holds_elsewhere(changed: dict[str, Any], make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    rows = [Row(world.record("x")), Row(world.record("c"), world.record("pc")), Row(world.record("y"))]
    ready(world, reports(world))
    for row in rows:
        append(world, row, **{EVENT_TIME: FAR} | changed)
    world.reconcile(time_range=DAY)
    assert not any("reported_late" in finding for _, finding in world.told())


def test_explain_tells_what_reconcile_does(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    told(world, reports(world))
    for key, cause in (("x", "reported_late"), ("c", "reported_late")):
        [finding] = explain(world.contract, world.home, key).findings
        assert finding["cause"] == cause


def test_explain_of_a_ledger_made_of_reports(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    told(world, reports(world), progress(world))
    [finding] = explain(world.contract, world.home, "x").findings
    assert finding["cause"] == "late_left"


def test_rows_beyond_the_progress_are_not_judged_yet_and_commits_of_others_are_no_epochs(make_world: MakeWorld) -> None:
    """Flink's commits name their checkpoint: 9 is not told of yet. A replay's commit after 7 stays."""
    world = stream_of(make_world(), LATE)
    ready(world, reports(world), progress(world))
    world.lake.append(STREAM, NOTHING, {"flink.max-committed-checkpoint-id": "7"})
    replayed = world.lake.load(STREAM).current_snapshot().snapshot_id
    assert pinned_stream(world) == replayed
    append(world, Row(world.record("x")), _replay_id="r1")
    replayed = world.lake.load(STREAM).current_snapshot().snapshot_id
    assert pinned_stream(world) == replayed
    world.lake.append(STREAM, NOTHING, {"flink.max-committed-checkpoint-id": "9"})
    assert pinned_stream(world) == replayed


def pinned_stream(world: World) -> int | None:
    found: int | None = world.reconcile(record=False).document["snapshots"][STREAM]
    return found
