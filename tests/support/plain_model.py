"""What any engine must find in a pair, in plain Python: no hashes, no SQL, no sizes."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from plumbline.contract.equality import Tolerance

Key = tuple[Any, ...]
US = dt.timedelta(microseconds=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Found:
    """`drift` maps each differing key, as `plain` values, to its class, row counts and differing columns (in order of
    name); `match` counts the left rows of all other keys."""

    drift: Mapping[Key, tuple[str, int, int, tuple[str, ...]]]
    match: int


def compare_plainly(
    left: pa.Table, right: pa.Table, key: tuple[str, ...], tolerances: Mapping[str, Tolerance] | None = None
) -> Found:
    """Compare by key, as multisets of rows, in the columns that both sides have."""
    columns = sorted(name for name in left.column_names if name in right.column_names and name not in key)
    ours, theirs = _by_key(left, key), _by_key(right, key)
    drift, match = {}, 0
    for found in ours.keys() | theirs.keys():
        verdict = _verdict(ours[found], theirs[found], columns, tolerances or {})
        if verdict is None:
            match += len(ours[found])
        else:
            drift[found] = verdict
    return Found(drift, match)


def found_in(drift: pa.Table, key: tuple[str, ...], match: int) -> Found:
    """An engine's drift table in the model's form; every key may be there once."""
    found = {
        tuple(plain(row[name]) for name in key): (
            row["class"], row["left_count"], row["right_count"], tuple(sorted(row["columns"])),
        )
        for row in drift.to_pylist()
    }  # fmt: skip
    assert len(found) == drift.num_rows
    return Found(found, match)


def plain(value: Any) -> Any:
    """The value with its equality made Python's: one NaN, moments in UTC, maps without order, nested values hashable.

    A map arrives as a list of pairs, which no other type does.
    """
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=value.tzinfo or dt.UTC)
    if isinstance(value, dict):
        return tuple(sorted((name, plain(item)) for name, item in value.items()))
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return frozenset((plain(name), plain(item)) for name, item in value)
    return tuple(plain(item) for item in value) if isinstance(value, list) else value


def near(a: Any, b: Any, tolerance: Tolerance) -> bool:
    """contract.equality.Tolerance in Python."""
    if a is None or b is None:
        return a is b
    if tolerance.round_to_ms:
        grid = round(tolerance.round_to_ms * 1000)
        return (plain(a) - EPOCH) // US // grid == (plain(b) - EPOCH) // US // grid
    if isinstance(a, float) and not (math.isfinite(a) and math.isfinite(b)):
        return plain(a) == plain(b)
    slack = (tolerance.abs or 0.0) + (tolerance.rel or 0.0) * max(abs(float(a)), abs(float(b)))
    return abs(a - b) <= (Decimal(slack) if isinstance(a, Decimal) else slack)


def _by_key(table: pa.Table, key: tuple[str, ...]) -> defaultdict[Key, list[dict[str, Any]]]:
    rows = defaultdict(list)
    for row in table.to_pylist():
        rows[tuple(plain(row[name]) for name in key)].append(row)
    return rows


def _verdict(
    ours: list[dict[str, Any]],
    theirs: list[dict[str, Any]],
    columns: list[str],
    tolerances: Mapping[str, Tolerance],
) -> tuple[str, int, int, tuple[str, ...]] | None:
    sizes = len(ours), len(theirs)
    if not ours or not theirs:
        return ("missing" if ours else "extra", *sizes, ())
    if sizes == (1, 1):
        differing = tuple(name for name in columns if not _equal(ours[0][name], theirs[0][name], tolerances.get(name)))
        return ("mismatch", *sizes, differing) if differing else None
    multisets = [Counter(tuple(plain(row[name]) for name in columns) for row in side) for side in (ours, theirs)]
    return None if multisets[0] == multisets[1] else ("duplicate", *sizes, ())


def _equal(a: Any, b: Any, tolerance: Tolerance | None) -> bool:
    return near(a, b, tolerance) if tolerance else bool(plain(a) == plain(b))
