"""Each cause beside each piece of evidence that can lack: what is not there proves nothing.

It is said to be unknown instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.causes import registry
from tests.reconcile.causes.test_causes import Findings, several_at_once, spoil_stream, stream_of
from tests.reconcile.causes.test_sharper_causes import (
    CHANGED,
    a_right_record_missing_between_its_neighbours,
    a_row_of_a_replay_that_the_batch_should_have,
    changed_column,
    joined_beyond_the_window,
    late_by_an_event_from_the_future,
    the_reference_leaves_the_bound_out,
)
from tests.reconcile.evidence.test_quarantined import with_refused
from tests.reconcile.test_outside import VALUES, rewrite
from tests.support.world import OUTPUT, START, Row, World, play, show

pytestmark = pytest.mark.slow

MakeWorld = Callable[..., World]
STREAM, BATCH, ARCHIVES = "joined.plays_stream", "joined.plays_batch", ("raw.shows", "raw.plays")


def no_lineage_in_the_stream(world: World) -> set[str]:
    rewrite(world, STREAM, world.stream, [*VALUES, "_event_time"])
    return {"lineage"}


def no_lineage_of_the_right_side(world: World) -> set[str]:
    rewrite(world, STREAM, world.stream, [name for name in OUTPUT.names if not name.startswith("_right")])
    return {"lineage"}


def no_lineage_in_the_batch(world: World) -> set[str]:
    table = world.lake.load(BATCH)
    properties = dict(table.current_snapshot().summary.additional_properties)
    rewrite(world, BATCH, world.batch, [*VALUES, "_event_time"])
    world.lake.append(
        BATCH,
        world.lake.load(BATCH).schema().as_arrow().empty_table(),
        {name: value for name, value in properties.items() if name.startswith("plumbline.")},
    )
    return {"lineage"}


def no_ledger(world: World) -> set[str]:
    world.lake.catalog().drop_table("plumbline.epochs")
    return {"ledger"}


def no_archive(world: World) -> set[str]:
    for table in ARCHIVES:
        world.lake.catalog().drop_table(table)
    return {"archive", "batch_runs"}


def no_archive_of_one_source(world: World) -> set[str]:
    world.lake.catalog().drop_table(ARCHIVES[1])
    return {"archive", "batch_runs"}


def no_batch_runs(world: World) -> set[str]:
    rewrite(world, BATCH, world.batch, OUTPUT.names)
    return {"batch_runs"}


def expired_snapshots(world: World) -> set[str]:
    for table in map(world.lake.load, ARCHIVES):
        world.lake.append(table.name()[0] + "." + table.name()[1], table.schema().as_arrow().empty_table())
    for table in map(world.lake.load, ARCHIVES):
        current = table.current_snapshot().snapshot_id
        old = [snapshot.snapshot_id for snapshot in table.snapshots() if snapshot.snapshot_id != current]
        table.maintenance.expire_snapshots().by_ids(old).commit()
    return {"batch_runs"}


def no_quarantine(world: World) -> set[str]:
    if world.lake.exists("plumbline.quarantine"):
        world.lake.catalog().drop_table("plumbline.quarantine")
    return set()


def the_only_match_is_in_quarantine(world: World) -> Findings:
    with_refused(world, px="wrong_type")
    return [("x px", "mismatch quarantined")]


def rows_of_before_a_column_was_added(world: World) -> Findings:
    name, *commits = CHANGED["stream"]
    changed_column(stream_of(world), name, None, *commits)
    spoil_stream(world, "a", "pa", knows_seconds=False)
    return [("a pa", "mismatch schema_change")]


MISSING = (
    no_lineage_in_the_stream, no_lineage_of_the_right_side, no_lineage_in_the_batch, no_ledger, no_archive,
    no_archive_of_one_source, no_batch_runs, expired_snapshots, no_quarantine,
)  # fmt: skip
WORLDS = (
    several_at_once, a_right_record_missing_between_its_neighbours, late_by_an_event_from_the_future,
    a_row_of_a_replay_that_the_batch_should_have, joined_beyond_the_window, the_reference_leaves_the_bound_out,
    the_only_match_is_in_quarantine, rows_of_before_a_column_was_added,
)  # fmt: skip


def spelled(case: Callable[..., Any]) -> str:
    return case.__name__.replace("_", " ")


@pytest.mark.parametrize("lack", MISSING, ids=spelled)
@pytest.mark.parametrize("plant", WORLDS, ids=spelled)
def test_a_cause_is_the_planted_one_or_unknown(
    plant: Callable[[World], Findings], lack: Callable[[World], set[str]], make_world: MakeWorld
) -> None:
    world = make_world()
    planted = {told.split()[1] for _, told in plant(world)}
    lacking = lack(world.write())
    document = world.reconcile().document
    found = {told.split()[1] for _, told in world.told()}
    assert found <= {*planted, "unexplained"}
    assert set(document["unknown"]["lacking"]) == lacking
    assert not found & set(document["unknown"]["causes"])
    assert set(document["unknown"]["causes"]) | found >= {c.name for c in registry() if lacking & set(c.needs)}
    if plant is not several_at_once:  # where all rows are of one cause, it is told exactly when its proof is there
        assert "unexplained" in found or found == planted
    assert document["balanced"]


def inserted(world: World, **values: Any) -> None:
    """Another tool writes a row into the stream table; columns that it does not name are NULL."""
    row = {name: values.get(name) for name in OUTPUT.names}
    world.lake.append(STREAM, pa.Table.from_pylist([row], schema=OUTPUT))


def causes_by_class(world: World, **options: Any) -> list[tuple[str, str]]:
    document = world.reconcile(**options).document
    assert not set(document["causes"]) & set(document["unknown"]["causes"])
    return sorted((finding["class"], finding["cause"]) for finding in world.findings())


def test_an_extra_row_that_does_not_say_what_it_was_made_from_has_no_cause(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), [show("x", 3)]).write()
    inserted(world, show_id="made up", title="t", _event_time=world.record("a").at)
    assert causes_by_class(world) == [("extra", "unexplained"), ("missing", "late_left")]


def test_other_values_in_a_row_of_unknown_origin_have_no_cause(make_world: MakeWorld) -> None:
    """The batch's record was late, but what stands in its place was not made by the stream."""
    world = stream_of(make_world(), [show("x", 3)]).write()
    inserted(world, show_id="x", title="t", _event_time=world.record("x").at)
    assert causes_by_class(world) == [("mismatch", "unexplained")]


def test_a_row_is_not_lost_where_one_of_unknown_origin_may_be_it(make_world: MakeWorld) -> None:
    """One of several rows of a key was written anew without its lineage."""
    world = stream_of(make_world(), [play("pd2", "d", 121)])
    moved = world.row("d", "pd2")
    world.stream.remove(moved)
    values = {name: value for name, value in moved.values().items() if name in VALUES}
    inserted(world.write(), **values, _event_time=moved.left.at)
    assert causes_by_class(world) == []


def test_a_row_is_not_lost_where_it_stands_under_another_key(make_world: MakeWorld) -> None:
    world = stream_of(make_world())
    world.stream = [
        replace(row, left=replace(row.left, show=f"renamed {row.left.name}")) if row.left.name in ("b", "d") else row
        for row in world.stream
    ]
    assert causes_by_class(world.write()) == [("extra", "unexplained")] * 2 + [("missing", "unexplained")] * 2


def test_a_row_without_a_match_is_not_lost_where_the_join_makes_none(make_world: MakeWorld) -> None:
    """A reference of one's own may keep it; the stream of an inner join never wrote it."""
    world = stream_of(make_world(kind="inner"))
    world.batch.append(Row(world.record("b")))
    assert causes_by_class(world.write()) == [("missing", "unexplained")]


def test_equal_rows_of_two_records_are_no_double_commit(make_world: MakeWorld) -> None:
    """Without the batch's lineage rows are told apart by their values, and two of the stream's have the same."""
    world = stream_of(make_world(), [play("pd2", "d", 121)])
    alike = [replace(row, seconds=1.0) for row in world.stream if row.left.name == "d"]
    alike = [replace(row, right=replace(row.right, name="pd")) for row in alike if row.right]
    world.stream = [*(row for row in world.stream if row.left.name != "d"), *alike]
    world.batch = [row for row in world.stream if row is not alike[1]]
    rewrite(world.write(), BATCH, world.batch, [*VALUES, "_event_time"])
    assert causes_by_class(world) == [("duplicate", "unexplained")]


def test_a_record_beyond_the_reach_of_the_range_had_arrived(make_world: MakeWorld) -> None:
    """The stream joined a record from days away; the batch run could read it, and rightly left it out."""
    world = make_world()
    world.play([show("b", 1), play("po", "b", 4 * 24 * 60)], [show("f", 9000), play("pf", "f", 9001)], [])
    world.stream = [replace(row, right=world.record("po")) if row.left.name == "b" else row for row in world.stream]
    day = TimeRange(START, START + timedelta(days=1))
    assert causes_by_class(world.write(), time_range=day) == [("mismatch", "unexplained")]


def test_another_left_record_of_one_key_makes_no_pair_with_this_ones_match(make_world: MakeWorld) -> None:
    """Key a has a show at minute 0 in the batch and one at minute 200 with a play in the stream: that is no pair."""
    world = stream_of(make_world(), [replace(show("a2", 200), show="a"), play("pa2", "a", 210)])
    world.stream = [row for row in world.stream if row.left.name != "a"]
    alone = [replace(row, right=None) for row in world.batch if row.left.name == "a"]
    world.batch = alone + [row for row in world.batch if row.left.show != "a"]
    assert "out_of_contract" not in {cause for _, cause in causes_by_class(world.write())}
