"""The rows of a tape: read through the doors of a source's pieces, in the archive's own shape whatever the door."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect.home import on_this_disk
from plumbline.connect.parquet import parquet_rows
from plumbline.connect.sql_quoting import ident
from plumbline.contract.avro import UNNAMED_SQL, lost_headers
from plumbline.contract.errors import IncompleteError
from plumbline.contract.generations import Ids, in_topic
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.replay.pieces import ARCHIVE, Piece, within
from plumbline.replay.sourcing import SourcePlan
from plumbline.stream_job.archive import archived
from plumbline.stream_job.queries import numbered

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import DataFrame, SparkSession

    from plumbline.connect.lake import Lake

RAW_TYPES = (
    "topic string, partition int, offset bigint, timestamp timestamp, timestampType int, "
    "headers array<struct<key: string, value: binary>>, key binary, value binary"
)
"""A Kafka row as Spark's Kafka source reads it with headers."""


@dataclass(frozen=True)
class Archived:
    """Pieces of an archive at a pinned snapshot. `avro`: its records are Avro. `once`: it holds offsets twice, of which
    one is taken."""

    table: str
    snapshot_id: int | None
    pieces: Sequence[Piece]
    avro: bool
    once: bool = False


def view_rows(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    view: str,
    archive: Archived,
    topic: DataFrame | None,
    moments: TimeRange,
    scratch: Path,
) -> None:
    """Create `view`, with the archive's columns: the archive's pieces and the rows of `topic`, which are written to
    `scratch` first; of both what has its event time in `moments` and is not in quarantine."""
    from plumbline.connect.tables import ARCHIVE_SCHEMA

    names = ", ".join(ident(name) for name in ARCHIVE_SCHEMA.names)
    # Gives the view its columns and their types where there is nothing to read.
    con.register(f"{view} none", ARCHIVE_SCHEMA.empty_table())
    parts = [f"SELECT {names} FROM {ident(f'{view} none')}"]
    if archive.pieces:
        _view_archive(con, lake, f"{view} archive", archive, moments)
        parts.append(f"SELECT {names} FROM {ident(f'{view} archive')}")
    if topic is not None:
        shutil.rmtree(scratch, ignore_errors=True)
        kept = topic.where(moments.sql("event_time")).where("quarantine_reason IS NULL")
        kept.write.option("compression", "zstd").parquet(on_this_disk(scratch))
        if list(scratch.glob("*.parquet")):
            parts.append(f"SELECT {names} FROM {parquet_rows(scratch.glob('*.parquet'))}")
    con.execute(
        f"CREATE OR REPLACE VIEW {ident(view)} AS SELECT * FROM ({' UNION ALL '.join(parts)}) "
        f"WHERE {moments.sql('event_time')} AND quarantine_reason IS NULL"
    )


def _view_archive(con: duckdb.DuckDBPyConnection, lake: Lake, view: str, archive: Archived, moments: TimeRange) -> None:
    """The archive's pieces; columns that an older archive lacks are null.

    Raises SetupError for Avro records that cannot be read without a column that the archive lacks.
    """
    from plumbline.connect.pinned import scan
    from plumbline.connect.tables import ARCHIVE_SCHEMA

    held = lake.load(archive.table).schema().column_names
    columns = [name for name in ARCHIVE_SCHEMA.names if name in held]
    absent = "".join(f", NULL AS {ident(name)}" for name in ARCHIVE_SCHEMA.names if name not in held)
    files = f"{view} files"
    moments_filter = moments.iceberg("event_time")
    scan(
        con,
        lake,
        archive.table,
        archive.snapshot_id,
        view=files,
        row_filter=moments_filter,
        columns=columns,
        schema="archive",
    )
    once = 'QUALIFY row_number() OVER (PARTITION BY partition, "offset") = 1' if archive.once else ""
    con.execute(
        f"CREATE OR REPLACE VIEW {ident(view)} AS SELECT *{absent} FROM {ident(files)} "
        f"WHERE {within(archive.pieces)} {once}"
    )
    if archive.avro and "headers" not in held:
        unnamed = f'SELECT partition, "offset" FROM {ident(view)} WHERE {UNNAMED_SQL} ORDER BY ALL LIMIT 1'
        for partition, offset in con.execute(unnamed).fetchall():
            raise lost_headers(archive.table, partition, offset)


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


def topic_rows(
    spark: SparkSession, contract: Contract, kafka: Mapping[str, str], name: str, pieces: Sequence[Piece], ids: Ids = ()
) -> DataFrame:
    """The records of these pieces as the archiver would keep them; a partition without a piece starts where it ends.

    `ids` are those of the topics that the name has had: the pieces are of the newest (see `contract/generations.py`).
    A partition may have a piece below the archive's and one above: what lies between is read and left out again.
    """
    from plumbline.connect.kafka import earliest_offsets, spark_options

    topic, generation = contract.sources[name].topic, max(0, len(ids) - 1)
    start = {str(partition): offset for partition, offset in earliest_offsets(kafka, topic).items()}
    end = dict(start)
    for piece in pieces:
        own = [other for other in pieces if other.partition == piece.partition]
        there = str(in_topic(piece.partition, generation))
        start[there] = min(other.start for other in own)
        end[there] = max(other.end for other in own)
    raw = (
        spark.read.format("kafka")
        .options(**spark_options(dict(kafka)))
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .option("endingOffsets", json.dumps({topic: end}))
        .option("includeHeaders", "true")
        .option("failOnDataLoss", "true")
        .load()
    )
    return archived(numbered(raw, generation).where(within(pieces, "offset")), contract, name)
