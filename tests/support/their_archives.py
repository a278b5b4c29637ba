"""The small world beside archives that another tool wrote, as Kafka Connect's Iceberg sink does with its metadata."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa

from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from tests.support.world import CONTRACT, World
from tests.support.world_rows import START

ZONED, UNZONED, MS = pa.timestamp("us", tz="UTC"), pa.timestamp("us"), pa.int64()
COLUMNS = (
    "{topic: _kafka_metadata_topic, partition: _kafka_metadata_partition, offset: _kafka_metadata_offset, "
    "timestamp: _kafka_metadata_timestamp, event_time: TIME}"
)
TIMES = {"shows": "shown_at", "plays": "played_at"}
JOB = "\njob: {kind: other}\n"


def contract(job: str = JOB, columns: str = COLUMNS) -> Contract:
    return parse(contract_text(job, columns), "plays.yaml")


def contract_text(job: str = JOB, columns: str = COLUMNS) -> str:
    """The world's contract of a team's own job, with their archives."""
    body = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    for source, time in TIMES.items():
        named = columns.replace("TIME", time)
        body = body.replace(f"archive: raw.{source}", f"archive: raw.{source}\n    archive_columns: {named}")
    return body + job


def with_their_archives(world: World, job: str = JOB, kind: pa.DataType = ZONED, place: pa.DataType = MS) -> World:
    """Write the world, then its archives anew as a sink does that decodes the records."""
    world.write()
    world.contract = contract(job)
    for source, time in TIMES.items():
        table = f"raw.{source}"
        rows = world.lake.load(table).scan().to_arrow().to_pylist()
        world.lake.catalog().drop_table(table)
        schema = pa.schema(
            [
                (time, kind),
                ("_kafka_metadata_topic", pa.string()),
                ("_kafka_metadata_partition", place),
                ("_kafka_metadata_offset", pa.int64()),
                ("_kafka_metadata_timestamp", pa.int64()),
            ]
        )
        world.lake.ensure_table(table, schema)
        world.lake.append(table, pa.Table.from_pylist([decoded(row, time, kind) for row in rows], schema=schema))
    return world


def decoded(row: dict[str, Any], time: str, kind: pa.DataType) -> dict[str, Any]:
    """What the sink makes of an archived record."""
    ms = (row["event_time"] - START) // timedelta(milliseconds=1) + int(START.timestamp() * 1000)
    return {
        time: ms if kind == MS else row["event_time"] if kind == ZONED else row["event_time"].replace(tzinfo=None),
        "_kafka_metadata_topic": row["topic"],
        "_kafka_metadata_partition": row["partition"],
        "_kafka_metadata_offset": row["offset"],
        "_kafka_metadata_timestamp": ms,
    }
