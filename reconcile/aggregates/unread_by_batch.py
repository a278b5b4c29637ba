"""Records that the stream took in and the batch run in force had not read, and the windows that they may be in."""

from __future__ import annotations

from collections.abc import Iterator
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
    from plumbline.reconcile.inputs.pinned_views import Pins


def note_newer(pins: Pins) -> None:
    """Fill NEWER of both sides. FATE and REASONS must be told."""
    for side in SIDES:
        NEWER[side].fill(pins.con, NEWER[side].nothing)
        for run in in_force(pins.runs, pins.time_range):
            part = run.time_range.intersect(pins.time_range)
            if part is not None:
                _note(pins, side, run, part)


def parts_in_force(pins: Pins, moment: str) -> Iterator[tuple[BatchRun, str]]:
    """Each run in force, the newest first, with SQL over `moment`: whether it is the one behind rows of that time."""
    newer = ["false"]
    for run in reversed(in_force(pins.runs, pins.time_range)):
        mine = run.time_range.sql(moment)
        yield run, f"{pins.time_range.sql(moment)} AND {mine} AND NOT ({' OR '.join(newer)})"
        newer.append(mine)


def read_by(pins: Pins, side: str, run: BatchRun) -> int | None:
    """The archive's snapshot that a run has read of one side; None where it is gone, or was not noted."""
    source, snapshot = _source_and_snapshot(pins, side, run)
    return snapshot if pins.has_snapshot(source, snapshot) else None


def stale_windows(inputs: Opened) -> set[int]:
    """The starts (us) of suspect windows that may hold records of NEWER."""
    pins = inputs.pins
    low_us, high_us = (ms * 1000 for ms in pins.within_ms)
    reach = {"left": (0, inputs.window_us), "right": (low_us, inputs.window_us + high_us + 1)}
    reached = " OR ".join(
        f"""EXISTS (SELECT 1 FROM {NEWER[side]} n WHERE epoch_us(n.event_time) >= w.begun + {first}
            AND epoch_us(n.event_time) < w.begun + {end})"""
        for side, (first, end) in reach.items()
    )
    windows = f"(SELECT DISTINCT epoch_us({WINDOW_START}) AS begun FROM {SUSPECTS})"
    return {int(us) for (us,) in pins.con.execute(f"SELECT begun FROM {windows} w WHERE {reached}").fetchall()}


def _source_and_snapshot(pins: Pins, side: str, run: BatchRun) -> tuple[str, int | None]:
    if side == "left":
        return pins.contract.left.archive, run.left_archive
    return pins.contract.right.archive, run.right_archive


def _note(pins: Pins, side: str, run: BatchRun, part: TimeRange) -> None:
    """Add to NEWER the records that a run could not read of a part of the range. A snapshot that is gone held none."""
    source, snapshot = _source_and_snapshot(pins, side, run)
    if snapshot is not None and snapshot == pins.snapshots[source]:
        return
    reach = pins.reach(side, part)
    archive_view(pins, THEN[side], side, read_by(pins, side, run), reach)
    without = " ".join(
        f'ANTI JOIN {known} USING (partition, "offset")' for known in (THEN[side], FATE[side], REASONS[side])
    )
    NEWER[side].add(
        pins.con,
        f"""
        SELECT DISTINCT {run.snapshot_id} AS batch_snapshot_id, partition, "offset", event_time
        FROM (SELECT partition, "offset", event_time FROM {ARCHIVES[side]} WHERE {reach.sql("event_time")}) {without}
        """,
    )
