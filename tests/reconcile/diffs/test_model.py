"""The engine against a model of a few lines of plain Python, on random small tables."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import ONE_PIECE, SMALL_PIECES, differing

from connect.pinned import connection
from contract.equality import Tolerance
from reconcile.engine import compare

Row = tuple[Any, ...]
SCHEMA = pa.schema(
    {"k1": pa.int64(), "k2": pa.string(), "f": pa.float64(), "s": pa.string(), "l": pa.list_(pa.int64())}
)
KEYS = st.tuples(st.sampled_from([None, 0, 1]), st.sampled_from([None, "", "a"]))
FLOATS = st.sampled_from([None, 0.0, -0.0, math.nan, math.inf, -math.inf, 1.0, 1.4, 1.8, 2.0**60, 2.0**60 + 256])
VALUES = st.tuples(FLOATS, st.sampled_from([None, "", "x"]), st.sampled_from([None, (), (None,), (0,), (0, 0)]))
ROWS = st.lists(st.tuples(KEYS, VALUES).map(lambda row: (*row[0], *row[1])), max_size=12)


def table(rows: list[Row]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return pa.table([pa.array(c, t) for c, t in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)


def plain(row: Row) -> Row:
    """The row with its equality made Python's: one NaN, one zero."""
    number = row[2]
    return (*row[:2], "NaN" if number is not None and math.isnan(number) else number, *row[3:])


def model(left: list[Row], right: list[Row]) -> dict[Any, str]:
    """Class of each key that differs."""
    found = {}
    for key in {row[:2] for row in (*left, *right)}:
        ours, theirs = ([plain(row) for row in side if row[:2] == key] for side in (left, right))
        if Counter(ours) == Counter(theirs):
            continue
        if not ours or not theirs:
            found[key] = "missing" if ours else "extra"
        else:
            found[key] = "mismatch" if len(ours) == len(theirs) == 1 else "duplicate"
    return found


@settings(max_examples=60, deadline=None)
@given(left=ROWS, right=ROWS, small=st.booleans())
def test_classes_are_the_models(left: list[Row], right: list[Row], small: bool) -> None:
    con = connection()
    con.register("ours", table(left))
    con.register("theirs", table(right))
    found = compare(con, "ours", "theirs", ["k1", "k2"], budget=SMALL_PIECES if small else ONE_PIECE)
    expected = model(left, right)
    assert differing(con, "k1, k2") == expected
    assert found.counts["match"] == sum(row[:2] not in expected for row in left)
    con.close()


def near(a: float | None, b: float | None, tolerance: Tolerance) -> bool:
    """contract.equality.Tolerance in Python."""
    if a is None or b is None:
        return a is b
    if not (math.isfinite(a) and math.isfinite(b)):
        return a == b or (math.isnan(a) and math.isnan(b))
    return abs(a - b) <= (tolerance.abs or 0.0) + (tolerance.rel or 0.0) * max(abs(a), abs(b))


NUMBERS = st.one_of(st.none(), st.floats(), st.floats(-10, 10))


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.lists(st.tuples(NUMBERS, st.one_of(NUMBERS, st.floats(-2, 2))), min_size=1, max_size=20),
    tolerance=st.builds(
        Tolerance, abs=st.sampled_from([None, 1e-9, 0.3, 1.0, 1e18]), rel=st.sampled_from([None, 1e-17, 1e-9, 0.1, 3.0])
    ),
)
def test_tolerance_is_the_models(pairs: list[tuple[float | None, float | None]], tolerance: Tolerance) -> None:
    """The second number of a pair is the first, moved a little, half the time."""
    moved = [(a, a + b if i % 2 and a is not None and b is not None else b) for i, (a, b) in enumerate(pairs)]
    con = connection()
    for name, column in zip(("ours", "theirs"), zip(*moved, strict=True), strict=True):
        con.register(name, pa.table({"k": range(len(moved)), "v": pa.array(column, pa.float64())}))
    compare(con, "ours", "theirs", ["k"], tolerances={"v": tolerance})
    expected = {i: "mismatch" for i, (a, b) in enumerate(moved) if not near(a, b, tolerance)}
    assert differing(con) == expected
    con.close()
