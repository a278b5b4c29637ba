"""The contract's `expectations` block: what else must hold for the tables."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from plumbline.contract.kinds import Delay, Name

Number = int | float
"""A whole number stays one, of any length; as a double 2^53 + 1 would be 2^53."""
_GREATEST_BOUND = 10**300
"""Great Expectations takes bounds as doubles, which end soon after."""


def _bounds_in_order(bounds: tuple[Number | None, Number | None]) -> tuple[Number | None, Number | None]:
    low, high = bounds
    if any(isinstance(bound, float) and math.isnan(bound) for bound in bounds):
        raise ValueError("NaN bounds nothing; give a number, or null for no bound")
    if any(isinstance(bound, int) and abs(bound) > _GREATEST_BOUND for bound in bounds):
        raise ValueError("a bound has over 300 digits, more than any column; give null for no bound")
    if low == math.inf or high == -math.inf:
        raise ValueError(f"{bounds[low != math.inf]} leaves no number; give a number, or null for no bound")
    if low is not None and high is not None and low > high:
        raise ValueError(f"[{low}, {high}] is reversed")
    return bounds


Bounds = Annotated[tuple[Number | None, Number | None], AfterValidator(_bounds_in_order)]
"""Least and greatest number, both allowed; None: no bound on that side."""


class Expectations(BaseModel):
    """What must hold of the tables beyond what the contract itself implies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    between: dict[Name, Bounds] = Field(default_factory=dict, description="output column to least and greatest value")
    in_set: dict[Name, list[str | int | float | bool]] = Field(
        default_factory=dict, description="column to its allowed values"
    )
    not_null: list[Name] = Field(default_factory=list, description="output columns that always have a value")
    matched_at_least: float | None = Field(None, ge=0, le=1, description="least share of rows with a right side")
    min_rows: int | None = Field(None, ge=0, description="fewest rows that a checked range may hold")
    stream_to_batch: Bounds | None = Field(None, description="bounds of stream rows per batch row; null: no bound")
    fresh_within: Delay | None = Field(None, description="greatest age of the newest row at the range's end, or now")
    quarantined_at_most: float | None = Field(
        None, ge=0, le=1, description="greatest quarantined share of a source's records"
    )
