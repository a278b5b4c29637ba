"""What "equal" means for one column, beyond the fixed rules (NULL = NULL, NaN = NaN, -0.0 = 0.0)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """How far two values of a column may lie apart and still agree.

    `abs` and `rel` are for numbers and add up: |a - b| <= abs + rel * max(|a|, |b|), symmetric, never for NaN or
    infinity. `round_to_ms` is for timestamps: both are cut down to that grid, in milliseconds. `ignore` leaves the
    column out of the comparison.
    """

    abs: float | None = None
    rel: float | None = None
    ignore: bool = False
    round_to_ms: float | None = None
