"""Two numbers that a third must lie between."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator


def _in_order(bounds: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = bounds
    if any(bound is not None and math.isnan(bound) for bound in bounds):
        raise ValueError("NaN bounds nothing; give a number, or null for no bound")
    if low is not None and high is not None and low > high:
        raise ValueError(f"[{low:g}, {high:g}] is reversed")
    return bounds


Bounds = Annotated[tuple[float | None, float | None], AfterValidator(_in_order)]
"""Least and greatest number, both allowed; None: no bound on that side."""
