"""Two numbers that a third must lie between."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator

Number = int | float
"""A whole number stays one, of any length; as a double 2^53 + 1 would be 2^53."""
_MOST = 10**300
"""Great Expectations takes bounds as doubles, which end soon after."""


def _in_order(bounds: tuple[Number | None, Number | None]) -> tuple[Number | None, Number | None]:
    low, high = bounds
    if any(isinstance(bound, float) and math.isnan(bound) for bound in bounds):
        raise ValueError("NaN bounds nothing; give a number, or null for no bound")
    if any(isinstance(bound, int) and abs(bound) > _MOST for bound in bounds):
        raise ValueError("a bound has over 300 digits, more than any column; give null for no bound")
    if low == math.inf or high == -math.inf:
        raise ValueError(f"{bounds[low != math.inf]} leaves no number; give a number, or null for no bound")
    if low is not None and high is not None and low > high:
        raise ValueError(f"[{low}, {high}] is reversed")
    return bounds


Bounds = Annotated[tuple[Number | None, Number | None], AfterValidator(_in_order)]
"""Least and greatest number, both allowed; None: no bound on that side."""
