"""Which recorded comparison a night takes up: its own, and none from before it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from plumbline.contract.ranges import TimeRange
from plumbline.nightly.record import recorded_run, runs_of
from tests.support.upsert_world import UpsertWorld, evening
from tests.support.world import BATCH, World, play, show

SPAN = TimeRange(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC))


def appended(folder: Path) -> World:
    return World.at(folder).play([show("a", 0), play("pa", "a", 5)], [show("b", 300)], []).write()


@pytest.mark.parametrize("made", [appended, evening])
def test_a_comparison_of_before_the_batch_step_is_none_of_the_nights(made: type[UpsertWorld], tmp_path: Path) -> None:
    """The stream table that it found may be another one: a row that is gone since would stay clean."""
    world = made(tmp_path)
    document = world.reconcile(time_range=SPAN).document
    snapshot = document["snapshots"][BATCH]
    assert snapshot is not None
    known = recorded_run(world.lake, world.contract, SPAN, snapshot, ())
    assert known is not None
    assert known["run_id"] == document["run_id"]
    assert recorded_run(world.lake, world.contract, SPAN, snapshot, runs_of(world.lake, world.contract, SPAN)) is None
