"""Frames beside files and each other: what Arrow and pandas hold is compared as it is, or refused by column."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.contract.errors import UsageError

NAN = math.nan


def written(folder: Path, values: list[float | None], kind: pa.DataType | None = None) -> Path:
    file = folder / "rows.parquet"
    pq.write_table(pa.table({"k": range(len(values)), "v": pa.array(values, kind or pa.float64())}), file)
    return file


@pytest.mark.parametrize("values", [[0.5, NAN], [0.5, None], [0.5]], ids=["NaN", "NULL", "neither"])
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()], ids=str)
def test_a_pandas_frame_of_a_file_is_like_the_file(
    tmp_path: Path, values: list[float | None], kind: pa.DataType
) -> None:
    file = written(tmp_path, values, kind)
    assert plumbline.diff(file, pd.read_parquet(file), "k").clean
    assert plumbline.diff(pd.read_parquet(file), file, "k", names={"v": "v"}).clean


def test_nan_of_pandas_is_not_a_number(tmp_path: Path) -> None:
    file = written(tmp_path, [0.5, NAN])
    for changed in ([0.5, 0.7], [NAN, NAN]):
        frame = pd.DataFrame({"k": [0, 1], "v": changed})
        assert plumbline.diff(file, frame, "k").comparison.counts["mismatch"] == 1


def test_whole_numbers_beyond_arrow_are_refused_by_name() -> None:
    frame = pd.DataFrame({"k": [1], "v": [2**70]})
    with pytest.raises(UsageError, match="DataFrame cannot be compared"):
        plumbline.diff(frame, frame, "k")


def test_nan_that_could_be_either_is_refused_by_name(tmp_path: Path) -> None:
    file = written(tmp_path, [0.5, NAN, None])
    with pytest.raises(UsageError, match="column 'v' of the pandas frame has NaN for NULL and for NaN"):
        plumbline.diff(file, pd.read_parquet(file), "k")
    assert plumbline.diff(file, pd.read_parquet(file, dtype_backend="pyarrow"), "k").clean
    assert plumbline.diff(file, pq.read_table(file), "k").clean


HALF = pa.array(np.array([0.5, NAN], np.float16))
HELD: dict[str, tuple[pa.Array, pa.Array]] = {
    "half floats": (HALF, pa.array([0.5, NAN], pa.float32())),
    "lists of half floats": (pa.ListArray.from_arrays([0, 1, 2], HALF), pa.array([[0.5], [NAN]])),
    "structs of half floats": (pa.StructArray.from_arrays([HALF], ["x"]), pa.array([{"x": 0.5}, {"x": NAN}])),
    "wide decimals of few digits": (
        pa.array([Decimal("1.5"), None], pa.decimal256(38, 2)),
        pa.array([Decimal("1.50"), None], pa.decimal128(38, 2)),
    ),
}


@pytest.mark.parametrize(("foreign", "held"), HELD.values(), ids=HELD)
def test_types_that_duckdb_has_not_are_compared_by_value(foreign: pa.Array, held: pa.Array) -> None:
    ours, theirs = pa.table({"k": [1, 2], "v": foreign}), pa.table({"k": [1, 2], "v": held})
    found = plumbline.diff(ours, theirs, "k").comparison
    assert (found.counts["match"], found.counts["mismatch"]) == (2, 0)
    moved = pa.table({"k": [2, 1], "v": held})
    assert plumbline.diff(ours, moved, "k").comparison.counts["mismatch"] == 2


@pytest.mark.parametrize(
    "foreign",
    [pa.array([Decimal("1.5")], pa.decimal256(50, 1)), pa.array([[Decimal("1.5")]], pa.list_(pa.decimal256(50, 1)))],
    ids=["decimal of 50 digits", "a list of them"],
)
def test_what_cannot_be_compared_names_the_column_and_the_way_out(foreign: pa.Array) -> None:
    frame = pa.table({"k": [1], "plain": [1], "v": foreign})
    with pytest.raises(UsageError, match=r"column 'v' of the frame is .*which cannot be compared.*to text"):
        plumbline.diff(frame, frame, "k")
    assert plumbline.diff(frame.drop_columns(["v"]), frame.drop_columns(["v"]), "k").clean


NESTED: dict[str, tuple[Any, Any, bool]] = {
    "NaN in a list": ([NAN], [NAN], True),
    "NaN beside a number": ([NAN], [0.5], False),
    "NULL beside NaN in a list": ([None], [NAN], False),
    "-0.0 in a list": ([-0.0], [0.0], True),
    "an empty list beside NULL": ([], None, False),
    "NULL in a list beside an empty one": ([None], [], False),
    "NaN in a struct": ({"a": NAN, "b": [{"c": NAN}]}, {"a": NAN, "b": [{"c": NAN}]}, True),
    "-0.0 in a struct": ({"a": -0.0, "b": [{"c": -0.0}]}, {"a": 0.0, "b": [{"c": 0.0}]}, True),
    "NULL in a struct beside NaN": ({"a": None, "b": None}, {"a": NAN, "b": None}, False),
    "a struct of NULL beside NULL": ({"a": None, "b": None}, None, False),
    "NaN deep in a struct": ({"a": 1.0, "b": [{"c": NAN}]}, {"a": 1.0, "b": [{"c": None}]}, False),
}


@pytest.mark.parametrize("files", [False, True], ids=["frames", "files"])
@pytest.mark.parametrize(("ours", "theirs", "equal"), NESTED.values(), ids=NESTED)
def test_values_inside_nested_ones(tmp_path: Path, ours: Any, theirs: Any, equal: bool, files: bool) -> None:
    kind = pa.list_(pa.float64())
    if isinstance(ours, dict):
        kind = pa.struct([("a", pa.float64()), ("b", pa.list_(pa.struct([("c", pa.float64())])))])
    check(tmp_path, pa.array([ours], kind), pa.array([theirs], kind), equal, files)


MAPS: dict[str, tuple[Any, Any, bool]] = {
    "in another order": ([(1.0, 5.0), (NAN, -0.0)], [(NAN, 0.0), (1.0, 5.0)], True),
    "NaN as a value": ([(1.0, NAN)], [(1.0, None)], False),
    "-0.0 as a key": ([(-0.0, 1.0)], [(0.0, 1.0)], True),
    "an empty map beside NULL": ([], None, False),
}


@pytest.mark.parametrize("files", [False, True], ids=["frames", "files"])
@pytest.mark.parametrize(("ours", "theirs", "equal"), MAPS.values(), ids=MAPS)
def test_values_inside_maps(tmp_path: Path, ours: Any, theirs: Any, equal: bool, files: bool) -> None:
    kind = pa.map_(pa.float64(), pa.float64())
    check(tmp_path, pa.array([ours], kind), pa.array([theirs], kind), equal, files)


def check(folder: Path, ours: pa.Array, theirs: pa.Array, equal: bool, files: bool) -> None:
    sides: list[Any] = [pa.table({"k": [1], "v": ours}), pa.table({"k": [1], "v": theirs})]
    if files:
        for number, table in enumerate(sides):
            pq.write_table(table, folder / f"{number}.parquet")
        sides = [folder / "0.parquet", folder / "1.parquet"]
    for key in ("k", None):
        assert plumbline.diff(*sides, key).clean is equal
    if not pa.types.is_map(ours.type):  # which is no key
        assert plumbline.diff(*sides, ["k", "v"]).clean is equal
