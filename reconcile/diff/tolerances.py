"""Tolerances as a command line spells them: `f1=abs:1e-9,rel:1e-6`, `seen_at=round_to:1 ms`, `city=case,space`,
`tags=order`, `note=ignore`, `price=sql:abs(a - b) < 0.01 * a`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from plumbline.contract.durations import parse_duration
from plumbline.contract.equality import FOLDS, Tolerance
from plumbline.contract.errors import UsageError

_FORM = (
    "write COLUMN=abs:0.5, COLUMN=abs:0.5,rel:1e-9, COLUMN=round_to:1 ms, COLUMN=ignore,"
    f" COLUMN=sql:abs(a - b) < 1, or COLUMN= and some of {','.join(FOLDS)}"
)
_SQL = "=sql:"


def parse_tolerances(texts: Iterable[str]) -> dict[str, Tolerance]:
    """Column to tolerance. Raises UsageError that shows the right form, also for a column named twice."""
    found: dict[str, Tolerance] = {}
    for text in texts:
        column, equals, rule = _split(text)
        if not equals or not column or not rule:
            raise UsageError(f"{text!r} is not a tolerance", next_step=_FORM)
        if column in found:
            raise UsageError(f"column {column!r} has two tolerances", next_step="give one, such as abs:1,rel:1e-9")
        found[column] = _tolerance(text, rule)
    return found


def _split(text: str) -> tuple[str, str, str]:
    """Column, equals sign, rule. A column's name may hold an equals sign, and so may SQL."""
    if _SQL in text:
        column, _, sql = text.partition(_SQL)
        return column, "=", f"sql:{sql}"
    return text.rpartition("=")


def _tolerance(text: str, rule: str) -> Tolerance:
    if rule.strip() == "ignore":
        return Tolerance(ignore=True)
    if rule.startswith("sql:"):
        return Tolerance(sql=rule.removeprefix("sql:"))
    sizes: dict[str, Any] = {}
    folds: list[str] = []
    for part in rule.split(","):
        kind, _, size = (piece.strip() for piece in part.partition(":"))
        known = ("abs", "rel", "round_to") if size else FOLDS
        if kind in (*sizes, *folds) or kind not in known:
            raise UsageError(f"{part.strip()!r} in {text!r} is not a tolerance", next_step=_FORM)
        if not size:
            folds.append(kind)
        else:
            sizes[kind] = _size(text, kind, size)
    return Tolerance(abs=sizes.get("abs"), rel=sizes.get("rel"), round_to_ms=sizes.get("round_to"), fold=tuple(folds))


def _size(text: str, kind: str, size: str) -> float | Decimal:
    if kind == "round_to":
        grid = parse_duration(size).total_seconds() * 1000
        if grid <= 0:
            raise UsageError(f"{size!r} in {text!r} is not a grid for times", next_step="write 1 ms or more")
        return grid
    try:
        written, read = Decimal(size), float(size)
    except (ArithmeticError, ValueError):
        raise UsageError(f"{size!r} in {text!r} is not a number", next_step=_FORM) from None
    return read if Decimal(repr(read)) == written else written
