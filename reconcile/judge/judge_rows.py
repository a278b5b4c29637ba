"""From the rows of both outputs to findings, stage by stage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.reconcile.evidence.differing_rows import Differing, find
from plumbline.reconcile.evidence.gather import gather
from plumbline.reconcile.evidence.moved_rows import with_moved
from plumbline.reconcile.judge.attribution import attribute, causes_of, note

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.epoch_spans import Progress
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation


def judge_rows(pins: Pins, progress: Progress) -> tuple[Differing, Relation]:
    """What differs, and each difference with its evidence and its cause (ATTRIBUTED)."""
    found = find(pins)
    differing, moved = with_moved(pins, found.rows)
    evidence = gather(found.pins, progress, differing)
    notes = note(found.pins, evidence)
    attributed = attribute(pins.con, evidence, notes, causes_of(found.pins))
    return replace(found, rows=differing, match=found.match - moved), attributed
