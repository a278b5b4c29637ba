"""Nights as the command makes them, for what is made of them."""

from __future__ import annotations

from typing import Any


def night(day: str = "2024-03-01", verdict: str = "clean", **changed: Any) -> dict[str, Any]:
    return {
        "contract": "shop",
        "day": day,
        "run_id": "0a1b",
        "verdict": verdict,
        "settled": True,
        "balanced": True,
        "counts": {"batch": 1200, "stream": 1199, "match": 1199},
        "causes": {"late_left": 1} if verdict == "drift" else {},
        "unexplained": 0,
        "alerts": [],
        "expectations": 26,
        "failed": [],
        "batch_snapshot": 7,
        "report": "nightly/shop/2024-03-01/report.html",
        **changed,
    }


def failing(column: str = "price", why: str = "expectations.between") -> dict[str, Any]:
    kind = "expect_column_values_to_be_between"
    return {"on": "stream", "expectation": kind, "column": column, "unexpected": 3, "why": why}
