"""Parquet files of writers whose statistics are wrong: a count of NULLs, a minimum, a maximum."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.parquet import believed
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.paths import Files
from plumbline.reconcile.diff.spark.frames import check_files

RECORDED = Path(__file__).parent / "recorded" / "xitongsys-parquet-go-1.6.2.parquet"
"""25 rows with the columns id, a, b and c, b and c with a dictionary: the file says that they have nothing but NULL,
where 9 and 7 rows have a value, and of a that it has 12 NULLs."""
BY_PARQUETJS = Path(__file__).parent / "recorded" / "parquetjs-1.8.8.parquet"
"""Texts as s and JSON as j, whose minimum and maximum are those of JavaScript: of UTF-16, and of objects."""
ROWS = pa.table(pq.read_table(RECORDED).to_pydict())


def test_the_file_still_misleads_duckdb() -> None:
    assert [ROWS[name].null_count for name in "abc"] == [14, 16, 18]
    assert duckdb.sql(f"SELECT count(b), count(c) FROM '{RECORDED}'").fetchall() == [(0, 0)]


@pytest.fixture(params=["file", "folder"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The rows as a file, and in a folder beside a file that tells the truth."""
    if request.param == "file":
        return RECORDED
    shutil.copy(RECORDED, tmp_path / "a.parquet")
    pq.write_table(ROWS.slice(0, 0), tmp_path / "b.parquet")
    return tmp_path


def test_its_values_are_read(side: Path) -> None:
    assert plumbline.diff(side, ROWS, "id").comparison.clean
    changed = ROWS.set_column(2, "b", pc.add(ROWS["b"], 1)).set_column(3, "c", pa.nulls(25, pa.string()))
    assert plumbline.diff(side, changed, "id").comparison.counts["mismatch"] == len(
        [row for row in ROWS.to_pylist() if row["b"] is not None or row["c"] is not None]
    )


@pytest.mark.parametrize("column", ["a", "b", "c"])
def test_conditions_find_what_is_null_and_what_is_not(side: Path, column: str) -> None:
    for where, rows in ((f"{column} IS NULL", ROWS[column].null_count), (f"{column} IN (3, '3')", None)):
        wanted = rows if rows is not None else sum(value in (3, "3") for value in ROWS[column].to_pylist())
        comparison = plumbline.diff(side, ROWS, "id", where=where).comparison
        assert (comparison.left_rows, comparison.clean) == (wanted, True), where


def test_a_column_of_several_types_keeps_its_values(tmp_path: Path) -> None:
    shutil.copy(RECORDED, tmp_path / "a.parquet")
    texts = pa.table({"id": [100], "b": ["3"]})
    pq.write_table(texts, tmp_path / "b.parquet")
    same = plumbline.diff(tmp_path, tmp_path, "id", columns="b").comparison
    assert (same.left_rows, same.clean) == (26, True)
    pq.write_table(ROWS.set_column(2, "b", ROWS["b"].cast(pa.string())), tmp_path / "as_text.parquet")
    other = plumbline.diff(tmp_path / "a.parquet", tmp_path / "as_text.parquet", "id", columns="b")
    assert other.failed


def test_spark_is_not_asked_for_it() -> None:
    with pytest.raises(
        UsageError, match=r"that all of it is NULL, where it is not.*parquet-go version latest.*--engine duckdb"
    ):
        check_files(Files((str(RECORDED),)))


def test_field_ids_that_are_not_the_tables_count_more_than_names(tmp_path: Path) -> None:
    """The library gives each column the id 0: in a table that took the file over, it has none of its columns."""
    home = Home.resolve(tmp_path / "home")
    lake = Lake.open(home)
    lake.ensure_table("joined.taken_over", ROWS.schema)
    taken = home.root / "taken.parquet"
    shutil.copy(RECORDED, taken)
    lake.load("joined.taken_over").add_files([str(taken)])
    assert lake.load("joined.taken_over").scan().to_arrow()["b"].null_count == 25
    nothing = pa.table(
        {name: pa.nulls(25, kind) for name, kind in zip(ROWS.column_names, ROWS.schema.types, strict=True)}
    )
    assert plumbline.diff("joined.taken_over", nothing, home=home).comparison.clean


@pytest.mark.parametrize("where", ["s = '𠮷'", "s > 'ﾔ'", "j = '{\"a\":1}'"])
def test_a_maximum_in_another_order_hides_no_row(tmp_path: Path, where: str) -> None:
    assert len(duckdb.sql(f"SELECT id FROM '{BY_PARQUETJS}' WHERE {where}").fetchall()) != 1
    assert plumbline.diff(BY_PARQUETJS, BY_PARQUETJS, "id", where=where).comparison.left_rows == 1
    shutil.copy(BY_PARQUETJS, tmp_path / "a.parquet")
    rows = pa.table({"id": pa.array([7, 8], pa.float64()), "s": ["ｱ", "ｱ"], "j": ["{}", "{}"]})
    pq.write_table(rows, tmp_path / "b.parquet")
    assert plumbline.diff(tmp_path, tmp_path, "id", where=where).comparison.left_rows == 1


def test_nor_does_it_in_a_table_that_took_the_file_over(tmp_path: Path) -> None:
    file = BY_PARQUETJS.with_name("parquetjs-1.8.8-text.parquet")
    rows, home = pq.read_table(file), Home.resolve(tmp_path / "home")
    lake = Lake.open(home)
    lake.ensure_table("joined.taken_over", pa.schema([field.with_nullable(True) for field in rows.schema]))
    taken = home.root / "taken.parquet"
    shutil.copy(file, taken)
    lake.load("joined.taken_over").add_files([str(taken)])
    found = plumbline.diff("joined.taken_over", rows, "id", where="s = '𠮷'", home=home).comparison
    assert (found.left_rows, found.clean) == (1, True)


@pytest.mark.parametrize(
    ("writer", "known"),
    {
        "parquet-mr version 1.16.0 (build abc)": True, "parquet-mr version 1.10.1": True,
        "parquet-mr version 1.8.2": False, "parquet-go version latest": False, "hyparquet": False,
        "parquet-cpp-arrow version 26.0.1": True, "parquet-rs version 56.2.0": True, "datafusion version 55.0.0": True,
        "DuckDB version v2.0.1 (build abc)": True, "Polars": True,
    }.items(),
)  # fmt: skip
def test_which_writers_are_believed(writer: str, known: bool) -> None:
    assert believed(SimpleNamespace(created_by=writer)) is known  # type: ignore[arg-type]
