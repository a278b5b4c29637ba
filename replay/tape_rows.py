"""The rows of a tape: read through the doors of a source's pieces, in the archive's own shape whatever the door."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from contract.errors import IncompleteError
from contract.model import Contract
from contract.ranges import TimeRange
from replay.pieces import ARCHIVE, KAFKA, Piece
from replay.sourcing import SourcePlan
from stream_job.archive import archived

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, SparkSession

    from connect.home import Home
    from connect.lake import Lake


def needed_rows(spark: SparkSession, home: Home, contract: Contract, name: str, planned: SourcePlan) -> DataFrame:
    """The rows that the plan needs of one source: each offset of its pieces once, without what enters no join."""
    needed = TimeRange.of_json(planned.needed)
    rows = _from_archive(spark, contract, name, planned, [p for p in planned.read if p.door == ARCHIVE])
    topic = [piece for piece in planned.read if piece.door == KAFKA]
    if topic:
        columns = rows.columns if rows is not None else None
        read = _from_kafka(spark, home, contract, name, topic)
        rows = read if rows is None or columns is None else rows.unionByName(read.select(*columns))
    if rows is None:
        rows = archived(spark.createDataFrame([], RAW_TYPES), contract, name)
    return rows.where(needed.sql("event_time")).where("quarantine_reason IS NULL")


def refuse_expired(lake: Lake, name: str, planned: SourcePlan) -> None:
    """Raise IncompleteError when the archive's snapshot that a plan reads is gone."""
    if ARCHIVE not in planned.door or planned.snapshot_id is None:
        return
    if lake.load(planned.table).snapshot_by_id(planned.snapshot_id) is None:
        raise IncompleteError(
            f"snapshot {planned.snapshot_id} of the archive of {name!r} was expired since the plan was made",
            where=planned.table,
            next_step="plan the range again",
        )


RAW_TYPES = (
    "topic string, partition int, offset bigint, timestamp timestamp, timestampType int, "
    "headers array<struct<key: string, value: binary>>, key binary, value binary"
)
"""A Kafka row as Spark's Kafka source reads it with headers."""


def _from_archive(
    spark: SparkSession, contract: Contract, name: str, planned: SourcePlan, pieces: Sequence[Piece]
) -> DataFrame | None:
    if not pieces:
        return None
    table = f"lake.{contract.sources[name].archive}"
    rows = spark.read.option("versionAsOf", str(planned.snapshot_id)).table(table)
    return rows.where(within(pieces))


def _from_kafka(spark: SparkSession, home: Home, contract: Contract, name: str, pieces: Sequence[Piece]) -> DataFrame:
    """A bounded batch read by exact offsets; a partition that the plan does not need starts where it ends.

    A partition may have a piece below the archive's and one above: what lies between is read and left out again.
    """
    from connect.embedded import kafka_properties
    from connect.kafka import earliest_offsets, spark_options

    kafka, topic = kafka_properties(contract.kafka, home), contract.sources[name].topic
    start = {str(partition): offset for partition, offset in earliest_offsets(kafka, topic).items()}
    end = dict(start)
    for piece in pieces:
        own = [other for other in pieces if other.partition == piece.partition]
        start[str(piece.partition)] = min(other.start for other in own)
        end[str(piece.partition)] = max(other.end for other in own)
    raw = (
        spark.read.format("kafka")
        .options(**spark_options(kafka))
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .option("endingOffsets", json.dumps({topic: end}))
        .option("includeHeaders", "true")
        .option("failOnDataLoss", "true")
        .load()
    )
    return archived(raw.where(within(pieces)), contract, name)


def within(pieces: Sequence[Piece], offset: str = "offset") -> str:
    """The offsets of the pieces as SQL; `offset` is that column as the engine quotes it."""
    spans = (f"(partition = {p.partition} AND {offset} >= {p.start} AND {offset} < {p.end})" for p in pieces)
    return " OR ".join(spans) or "false"
