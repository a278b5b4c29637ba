"""From the rows of both outputs to findings, stage by stage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.reconcile.evidence.day_counts import count_days
from plumbline.reconcile.evidence.differing_rows import Differing, find
from plumbline.reconcile.evidence.gather import gather
from plumbline.reconcile.evidence.moved_rows import with_moved
from plumbline.reconcile.judge.attribution import attribute, causes_of, note
from plumbline.reconcile.judge.foreign_ledger import unseen
from plumbline.reconcile.judge.prediction import tell_fates

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.epoch_spans import Progress
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation


def judge_rows(pins: Pins, progress: Progress) -> tuple[Differing, Relation]:
    """What differs, and each difference with its evidence and its cause (ATTRIBUTED)."""
    found = find(pins, _ruled(pins, progress))
    differing, moved = with_moved(found.near, found.rows)
    if found.near is not pins:
        count_days(pins)  # of all rows that are read, not only of those that Spark has found
    evidence = gather(found.pins, progress, differing)
    notes = note(found.pins, evidence)
    attributed = attribute(pins.con, evidence, notes, causes_of(found.pins))
    return replace(found, rows=differing, match=found.match - moved), attributed


def _ruled(pins: Pins, progress: Progress) -> Progress | None:
    """The progress with FATE told, where rows of a team's own job do not name their records, and its ledger is
    complete and not contradicted."""
    if pins.contract.job is None or progress.last_epoch is None or pins.stream_has_lineage:
        return None
    if pins.unproven_spark or pins.contradicted or unseen(pins):
        return None
    tell_fates(pins)
    return progress
