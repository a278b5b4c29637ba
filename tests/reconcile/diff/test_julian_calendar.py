"""Parquet files that Spark marks as written in the Julian calendar: read as they stand, their old days are others."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.contract.errors import UsageError

SPARK_2 = {"org.apache.spark.version": "2.4.8"}
MARKED = {"org.apache.spark.version": "4.1.4", "org.apache.spark.legacyDateTime": ""}
MARKED_INT96 = {"org.apache.spark.version": "4.1.4", "org.apache.spark.legacyINT96": ""}
OLD = dt.date(1582, 10, 4)
NEW = dt.date(1582, 10, 15)
UTC = pa.timestamp("us", "UTC")


def written(file: Path, column: pa.Array, marks: dict[str, str], **options: Any) -> Path:
    schema = pa.schema([("id", pa.int64()), ("d", column.type)], metadata=marks)
    pq.write_table(pa.table([pa.array(range(len(column))), column], schema=schema), file, **options)
    return file


def nested(day: dt.date) -> list[pa.Array]:
    inner = pa.struct([("on", pa.date32())])
    return [
        pa.array([None, [None, day]], pa.list_(pa.date32())),
        pa.array([{"on": day}, None]),
        pa.array([[("a", day)]], pa.map_(pa.string(), pa.date32())),
        pa.array([[{"on": None}, {"on": day}]], pa.list_(inner)),
    ]


@pytest.mark.parametrize("marks", [SPARK_2, MARKED, {"org.apache.spark.version": "3.0.1", **MARKED}], ids=str)
@pytest.mark.parametrize(
    "column",
    [pa.array([None, NEW, OLD]), pa.array([dt.datetime(1899, 12, 31)], UTC), *nested(OLD)],
    ids=lambda c: str(c.type),
)
def test_an_old_day_is_refused_by_the_column_and_the_file(
    column: pa.Array, marks: dict[str, str], tmp_path: Path
) -> None:
    left = written(tmp_path / "a.parquet", column, {})
    right = written(tmp_path / "b.parquet", column, marks)
    with pytest.raises(UsageError, match=r"column 'd.*' has days before 1582-10-15.*b\.parquet"):
        plumbline.diff(left, right, "id")


@pytest.mark.parametrize("marks", [SPARK_2, MARKED], ids=str)
@pytest.mark.parametrize(
    "column",
    [pa.array([None, NEW]), pa.array([dt.datetime(1900, 1, 1)], UTC), pa.nulls(2, pa.date32()), *nested(NEW)],
    ids=lambda c: str(c.type),
)
def test_from_then_on_the_calendars_agree(column: pa.Array, marks: dict[str, str], tmp_path: Path) -> None:
    left = written(tmp_path / "a.parquet", column, {})
    assert plumbline.diff(left, written(tmp_path / "b.parquet", column, marks), "id").clean


def test_times_without_a_zone_never_were_in_the_older_calendar(tmp_path: Path) -> None:
    column = pa.array([dt.datetime(1500, 1, 1)], pa.timestamp("us"))
    left = written(tmp_path / "a.parquet", column, {})
    assert plumbline.diff(left, written(tmp_path / "b.parquet", column, MARKED), "id").clean


@pytest.mark.parametrize(
    ("marks", "int96", "told"),
    [
        (MARKED_INT96, True, True),
        ({"org.apache.spark.version": "3.0.3"}, True, True),
        (MARKED_INT96, False, False),
        (MARKED, True, False),
        ({"org.apache.spark.version": "3.1.0"}, True, False),
        ({"org.apache.spark.version": "3.0.3"}, False, False),
        ({"org.apache.spark.legacyDateTime": ""}, False, False),
    ],
    ids=str,
)
def test_int96_has_a_mark_of_its_own(marks: dict[str, str], int96: bool, told: bool, tmp_path: Path) -> None:
    column = pa.array([dt.datetime(1500, 1, 1)], pa.timestamp("us"))
    how = {"use_deprecated_int96_timestamps": int96}
    left = written(tmp_path / "a.parquet", column, {}, **how)
    right = written(tmp_path / "b.parquet", column, marks, **how)
    if told:
        with pytest.raises(UsageError, match="in the calendar of Spark 2"):
            plumbline.diff(left, right, "id")
    else:
        assert plumbline.diff(left, right, "id").clean
