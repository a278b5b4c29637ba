"""The Spark engine against the other one's tables of cases, and against the plain model on random pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

import plumbline
from plumbline.connect.pinned import connection
from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import SetupError, UsageError
from plumbline.reconcile.diff.spark.choice import choose
from plumbline.reconcile.diff.spark.encoding import encoding_of
from plumbline.reconcile.diff.spark.frames import open_frame
from tests.reconcile.diff.test_classes import CASES
from tests.reconcile.diff.test_equality import BEYOND, EQUAL, UNEQUAL, WITHIN
from tests.reconcile.diff.test_nan_rows import RECORDED
from tests.support.plain_model import compare_plainly, found_in
from tests.support.random_pairs import Pair, random_pair

PAIRS = (0, 1, 2, 3, 4, 5, 7, 9, 14, 18, 33, 46)
NOT_SPARKS = (
    "UBIGINT",
    "BIGNUM",  # Spark's longest decimal has 38 digits
    "TIMESTAMP_NS",
    "'infinity'::TIMESTAMPTZ_NS",  # of no infinity in Arrow: Spark reads the last moment that it has
    "ENUM",
    "INTERVAL",
    "INT[2]",
    "('NULL', 'NULL::VARCHAR')",
)
"""Types and values that Spark has not."""


def no_lake() -> Any:
    raise AssertionError("no side names a table of the lake")


def compared(spark: SparkSession, left: pa.Table, right: pa.Table, key: Any, **rules: Any) -> plumbline.Diff:
    frames = (open_frame(spark, table, no_lake) for table in (left, right))
    return plumbline.diff(*frames, key, engine="spark", **rules)


def together(cases: Mapping[str, tuple[str, str]], side: int) -> pa.Table:
    """A row and a column of its own for each case: no case can bring another's row along."""
    con = connection()
    rows = (f"SELECT {i} AS k, {case[side]} AS c{i}" for i, case in enumerate(cases.values()))
    return con.sql(" UNION ALL BY NAME ".join(rows)).to_arrow_table()


def in_spark(cases: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {name: case for name, case in cases.items() if not any(kind in str(case) for kind in NOT_SPARKS)}


def test_what_is_equal_and_what_is_not(spark: SparkSession) -> None:
    cases = in_spark({**EQUAL, **UNEQUAL})
    assert len(cases) >= len(EQUAL) + len(UNEQUAL) - 17
    found = compared(spark, together(cases, 0), together(cases, 1), "k")
    wanted = {f"c{i}": 1 for i, name in enumerate(cases) if name in UNEQUAL}
    assert found.summary["columns"] == wanted
    assert found.summary["counts"]["mismatch"] == len(wanted)
    assert found.summary["engine"] == {"name": "spark", "why": "asked for"}


def test_what_a_tolerance_forgives_and_what_not(spark: SparkSession) -> None:
    cases = {**WITHIN, **BEYOND}
    tolerances: dict[str, Tolerance] = {f"c{i}": rule for i, (rule, _, _) in enumerate(cases.values())}
    sides = [together({name: case[1:] for name, case in cases.items()}, side) for side in (0, 1)]
    wanted = {f"c{i}": 1 for i, name in enumerate(cases) if name in BEYOND}
    assert compared(spark, *sides, "k", tolerances=tolerances).summary["columns"] == wanted
    assert compared(spark, *reversed(sides), "k", tolerances=tolerances).summary["columns"] == wanted


def test_the_classes(spark: SparkSession) -> None:
    """All cases in one pair of tables, each with a name as part of its keys."""
    schema = pa.schema({"case": pa.string(), "k": pa.int32(), "v": pa.string()})
    left, right = (
        pa.Table.from_pylist(
            [{"case": name, "k": k, "v": v} for name, case in CASES.items() for k, v in case[side]], schema=schema
        )
        for side in (0, 1)
    )
    found = compared(spark, left, right, ["case", "k"])
    drift = {(row["case"], row["k"]): row["class"] for row in found.drift().to_pylist()}
    assert drift == {(name, k): kind for name, case in CASES.items() for k, kind in case[2].items()}
    assert found.comparison.counts["match"] == sum(case[3] for case in CASES.values())
    assert (found.comparison.left_rows, found.comparison.right_rows) == (left.num_rows, right.num_rows)
    assert found.comparison.repeated_keys == plumbline.diff(left, right, ["case", "k"]).comparison.repeated_keys


@pytest.mark.parametrize("seed", PAIRS)
def test_a_random_pair_is_compared_as_by_the_model_and_the_other_engine(seed: int, spark: SparkSession) -> None:
    pair: Pair = random_pair(seed)
    found = compared(spark, pair.left, pair.right, list(pair.key), tolerances=pair.tolerances)
    model = compare_plainly(pair.left, pair.right, pair.key, pair.tolerances)
    assert found_in(found.drift(), pair.key, found.comparison.counts["match"]) == model
    other = plumbline.diff(pair.left, pair.right, list(pair.key), tolerances=pair.tolerances)
    assert found.comparison == other.comparison


def test_only_the_rows_that_may_differ_leave_spark(spark: SparkSession) -> None:
    left = pa.table({"k": list(range(1000)), "v": ["a"] * 1000})
    right = left.set_column(1, "v", pa.array(["b" if k == 7 else "a" for k in range(1000)]))
    found = compared(spark, left, right, "k")
    assert found._con.execute('SELECT count(*) FROM "left"').fetchall() == [(1,)]
    assert found.comparison.counts["match"] == 999


def test_an_empty_batch_takes_no_rows_along(spark: SparkSession) -> None:
    table = pa.table({"k": [1, 2, 3]})
    many = pa.concat_tables([table.slice(0, 0), table] * 4)
    assert open_frame(spark, many, no_lake).count() == many.num_rows == 12


def test_files_and_the_settings_of_a_session(spark: SparkSession, tmp_path: Path) -> None:
    before = spark.conf.get("spark.sql.caseSensitive")
    pq.write_table(pa.table({"k": [1, 2], "V": [1, 2], "v": [0, 0]}), tmp_path / "a.parquet")
    frame = spark.createDataFrame(pa.table({"k": [1, 2], "V": [1, 1]}))
    found = plumbline.diff(frame, tmp_path / "a.parquet", "k", columns=["V"], engine="auto")
    assert found.summary["columns"] == {"V": 1}
    assert found.engine.why == "a side is a Spark frame"
    assert spark.conf.get("spark.sql.caseSensitive") == before


def test_a_page_index_that_takes_nan_for_null_loses_no_row(spark: SparkSession) -> None:
    """A frame's own condition on a file as polars 1.33.1 wrote it: Spark alone finds none of its rows."""
    frame = spark.read.parquet(str(RECORDED)).where("v IS NOT NULL").select("id", "v")
    assert frame.count() == 0
    for engine in ("duckdb", "spark"):
        found = plumbline.diff(frame, pq.read_table(RECORDED, columns=["id", "v"]), "id", engine=engine).comparison
        assert (found.left_rows, found.clean) == (3, True), engine
    assert spark.conf.get("parquet.filter.columnindex.enabled", None) is None


def test_auto_chooses_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"k": [1]}), file)
    sides = (str(file), pa.table({"k": [1]}))
    small = choose("auto", sides, no_lake)
    assert (small.name, str(file.stat().st_size) in small.why) == ("duckdb", True)
    monkeypatch.setattr("plumbline.reconcile.diff.spark.choice.MOST_BYTES", 10)
    assert choose("auto", sides, no_lake).name == "spark"
    with pytest.raises(UsageError, match="engine 'dask' is unknown"):
        choose("dask", sides, no_lake)


def test_a_csv_is_left_to_the_other_engine(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("k\n1\n")
    with pytest.raises(UsageError, match="is CSV"):
        plumbline.diff(spark.range(1), tmp_path / "a.csv", "id", engine="spark")


def test_a_query_that_stops_is_an_error_that_says_so(spark: SparkSession) -> None:
    broken = spark.range(1).selectExpr("id", "raise_error('disk gone') AS v")
    with pytest.raises(SetupError, match="Spark stopped the comparison"):
        plumbline.diff(broken, spark.range(1).selectExpr("id", "'a' AS v"), "id", engine="spark")


def test_types_without_a_common_form_are_told_apart_by_the_exact_engine() -> None:
    from pyspark.sql.types import DecimalType, DoubleType

    rule = encoding_of(DecimalType(4, 1), DoubleType())
    assert rule.left("v") != rule.right("v")


def test_a_missing_number_of_pandas_is_what_the_other_side_has(spark: SparkSession) -> None:
    """pandas has NaN for both: NULL, unless the other side has NaN and no NULL; where it has both, nothing is true."""
    columns = {"NULL": [1.0, None], "NaN": [1.0, math.nan], "both": [1.0, math.nan, None]}
    for name, values in columns.items():
        table = pa.table({"k": range(len(values)), "v": pa.array(values, pa.float64(), from_pandas=False)})
        frame, whole = table.to_pandas(), spark.createDataFrame(table)
        for sides in ((frame, whole), (whole, frame)):
            if name == "both":
                with pytest.raises(UsageError, match="column 'v' of the pandas frame"):
                    plumbline.diff(*sides, "k", engine="spark")
            else:
                assert plumbline.diff(*sides, "k", engine="spark").clean, name
        moved = table.set_column(1, "v", pa.array([2.0, *values[1:]], pa.float64(), from_pandas=False))
        if name != "both":
            found = plumbline.diff(moved.to_pandas(), whole, "k", engine="spark")
            assert found.comparison.columns == {"v": 1}
