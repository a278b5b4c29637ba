"""The judgement of plain rows: what a source says about values, in one Spark job for a whole table of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plumbline.contract.admission import field_sql, parsed_sql, reason_sql, text_sql
from plumbline.contract.lineage import HEADERS, OFFSET, PARSED, RECORD_TIME, TEXT, VALUE
from plumbline.contract.model import Source

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
FIELDS = {
    "id": "string", "at": "timestamp", "text": "string", "whole": "int", "long": "long", "small": "float",
    "number": "double", "yes": "boolean", "day": "date", "bytes": "binary", "price": "decimal(10,2)",
    "millis": "timestamp_millis", "micros": "timestamp_micros", "seen": "timestamp",
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """Why a value cannot enter (None: it can), and its fields as text."""

    reason: str | None
    fields: dict[str, str | None]


def source_of(**changes: Any) -> Source:
    """A source with a field of every type, key `id`, event time `at`; takes other keys of a source."""
    return Source.model_validate(
        {
            "topic": "t", "archive": "raw.t", "watermark": "1 hour", "event_time": "at", "fields": FIELDS,
            "aliases": {"text": ["caption", "title"], "at": ["time"]},
            "event_time_within": ["-2 days", "1 day"], "max_bytes": 400_000, **changes,
        }
    )  # fmt: skip


def judged(
    spark: SparkSession,
    source: Source,
    records: Sequence[tuple[bytes | None, datetime]],
    keys: tuple[str, ...] = ("id",),
    headers: Sequence[Sequence[tuple[str, bytes | None]] | None] = (),
) -> list[Judged]:
    """The judgement of each (value, record time), in order; `headers` are those of the first records."""
    rows = [
        (n, None if value is None else bytearray(value), moment, headers[n] if n < len(headers) else None)
        for n, (value, moment) in enumerate(records)
    ]
    kinds = (
        f"{OFFSET} INT, {VALUE} BINARY, {RECORD_TIME} TIMESTAMP, `{HEADERS}` ARRAY<STRUCT<key: STRING, value: BINARY>>"
    )
    frame = spark.createDataFrame(rows, kinds)
    frame = frame.selectExpr("*", f"{text_sql(source)} AS {TEXT}")
    frame = frame.selectExpr("*", f"explode(array({parsed_sql(source)})) AS {PARSED}")
    frame = frame.selectExpr("*", *(f"{field_sql(source, name)} AS `{name}`" for name in source.fields))
    texts = ", ".join(f"CAST(`{name}` AS STRING) AS `{name}`" for name in source.fields)
    wanted = (OFFSET, f"{reason_sql(source, keys)} AS reason", f"struct({texts}) AS fields")
    found = frame.selectExpr(*wanted).orderBy(OFFSET)
    return [Judged(row.reason, row.fields.asDict()) for row in found.collect()]
