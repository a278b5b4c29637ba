"""Parquet files whose old days Spark counted by the Julian calendar: DuckDB and Arrow read 1500-01-01 as 1500-01-10.

Spark up to 2.4 wrote so, and later ones do where `spark.sql.parquet.datetimeRebaseModeInWrite` or its like for INT96
says LEGACY. Only the file's key-value metadata tell, and only Spark asks them (DataSourceUtils, 4.1.4): a year-1
placeholder would differ from the same day elsewhere, or equal another day.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plumbline.contract.errors import UsageError

_SPARK = b"org.apache.spark.version"
_MARKS = {False: (b"org.apache.spark.legacyDateTime", (3, 0)), True: (b"org.apache.spark.legacyINT96", (3, 1))}
"""Whether a column is INT96: the mark of the older calendar, and the first Spark that needs one."""
_FIRST_DAY = datetime.date(1582, 10, 15)
_FIRST_MOMENT = datetime.datetime(1900, 1, 1)
"""From 1900 on the older calendar's time zones agree with today's as well (RebaseDateTime.lastSwitchJulianTs)."""


def refuse_julian(path: str, schema: pa.Schema) -> None:
    """Raise UsageError if a file has a day or moment that its marks give another meaning than its number."""
    noted = schema.metadata or {}
    if not any(_is_julian(noted, int96) for int96 in _MARKS):
        return
    with Path(path).open("rb") as opened:
        file = pq.ParquetFile(opened, coerce_int96_timestamp_unit="us")
        old = next(
            (leaf for leaf in _marked(file.schema, noted) if _is_any_old(file.iter_batches(columns=[leaf]))), None
        )
    if old is not None:
        raise UsageError(
            f"column {old!r} has days before {_FIRST_DAY}, or moments before {_FIRST_MOMENT.year}, in the calendar of"
            " Spark 2, in which only Spark reads them as they were meant",
            where=path,
            next_step="write the file anew with Spark, spark.sql.parquet.datetimeRebaseModeInWrite and"
            " spark.sql.parquet.int96RebaseModeInWrite set to CORRECTED",
        )


def _is_julian(noted: Mapping[bytes, bytes], int96: bool) -> bool:
    mark, since = _MARKS[int96]
    return _SPARK in noted and (mark in noted or _version(noted[_SPARK]) < since)


def _version(text: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(b".")[:2] if part.isdigit())


def _marked(schema: Any, noted: Mapping[bytes, bytes]) -> Iterator[str]:
    """The paths of the columns with days or moments, in lists, maps and structs too, to which a mark applies."""
    for place in range(len(schema)):
        column = schema.column(place)
        int96 = column.physical_type == "INT96"
        if _is_julian(noted, int96) and (int96 or _is_rebased(json.loads(column.logical_type.to_json()))):
            yield column.path


def _is_rebased(logical: Mapping[str, Any]) -> bool:
    """Times of day without a zone never were in the older calendar."""
    return bool(logical["Type"] == "Date" or (logical["Type"] == "Timestamp" and logical["isAdjustedToUTC"]))


def _is_any_old(batches: Iterable[pa.RecordBatch]) -> bool:
    return any(_is_old(array) for batch in batches for column in batch.columns for array in _leaves(column))


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    if pa.types.is_struct(array.type):
        for part in array.flatten():
            yield from _leaves(part)
    elif pa.types.is_map(array.type):
        yield from _leaves(array.keys)
        yield from _leaves(array.items)
    elif pa.types.is_nested(array.type):
        yield from _leaves(array.flatten())
    else:
        yield array


def _is_old(array: pa.Array) -> bool:
    if pa.types.is_date(array.type):
        return bool(pc.any(pc.less(array, pa.scalar(_FIRST_DAY, array.type))).as_py())
    if pa.types.is_timestamp(array.type):
        first = pa.scalar(_FIRST_MOMENT, pa.timestamp(array.type.unit)).cast(pa.int64())
        return bool(pc.any(pc.less(array.cast(pa.int64()), first)).as_py())
    return False
