"""Two 64-bit digests of several values of a row: Spark's xxHash64 with two seeds.

Rows that are not equal have two equal digests with a chance of about 2^-128, unless they are made for it: xxHash64
resists no adversary. xxhash64() passes over NULLs, so that ('a', NULL) and (NULL, 'a') would be one: the first of the
hashed values says which of the others are NULL. Each is hashed in a form that is one SQL value for all equal ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import backticked
from plumbline.contract.equality import Tolerance
from plumbline.reconcile.diff.spark.encoding import Encoding, parts_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SEEDS = (1, 0x9E3779B97F4A7C15 - 2**64)
_BITS = 63


@dataclass(frozen=True)
class Side:
    """One side's frame, and SQL of two digests of a row's key and of its key and values."""

    frame: DataFrame
    key: tuple[str, str]
    row: tuple[str, str]


def sides_of(
    left: DataFrame,
    right: DataFrame,
    key: Sequence[str],
    values: Collection[str],
    tolerances: Mapping[str, Tolerance],
) -> tuple[Side, Side]:
    ours, theirs = ({field.name: field.dataType for field in frame.schema.fields} for frame in (left, right))
    keys = {name: parts_of(ours[name], theirs[name]) for name in key}
    rows = keys | {name: parts_of(ours[name], theirs[name], tolerances.get(name)) for name in values}
    first, second = (
        Side(frame, digests(_values(keys, side)), digests(_values(rows, side)))
        for side, frame in (("left", left), ("right", right))
    )
    return first, second


def digests(values: Sequence[str]) -> tuple[str, str]:
    """SQL of the two digests of SQL values."""
    hashed = ", ".join([*_nulls(values), *values])
    first, second = (f"xxhash64({seed}L, {hashed})" for seed in _SEEDS)
    return first, second


def _values(columns: Mapping[str, Sequence[Encoding]], side: str) -> list[str]:
    return [part.form(side)(backticked(name)) for name, parts in columns.items() for part in parts]


def _nulls(values: Sequence[str]) -> list[str]:
    """SQL of numbers, a bit for each value: whether it is NULL."""
    return [
        " + ".join(f"IF({value} IS NULL, {1 << bit}L, 0L)" for bit, value in enumerate(values[first : first + _BITS]))
        for first in range(0, len(values), _BITS)
    ]
