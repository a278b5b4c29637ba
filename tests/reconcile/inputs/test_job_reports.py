"""What a team's own job reports as dropped: how the tables are read, what contradicts them, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from plumbline.contract.errors import ContractError
from plumbline.contract.loader import parse
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.explain.explain import explain
from tests.reconcile.causes.test_causes import stream_of
from tests.reconcile.evidence.test_rows_elsewhere import append
from tests.reconcile.inputs.test_foreign_table import NEWEST
from tests.support.edits import STREAM
from tests.support.job_reports import DROPPED, LATE, PROGRESS, STAMP, of, progress, ready, reports, told
from tests.support.world import CONTRACT, World, show
from tests.support.world_rows import OUTPUT, START, Row

MakeWorld = Callable[..., World]
NOTHING = pa.Table.from_pylist([], schema=OUTPUT)


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


@pytest.mark.parametrize("kind", [STAMP, pa.string(), None], ids=["a time", "text", "not there"])
def test_numbers_of_checkpoints_of_another_type_are_refused(kind: pa.DataType | None, make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    ready(world, reports(world), [])
    kinds = {field.name: kind if field.name == "checkpoint_id" else field.type for field in PROGRESS}
    schema = pa.schema([(name, held) for name, held in kinds.items() if held is not None])
    world.lake.catalog().drop_table("ops.progress")
    world.lake.ensure_table("ops.progress", schema)
    row = {"source": "shows", "partition": 0, "end_offset": 1, "checkpoint_id": START if kind == STAMP else "a"}
    world.lake.append("ops.progress", pa.Table.from_pylist([{n: row.get(n) for n in schema.names}], schema=schema))
    said = "has no column 'checkpoint_id'" if kind is None else "column 'checkpoint_id' of ops.progress"
    with pytest.raises(ContractError, match=said):
        world.reconcile()


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


def test_explain_of_a_ledger_made_of_reports(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    told(world, reports(world), progress(world))
    [finding] = explain(world.contract, world.home, "x").findings
    assert finding["cause"] == "late_left"
    said = [moment.text for moment in explain(world.contract, world.home, "a").moments if moment.what == "admitted"]
    assert len(said) == 2
    assert all(text.endswith("read by checkpoint 7: the job does not report it as dropped") for text in said)


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


def test_of_a_partition_that_the_progress_leaves_out_nothing_is_known(make_world: MakeWorld) -> None:
    """The stream has lost the row of `b`: it is not called unread."""
    world = stream_of(make_world(), LATE)
    world.stream = [row for row in world.stream if row.left.name != "b"]
    rows = [row for row in progress(world) if (row["source"], row["partition"]) != ("shows", 1)]
    document = told(world, reports(world), rows).document
    assert ("b", "missing unexplained") in world.told()
    assert document["predicted"] is None
    assert "ledger" in document["unknown"]["lacking"]


@pytest.mark.parametrize("kind", ["left_outer", "inner"])
def test_windows_are_not_open_where_the_job_does_not_say_how_far_it_closed_them(
    kind: str, make_world: MakeWorld
) -> None:
    """The stream has lost the row of `b`, hours ago: pending is no drift, and would be for ever. An inner join needs
    not say it."""
    world = stream_of(make_world(kind=kind), LATE)
    world.stream = [row for row in world.stream if row.left.name != "b"]
    ready(world, reports(world), [row | {"closed_until": None} for row in progress(world)])
    world.contract = world.contract.model_copy(update={"join": world.contract.join.model_copy(update={"kind": kind})})
    document = world.reconcile().document
    if kind == "inner":
        assert document["agrees"] is True, document["predicted"]
        return
    assert ("b", "missing unexplained") in world.told()
    assert document["predicted"] is None
    assert "closing" in document["unknown"]["lacking"]
    assert document["unknown"]["causes"] == ["pending", "lost_output"]


def test_a_report_with_a_time_of_the_range_of_a_record_beyond_it_is_no_gap(make_world: MakeWorld) -> None:
    """`z` was shown on the day before: the archive has it, at another time."""
    world = stream_of(make_world(), LATE)
    ready(world, [*reports(world), of(world, "z", event_time=START + timedelta(minutes=5))])
    document = world.reconcile(time_range=TimeRange(START, START.replace(day=2))).document
    assert document["reports"]["wrong"] == {"other_time": 1}
    assert "reported_late" not in document["causes"]
