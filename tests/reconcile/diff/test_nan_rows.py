"""Rows with NaN stay in every selection of a user's: writers leave NaN out of the statistics that readers skip by."""

from __future__ import annotations

import math
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


WRITERS: dict[str, Callable[[pa.Table, Path], Any]] = {"pyarrow": pq.write_table, "polars": by_polars}
SELECTIONS = {
    "v > 0.5": 1, "isnan(v)": 1, "v = 'nan'": 1, "NOT (v <= 0.5)": 1, "v < 0.5": 2, "v IN ('nan', 7)": 1, "f > 0.5": 1,
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
