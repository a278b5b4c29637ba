"""What "equal" means for one column, beyond the fixed rules (NULL = NULL, NaN = NaN, -0.0 = 0.0)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

FOLDS = ("nfc", "case", "space", "order")
"""What may be overlooked: the two ways Unicode spells an accented letter; upper and lower case; blanks at the ends and
how many there are in between; the order of a list."""


@dataclass(frozen=True)
class Tolerance:
    """How far two values of a column may lie apart and still agree.

    `abs` and `rel` are for numbers and add up: |a - b| <= abs + rel * max(|a|, |b|), symmetric, never for NaN or
    infinity. Between two floats that is their own arithmetic, else exact: a float, as a size too, then stands for the
    shortest digits that mean it. `round_to_ms` is for timestamps: both are cut down to that grid, in milliseconds.
    `fold` names what is overlooked in text and lists, see FOLDS. `sql` is a comparison of one's own over `a`, the left
    value, and `b`: true where they agree; equal values are never asked. `ignore` leaves the column out of the
    comparison.
    """

    abs: float | Decimal | None = None
    rel: float | Decimal | None = None
    ignore: bool = False
    round_to_ms: float | None = None
    fold: tuple[str, ...] = ()
    sql: str | None = None
