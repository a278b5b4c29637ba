"""The windows whose batch lines are older than what the stream has read: a batch run has not seen all their records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.aggregate import WINDOW_START
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.inputs.batch_runs import in_force
from plumbline.reconcile.inputs.pinned_views import archive_view
from plumbline.reconcile.relations.aggregates import NEWER, SUSPECTS, THEN
from plumbline.reconcile.relations.evidence import REASONS
from plumbline.reconcile.relations.inputs import ARCHIVES
from plumbline.reconcile.relations.judge import FATE

if TYPE_CHECKING:
    from plumbline.contract.ranges import TimeRange
    from plumbline.reconcile.aggregates.views import Opened
    from plumbline.reconcile.inputs.batch_runs import BatchRun


def stale_windows(inputs: Opened) -> set[int]:
    """The starts (us) of suspect windows that may hold records which the stream took in and the batch has not read."""
    pins = inputs.pins
    for side in SIDES:
        NEWER[side].fill(pins.con, NEWER[side].nothing)
    for run in in_force(pins.runs, pins.time_range):
        part = run.time_range.intersect(pins.time_range)
        for side, snapshot in zip(SIDES, (run.left_archive, run.right_archive), strict=True):
            if part is not None:
                _note(inputs, side, run, snapshot, part)
    low_us, high_us = (ms * 1000 for ms in pins.within_ms)
    reach = {"left": (0, inputs.window_us), "right": (low_us, inputs.window_us + high_us + 1)}
    reached = " OR ".join(
        f"""EXISTS (SELECT 1 FROM {NEWER[side]} n WHERE epoch_us(n.event_time) >= w.begun + {first}
            AND epoch_us(n.event_time) < w.begun + {end})"""
        for side, (first, end) in reach.items()
    )
    windows = f"(SELECT DISTINCT epoch_us({WINDOW_START}) AS begun FROM {SUSPECTS})"
    return {int(us) for (us,) in pins.con.execute(f"SELECT begun FROM {windows} w WHERE {reached}").fetchall()}


def _note(inputs: Opened, side: str, run: BatchRun, snapshot: int | None, part: TimeRange) -> None:
    """Add to NEWER the records that a run could not read of a part of the range. A snapshot that is gone held none."""
    pins = inputs.pins
    source = pins.contract.left if side == "left" else pins.contract.right
    if snapshot is not None and snapshot == pins.snapshots[source.archive]:
        return
    reach = pins.reach(side, part)
    there = snapshot if pins.has_snapshot(source.archive, snapshot) else None
    archive_view(pins, THEN[side], side, there, reach)
    without = " ".join(
        f'ANTI JOIN {known} USING (partition, "offset")' for known in (THEN[side], FATE[side], REASONS[side])
    )
    NEWER[side].add(
        pins.con,
        f"""
        SELECT partition, "offset", event_time
        FROM (SELECT partition, "offset", event_time FROM {ARCHIVES[side]} WHERE {reach.sql("event_time")}) {without}
        """,
    )
