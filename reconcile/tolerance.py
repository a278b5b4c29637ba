"""Tolerances as a command line spells them: `f1=abs:1e-9,rel:1e-6`, `seen_at=round_to:1 ms`, `note=ignore`."""

from __future__ import annotations

from collections.abc import Iterable

from contract.durations import parse_duration
from contract.equality import Tolerance
from contract.errors import UsageError

_FORM = "write COLUMN=abs:0.5, COLUMN=rel:1e-9, COLUMN=abs:0.5,rel:1e-9, COLUMN=round_to:1 ms or COLUMN=ignore"


def parse_tolerances(texts: Iterable[str]) -> dict[str, Tolerance]:
    """Column to tolerance. Raises UsageError that shows the right form, also for a column named twice."""
    found: dict[str, Tolerance] = {}
    for text in texts:
        column, equals, rule = text.rpartition("=")
        if not equals or not column or not rule:
            raise UsageError(f"{text!r} is not a tolerance", next_step=_FORM)
        if column in found:
            raise UsageError(f"column {column!r} has two tolerances", next_step="give one, such as abs:1,rel:1e-9")
        found[column] = _tolerance(text, rule)
    return found


def _tolerance(text: str, rule: str) -> Tolerance:
    if rule.strip() == "ignore":
        return Tolerance(ignore=True)
    sizes: dict[str, float] = {}
    for part in rule.split(","):
        kind, _, size = (piece.strip() for piece in part.partition(":"))
        if kind not in ("abs", "rel", "round_to") or kind in sizes:
            raise UsageError(f"{part.strip()!r} in {text!r} is not a tolerance", next_step=_FORM)
        sizes[kind] = _size(text, kind, size)
    return Tolerance(abs=sizes.get("abs"), rel=sizes.get("rel"), round_to_ms=sizes.get("round_to"))


def _size(text: str, kind: str, size: str) -> float:
    if kind == "round_to":
        return parse_duration(size).total_seconds() * 1000
    try:
        return float(size)
    except ValueError:
        raise UsageError(f"{size!r} in {text!r} is not a number", next_step=_FORM) from None
