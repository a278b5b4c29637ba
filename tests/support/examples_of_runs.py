"""Documents and findings as reconcile gives them, made by hand, for what tables would take long to reach."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

DAY = datetime(2024, 3, 1, tzinfo=UTC)


def document(days: int = 3, causes: dict[str, dict[str, int]] | None = None, **changes: Any) -> dict[str, Any]:
    """A run over `days` days of 100 batch rows each; `causes` (per class) are the findings of every one of them."""
    causes = {"late_left": {"missing": 2}, "late_right": {"mismatch": 1}} if causes is None else causes
    drift = {cause: kinds for cause, kinds in causes.items() if cause != "pending"}
    counts = {kind: sum(kinds.get(kind, 0) for kinds in drift.values()) for kind in CLASSES}
    counts["pending"] = sum(sum(kinds.values()) for kinds in causes.values()) - sum(counts.values())
    page = {
        "batch": 100,
        "stream": 100 - counts["missing"] - counts["pending"] + counts["extra"] + counts["duplicate"],
        "match": 100 - counts["missing"] - counts["mismatch"] - counts["pending"],
        **counts,
        "causes": causes,
        "balanced": True,
    }
    ledger = [{"window": _iso(DAY + timedelta(days=i)), **page} for i in range(days)]
    total = {name: days * number for name, number in page.items() if isinstance(number, int) and name != "balanced"}
    sums = {cause: days * sum(kinds.values()) for cause, kinds in drift.items()}
    made = {
        "run_id": "00112233445566aa",
        "contract": "plays",
        "range": {"from": _iso(DAY), "to": _iso(DAY + timedelta(days=max(days, 1)))},
        "snapshots": {"joined.plays_stream": 11, "joined.plays_batch": 12, "plumbline.epochs": None},
        "stream": {"query_id": "q", "last_epoch": 8, "evict_watermark_ms": 0, "closed_until": "2024-03-04T00:00:00Z"},
        "settled": not counts["pending"],
        "verdict": "drift" if sums else "clean",
        "balanced": True,
        "counts": total,
        "causes": sums,
        "unexplained": sums.get("unexplained", 0),
        "columns": {"play_id": total["mismatch"]} if total["mismatch"] else {},
        "schema": [],
        "ledger": ledger,
        "predicted": {
            "stream_rows": total["stream"],
            "late_left": sums.get("late_left", 0),
            "late_right": sums.get("late_right", 0),
            "pending": total["pending"],
        },
        "agrees": True,
        "replayed": 0,
        "alerts": [],
    }
    return {**made, **changes}


def of_aggregate(**changes: Any) -> dict[str, Any]:
    """A run of an aggregate over three days, a line of each cause among its findings."""
    causes = {"late_left": {"missing": 2}, "late_right": {"mismatch": 3}, "unexplained": {"extra": 1}}
    values = {
        "shown": {"batch": 812, "stream": 803, "causes": {"late_right": 7, "quarantined": 2}},
        "take_rate": {"batch": 0.48275862068965514, "stream": 0.4825653798256538},
        "seconds": {"batch": None, "stream": None},
    }
    lost = {"late_right": {"gone": 9, "alone": 2}, "quarantined": {"gone": 2, "alone": 0}}
    findings = [
        {
            "key": {"window_start": _iso(DAY), "campaign": f"spring {number}", "country": None},
            "kind": next(iter(kinds)),
            "cause": cause,
            "rows": {"batch": 812, "stream": 803, "lost": lost},
            "values": values,
        }
        for number, (cause, kinds) in enumerate(causes.items())
    ]
    rows = {"batch": 30_000, "stream": 29_991, "lost": {name: {**of, "records": None} for name, of in lost.items()}}
    told = {"rounding": 1, "stale": 0, "apart": 0, "untold": None, "closed_until": "2024-03-04T00:00:00Z"}
    return document(causes=causes, rows=rows, findings=findings, **told, **changes)


def finding(
    key: str = "s1", cause: str = "late_left", late_by_ms: int | None = 90_000, **changes: Any
) -> dict[str, Any]:
    """One row of plumbline.findings."""
    side = "right" if cause == "late_right" else "left"
    evidence = {
        f"{side}_topic": f"t.{side}",
        f"{side}_partition": 1,
        f"{side}_offset": 4711,
        f"{side}_event_time": "2024-03-01T10:00:00.000000Z",
        f"{side}_epoch": 7,
        f"{side}_late_watermark": "2024-03-01T10:01:30.000000Z",
        f"{side}_late_by_ms": late_by_ms,
    }
    made = {
        "run_id": "00112233445566aa",
        "key": json.dumps({"show_id": key}),
        "class": "mismatch" if cause == "late_right" else "missing",
        "cause": cause,
        "window": DAY,
        "event_time": DAY,
        "columns": ["play_id"] if cause == "late_right" else [],
        "evidence": json.dumps(evidence),
        "left_row": json.dumps({"title": "one", "play_id": None}),
        "right_row": None,
    }
    return {**made, **changes}


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


CLASSES = ("missing", "extra", "mismatch", "duplicate")
