"""Rows with NaN stay in every selection of a user's: writers leave NaN out of the statistics that readers skip by."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake

NAN = math.nan
RECORDED = Path(__file__).parent / "recorded" / "polars-1.33.1.parquet"
BY_PARQUET_GO = Path(__file__).parent / "recorded" / "parquet-go-0.32.0.parquet"
"""5, -7, NaN, 3 and 4 as v, f, s.x and l[1], by the Go library parquet-go 0.32.0: in columns with a dictionary it notes
the least of what follows a NaN as the minimum, 3."""
ROWS = pa.table(
    {
        "id": [1, 2, 3],
        "v": [0.1, NAN, 0.2],
        "f": pa.array([0.1, NAN, 0.2], pa.float32()),
        "h": pa.array(np.array([0.1, NAN, 0.2], np.float16), pa.float16()),
        "s": [{"x": 0.1}, {"x": NAN}, {"x": 0.2}],
        "l": [[0.1], [NAN], [0.2]],
    }
)


def by_polars(table: pa.Table, file: Path) -> None:
    pl.DataFrame(table.drop_columns(["h"])).write_parquet(file)


def recorded(table: pa.Table, file: Path) -> None:
    """The rows by polars 1.33.1, whose page index says of a page with NaN that it has nothing but NULL."""
    assert pq.read_table(RECORDED).column("id").equals(table["id"])
    shutil.copy(RECORDED, file)


WRITERS: dict[str, Callable[[pa.Table, Path], Any]] = {
    "pyarrow": pq.write_table, "polars": by_polars, "polars 1.33.1": recorded,
}  # fmt: skip
SELECTIONS = {
    "v > 0.5": 1, "isnan(v)": 1, "v = 'nan'": 1, "NOT (v <= 0.5)": 1, "v < 0.5": 2, "v IN ('nan', 7)": 1, "f > 0.5": 1,
    "v = 0.1": 1, "v IS NOT NULL": 3,
    "s.x > 0.5": 1, "l[1] > 0.5": 1, "v >= (SELECT max(v) FROM (VALUES (0.1), ('nan'::DOUBLE)) AS t(v))": 1,
}  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("where", "rows"), SELECTIONS.items(), ids=SELECTIONS)
def test_a_condition_keeps_the_rows_that_hold_nan(tmp_path: Path, writer: str, where: str, rows: int) -> None:
    file = tmp_path / "rows.parquet"
    WRITERS[writer](ROWS, file)
    rest = "h" if writer == "pyarrow" else ()
    found = plumbline.diff(file, ROWS.drop_columns(["h"]), "id", where=where, ignore=rest).comparison
    assert (found.left_rows, found.right_rows, found.clean) == (rows, rows, True)


def test_half_floats_and_files_of_several_widths_keep_them_too(tmp_path: Path) -> None:
    for number, column in enumerate(("v", "f", "h")):
        pq.write_table(pa.table({"id": ROWS["id"], "v": ROWS[column]}), tmp_path / f"{number}.parquet")
    assert plumbline.diff(tmp_path, tmp_path, where="v > 0.5").comparison.left_rows == 3
    assert plumbline.diff(tmp_path / "2.parquet", tmp_path / "2.parquet", "id", where="v > 0.5").comparison.left_rows


def test_a_computed_column_sees_them(tmp_path: Path) -> None:
    pq.write_table(ROWS.select(["id", "v"]), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": [1, 2, 3], "v": [0.1, 0.1, 0.2]}), tmp_path / "b.parquet")
    sql = {"b": "CASE WHEN v > 0.5 THEN 'hi' ELSE 'lo' END"}
    sides = tmp_path / "a.parquet", tmp_path / "b.parquet"
    with_case = plumbline.diff(*sides, "id", compute_left=sql, compute_right=sql, columns="b").comparison
    assert with_case.counts["mismatch"] == 1
    greatest = {"top": "(v = 'nan')::INT"}
    assert plumbline.diff(*sides, "id", compute_left=greatest, compute_right=greatest, columns="top").failed


def test_an_iceberg_table_keeps_them(tmp_path: Path) -> None:
    rows, home = ROWS.drop_columns(["h"]), Home.resolve(tmp_path / "home")
    lake = Lake.open(home)
    lake.ensure_table("joined.nan_rows", rows.schema)
    lake.append("joined.nan_rows", rows)
    for where in SELECTIONS:
        found = plumbline.diff("joined.nan_rows", rows, "id", where=where, home=home).comparison
        assert (found.left_rows, found.clean) == (SELECTIONS[where], True), where


@pytest.mark.parametrize("where", ["h = 1.5", "s.h = 1.5", "h IN (1.5, 2)", "l[1] = 1.5"])
def test_half_floats_that_a_bloom_filter_holds_are_found(tmp_path: Path, where: str) -> None:
    """DuckDB 2.0.1 asks the filter for a float's four bytes where it holds the two of a half."""
    halves = pa.array(np.array([1.5, 1.5, 4], np.float16), pa.float16())
    nested = pa.StructArray.from_arrays([halves], ["h"]), pa.ListArray.from_arrays([0, 1, 2, 3], halves)
    rows = pa.table({"id": [1, 2, 3], "h": halves, "s": nested[0], "l": nested[1]})
    filters = {"h": True, "s.h": True, "l.list.element": True}
    for name in ("a", "b"):
        pq.write_table(rows, tmp_path / f"{name}.parquet", bloom_filter_options=filters)
    one, both = tmp_path / "a.parquet", tmp_path
    assert plumbline.diff(one, one, "id", where=where).comparison.left_rows == 2
    assert plumbline.diff(both, both, where=where).comparison.left_rows == 4


def test_half_floats_in_files_beside_wider_ones_are_found(tmp_path: Path) -> None:
    """The files' numbers meet in a common type, and each file is read for itself."""
    for name, kind in (("a", pa.float16()), ("b", pa.int8()), ("c", pa.float64())):
        values = pa.array(np.array([2, 2, 4], np.float16), pa.float16()).cast(pa.float64()).cast(kind)
        options = {"bloom_filter_options": {"h": True}} if name == "a" else {}
        pq.write_table(pa.table({"id": [1, 2, 3], "h": values}), tmp_path / f"{name}.parquet", **options)
    assert plumbline.diff(tmp_path, tmp_path, where="h = 2").comparison.left_rows == 6


@pytest.mark.parametrize("column", ["v", "f", "s.x", "l[1]"])
def test_a_minimum_that_nan_made_wrong_hides_no_row(tmp_path: Path, column: str) -> None:
    where, rows = f"{column} < 0", pq.read_table(BY_PARQUET_GO)
    found = plumbline.diff(BY_PARQUET_GO, rows, "id", where=where).comparison
    assert (found.left_rows, found.clean) == (1, True)
    for name in ("a", "b"):
        shutil.copy(BY_PARQUET_GO, tmp_path / f"{name}.parquet")
    pq.write_table(rows.set_column(1, "v", rows["v"].cast(pa.float32())), tmp_path / "c.parquet")
    assert plumbline.diff(tmp_path, tmp_path, where=where).comparison.left_rows == 3
    assert plumbline.diff(BY_PARQUET_GO, rows, "id", where=f"{column} > 0").comparison.left_rows == 4


def test_nor_does_it_in_an_iceberg_table_that_took_the_file_over(tmp_path: Path) -> None:
    rows, home = pq.read_table(BY_PARQUET_GO), Home.resolve(tmp_path / "home")
    lake = Lake.open(home)
    lake.ensure_table("joined.taken_over", rows.schema)
    taken = tmp_path / "home" / "taken.parquet"
    shutil.copy(BY_PARQUET_GO, taken)
    lake.load("joined.taken_over").add_files([str(taken)])
    for where in ("v < 0", "f < 0", "s.x < 0"):
        found = plumbline.diff("joined.taken_over", rows, "id", where=where, home=home).comparison
        assert (found.left_rows, found.clean) == (1, True), where
