"""Which causes cannot be told at all, because what proves them is not there: unknown is not the same as absent."""

from __future__ import annotations

from typing import Any

from reconcile.causes import registry
from reconcile.pins import Pins
from reconcile.spans import Progress

SOURCES = {
    "lineage": "the coordinates of the records that each row was made from",
    "archive": "an archive of both sources",
    "ledger": "the epoch ledger of a stream job of ours",
    "batch_runs": "batch commits that name the archive snapshots they read",
}
"""What a cause may need, and what that is."""


def lacking(pins: Pins, progress: Progress) -> list[str]:
    """Those of SOURCES that this comparison does not have; lineage is there when every row of both tables has it."""
    archives = (pins.snapshots[source.archive] for source in (pins.contract.left, pins.contract.right))
    known = {
        "lineage": pins.batch_has_lineage and pins.stream_has_lineage,
        "archive": None not in archives,
        "ledger": progress.last_epoch is not None,
        "batch_runs": any(run.left_archive and run.right_archive for run in pins.runs),
    }
    return [source for source in SOURCES if not known[source]]


def unknown(lacked: list[str]) -> dict[str, Any]:
    """`{"lacking": {source: what it is}, "causes": [...]}`: the causes that need one of them, in order of precedence.

    A row of such a cause is then `unexplained`.
    """
    causes = [cause.name for cause in registry() if set(cause.needs) & set(lacked)]
    return {"lacking": {source: SOURCES[source] for source in lacked}, "causes": causes}
