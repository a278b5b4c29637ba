"""Durations that Arrow keeps in Parquet files: told by their unit, not by the bare integer that Parquet holds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.paths import Files
from plumbline.reconcile.diff.spark.frames import check_files

SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def lengths(unit: str, *seconds: float | None) -> pa.Array:
    return pa.array([None if n is None else int(n * SECOND[unit]) for n in seconds], pa.duration(unit))


def written(file: Path, column: pa.Array) -> Path:
    pq.write_table(pa.table({"id": range(len(column)), "d": column}), file)
    return file


@pytest.mark.parametrize("unit", SECOND)
@pytest.mark.parametrize("other", SECOND)
def test_two_units(unit: str, other: str, tmp_path: Path) -> None:
    left = written(tmp_path / "a.parquet", lengths(unit, 5, -3, None))
    right = written(tmp_path / "b.parquet", lengths(other, 5, -3, None))
    wrong = written(tmp_path / "c.parquet", lengths(other, 5, 3, None))
    assert plumbline.diff(left, right, "id").clean
    assert plumbline.diff(left, wrong, "id").summary["columns"] == {"d": 1}


def test_the_same_integers_of_two_units_differ(tmp_path: Path) -> None:
    left = written(tmp_path / "a.parquet", pa.array([1000], pa.duration("ms")))
    right = written(tmp_path / "b.parquet", pa.array([1000], pa.duration("us")))
    found = plumbline.diff(left, right, "id")
    assert found.summary["columns"] == {"d": 1}
    assert not plumbline.diff(left, right, ["id", "d"]).clean


def test_a_file_beside_a_frame(tmp_path: Path) -> None:
    file = written(tmp_path / "a.parquet", lengths("ms", 1.5, None))
    frame = pd.DataFrame({"id": [0, 1], "d": pd.to_timedelta([1.5, None], unit="s")})
    assert plumbline.diff(file, frame, "id").clean
    assert not plumbline.diff(file, frame.assign(d=pd.to_timedelta([1.6, None], unit="s")), "id").clean


def test_files_of_one_folder_in_two_units(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    pq.write_table(pa.table({"id": [0], "d": lengths("ms", 7)}), tmp_path / "run" / "0.parquet")
    pq.write_table(pa.table({"id": [1], "d": lengths("ns", 7)}), tmp_path / "run" / "1.parquet")
    pq.write_table(pa.table({"id": [2], "d": pa.nulls(1)}), tmp_path / "run" / "2.parquet")
    pq.write_table(pa.table({"id": [3]}), tmp_path / "run" / "3.parquet")
    whole = written(tmp_path / "whole.parquet", lengths("us", 7, 7, None, None))
    assert plumbline.diff(tmp_path / "run", whole, "id").clean


def test_a_number_in_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    pq.write_table(pa.table({"id": [0], "d": lengths("ms", 7)}), tmp_path / "run" / "0.parquet")
    pq.write_table(pa.table({"id": [1], "d": [7000]}), tmp_path / "run" / "1.parquet")
    with pytest.raises(UsageError, match="column 'd' holds durations in one file and not in another"):
        plumbline.diff(tmp_path / "run", tmp_path / "run", "id")


def nested(unit: str, last: int) -> pa.Table:
    kind, one = pa.duration(unit), SECOND[unit]
    inner = pa.struct([("y y", pa.list_(kind))])
    return pa.table(
        {
            "id": [0, 1],
            "list": pa.array([[one, None, 2 * one], None], pa.list_(kind)),
            "map": pa.array([[("a", one)], [("b", last * one)]], pa.map_(pa.string(), kind)),
            "struct": pa.array([{"x": {"y y": [one]}, "n": 1}, None], pa.struct([("x", inner), ("n", pa.int64())])),
            "fixed": pa.array([[one, one], None], pa.list_(kind, 2)),
        }
    )


def test_inside_lists_maps_and_structs(tmp_path: Path) -> None:
    for name, table in {"ms": nested("ms", 3), "us": nested("us", 3), "wrong": nested("us", 4)}.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    assert plumbline.diff(tmp_path / "ms.parquet", tmp_path / "us.parquet", "id").clean
    assert plumbline.diff(tmp_path / "ms.parquet", nested("s", 3), "id").clean
    assert plumbline.diff(tmp_path / "ms.parquet", tmp_path / "wrong.parquet", "id").summary["columns"]["map"] == 1


def test_beside_names_that_differ_in_case_only(tmp_path: Path) -> None:
    for unit in ("ms", "us"):
        pq.write_table(pa.table({"id": [0], "d": lengths(unit, 7), "V": [1], "v": [2]}), tmp_path / f"{unit}.parquet")
    assert plumbline.diff(tmp_path / "ms.parquet", tmp_path / "us.parquet", "id").clean


def test_a_bare_number_on_the_other_side_is_another_type(tmp_path: Path) -> None:
    file = written(tmp_path / "a.parquet", lengths("ms", 7))
    assert not plumbline.diff(file, pa.table({"id": [0], "d": [7000]}), "id").clean


def test_spark_which_reads_integers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    file = written(tmp_path / "run" / "0.parquet", lengths("ms", 7))
    with pytest.raises(UsageError, match="column 'd' holds durations, which Spark reads as bare integers"):
        check_files(Files((str(file),)))
