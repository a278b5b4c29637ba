"""The drift ledger over time: what each recorded run found, and how each cause goes. Pure, over recorded documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from plumbline.contract.document_types import Range
    from plumbline.contract.findings import Cause
    from plumbline.reconcile.report.document_types import Direction, HistoryDocument, HistoryLine, Trend

RISEN: Final = "risen"
FALLEN: Final = "fallen"
STEADY: Final = "steady"
NOTABLE = 1.5
"""A share that is this many times the usual one, or one of so many parts of it, has risen or fallen."""


def history(contract: str, recorded: Iterable[Mapping[str, Any]], last: int | None = None) -> HistoryDocument:
    """`{"contract", "runs", "trend"}` of recorded runs, given in order of time; of the `last` ones only.

    A run has its id, when it was recorded, range, verdict, whether it was settled, rows and findings, findings per
    cause, the limits that it crossed and the snapshots that it read. `trend` maps each cause that occurs to its
    findings per 100 batch rows (`shares`, run by run; null for a run without batch rows), the newest run's (`newest`),
    the median of those before over ranges as long as the newest's (`usual`; null without any), and `direction`: risen,
    fallen or steady.
    """
    runs = [_run(row) for row in recorded][-last if last else None :]
    causes = dict.fromkeys(cause for run in runs for cause in run["causes"])
    return {"contract": contract, "runs": runs, "trend": {cause: _trend(cause, runs) for cause in causes}}


def _run(row: Mapping[str, Any]) -> HistoryLine:
    document = json.loads(row["document"])
    counts = document["counts"]
    return {
        "run_id": document["run_id"],
        "recorded_at": row["recorded_at"],
        "range": document["range"],
        "verdict": document["verdict"],
        "settled": document["settled"],
        "balanced": document["balanced"],
        "batch": counts["batch"],
        "stream": counts["stream"],
        "findings": sum(document["causes"].values()),
        "pending": counts["pending"],
        "causes": document["causes"],
        "alerts": document["alerts"],
        "snapshots": document["snapshots"],
    }


def _trend(cause: Cause, runs: Sequence[HistoryLine]) -> Trend:
    shares = [100 * run["causes"].get(cause, 0) / run["batch"] if run["batch"] else None for run in runs]
    length = _length(runs[-1]["range"])
    before = [
        share
        for share, run in zip(shares[:-1], runs, strict=False)
        if share is not None and _length(run["range"]) == length
    ]
    newest, usual = shares[-1], median(before) if before else None
    return {"shares": shares, "newest": newest, "usual": usual, "direction": _direction(newest, usual)}


def _length(time_range: Range) -> timedelta | None:
    """How long a range is; None for an open one."""
    start, end = time_range["from"], time_range["to"]
    return datetime.fromisoformat(end) - datetime.fromisoformat(start) if start and end else None


def _direction(newest: float | None, usual: float | None) -> Direction:
    if newest is None or usual is None:
        return STEADY
    return RISEN if newest > usual * NOTABLE else FALLEN if newest * NOTABLE < usual else STEADY
