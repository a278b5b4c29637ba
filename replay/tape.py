"""The tape: the bounded, ordered, complete input of a replay, one Parquet file per source and epoch.

It is cut from the Iceberg archive at a pinned snapshot or from Kafka by offsets, in either case from rows in the
archive's own shape, so both give the same files. DuckDB cuts it: Spark, which only reads a topic here, took as long for
the cut as for the play.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.home import read_from_this_disk
from plumbline.connect.sql_quoting import ident, text
from plumbline.contract import formats
from plumbline.contract.errors import IncompleteError
from plumbline.contract.ranges import TimeRange, from_micros, spell_time
from plumbline.replay.opened import Replay
from plumbline.replay.pieces import ARCHIVE, KAFKA, READ
from plumbline.replay.plan import Plan
from plumbline.replay.sourcing import SourcePlan
from plumbline.replay.store import write_json
from plumbline.replay.tape_rows import RAW_TYPES, Archived, refuse_expired, topic_rows, view_rows
from plumbline.stream_job import isolation
from plumbline.stream_job.archive import RENAMED
from plumbline.stream_job.job_folder import JobFolder

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

FIRST_MTIME = 1_600_000_000
"""Spark's file source orders files by modification time alone, so epoch n gets FIRST_MTIME + n seconds."""

ROW_GROUP = 20_480
"""Spark reads a row group in one task: with DuckDB's 122,880 rows one of two had most of a tape to read."""

PERTURBED_BY = 4.0
"""How many places an epoch may move in another order."""


def cut(spark: SparkSession, replay: Replay) -> dict[str, Any]:
    """Cut the tape of the replay unless it is there already; returns its manifest.

    The manifest is written last: a tape without one is cut afresh. Raises IncompleteError when the tape holds fewer
    or more rows than the plan counted, or when an archive's snapshot was expired.
    """
    from plumbline.connect.pinned import connection

    plan, folder = replay.plan, replay.folder
    path = folder.tape / "manifest.json"
    if path.is_file():
        return dict(json.loads(path.read_text()))
    shutil.rmtree(folder.tape, ignore_errors=True)
    files = {}
    with connection(temp_dir=folder.scratch) as con:
        for name, source_plan in plan.sources.items():
            refuse_expired(replay.lake, name, source_plan)
            replay.say(f"replay: cutting {name} from {source_plan.door}")
            _view_needed(con, spark, replay, name)
            files[name] = _write_epochs(con, plan, name, folder.tape / name)
            _refuse_other_count(name, source_plan, files[name])
    manifest = {"replay_id": replay.id, "epochs": plan.tape_epochs, "sources": files}
    write_json(path, manifest)
    return manifest


def epoch_file(folder: Path, number: int) -> Path:
    """The file of one epoch of one source."""
    return folder / f"e{number:06d}.parquet"


def order(epochs: int, seed: int | None) -> list[int]:
    """The place on the tape of each recorded epoch: its own, or with a seed up to a few epochs off."""
    drawn = random.Random(seed)
    keys = [number + (0.0 if seed is None else drawn.uniform(0, PERTURBED_BY)) for number in range(epochs)]
    places = {number: place for place, number in enumerate(sorted(range(epochs), key=lambda number: keys[number]))}
    return [places[number] for number in range(epochs)]


def whole_tape(spark: SparkSession, folder: Path) -> DataFrame:
    """One source's tape as raw rows, all at once."""
    return spark.read.schema(RAW_TYPES).parquet(read_from_this_disk(folder))


def tape_stream(spark: SparkSession, folder: Path) -> DataFrame:
    """One source's tape as a stream of raw rows, one epoch per micro-batch."""
    return spark.readStream.schema(RAW_TYPES).option("maxFilesPerTrigger", 1).parquet(read_from_this_disk(folder))


def _view_needed(con: duckdb.DuckDBPyConnection, spark: SparkSession, replay: Replay, name: str) -> None:
    """Create the view `needed`: the rows that the plan needs of one source, each offset of its pieces once."""
    from plumbline.connect.embedded import kafka_properties

    contract, lake, planned = replay.contract, replay.lake, replay.plan.sources[name]
    by_door = {door: [piece for piece in planned.read if piece.door == door] for door in READ}
    topic = None
    if by_door[KAFKA]:
        kafka, ids = kafka_properties(contract.kafka, replay.home), tuple(planned.topic_ids)
        kafka = isolation.reading(kafka, lake, contract, JobFolder.of(contract, replay.home))
        _refuse_other_topic(kafka, planned)
        topic = topic_rows(spark, contract, kafka, name, by_door[KAFKA], ids)
    avro = formats.of(contract.sources[name]).registry
    archive = Archived(planned.table, planned.snapshot_id, by_door[ARCHIVE], avro)
    scratch = replay.folder.scratch / f"{name}-kafka"
    view_rows(con, lake, "needed", archive, topic, TimeRange.of_json(planned.needed), scratch)


def _refuse_other_topic(kafka: Mapping[str, str], planned: SourcePlan) -> None:
    """Raise IncompleteError when the topic was recreated since the plan was made."""
    from plumbline.connect.kafka_topics import topic_ids

    known, now = (planned.topic_ids or [None])[-1], topic_ids(kafka, [planned.topic]).get(planned.topic)
    if None not in (known, now) and now != known:
        raise IncompleteError(
            f"topic {planned.topic} was deleted and recreated: its id is {now}, the plan reads {known}",
            where=f"bootstrap.servers={kafka['bootstrap.servers']}",
            next_step="plan the range again with --source iceberg",
        )


def _write_epochs(con: duckdb.DuckDBPyConnection, plan: Plan, name: str, folder: Path) -> list[dict[str, Any]]:
    """Write one file per epoch, ordered by partition and offset, and describe each."""
    folder.mkdir(parents=True)
    _number(con, plan, name)
    files = [_write(con, folder, number) for number in range(plan.tape_epochs)]
    extents = _extents(con)
    return [{"epoch": n, "sha256": _digest(file), **extents.get(n, NO_ROWS)} for n, file in enumerate(files)]


def _write(con: duckdb.DuckDBPyConnection, folder: Path, number: int) -> Path:
    columns = ", ".join(ident(field.name) for field in _tape_fields().values())
    rows = f'SELECT {columns} FROM numbered WHERE epoch = {number} ORDER BY partition, "offset"'
    target = epoch_file(folder, number)
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}"
    con.execute(f"COPY ({rows}) TO {text(str(target))} ({options})")
    os.utime(target, (FIRST_MTIME + number, FIRST_MTIME + number))
    return target


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _number(con: duckdb.DuckDBPyConnection, plan: Plan, name: str) -> None:
    """Fill the table `numbered`: the needed rows as a tape has them, each with the number of its `epoch` on it."""
    columns = ", ".join(f"n.{ident(kept)} AS {ident(field.name)}" for kept, field in _tape_fields().items())
    # No headers are null from Kafka and may be an empty list in an archive that was rewritten.
    columns = columns.replace('n."headers"', 'CASE WHEN len(n."headers") > 0 THEN n."headers" END')
    if plan.faithful:
        _register_spans(con, plan, name)
        numbered = f"""
            SELECT {columns}, s.epoch AS epoch FROM needed n
            ASOF JOIN spans s ON s.partition = n.partition AND n."offset" >= s.start
            WHERE n."offset" < s.stop
        """
    else:
        numbered = f"SELECT {columns}, 0 AS epoch FROM needed n"
    con.execute(f"CREATE OR REPLACE TEMP TABLE numbered AS {numbered}")


def _register_spans(con: duckdb.DuckDBPyConnection, plan: Plan, name: str) -> None:
    """The table `spans`: which offsets of a partition each recorded epoch read, and its place on the tape."""
    import pyarrow as pa

    reached: dict[str, int] = {}
    spans = []
    for number, epoch_of in zip(order(len(plan.epochs), plan.perturb), plan.epochs, strict=True):
        for partition, end in epoch_of["ends"][name].items():
            if reached.get(partition, 0) < end:
                spans.append({"partition": int(partition), "start": reached.get(partition, 0), "stop": end})
                spans[-1]["epoch"] = number
            reached[partition] = end
    kinds = pa.schema([(column, pa.int64()) for column in ("partition", "start", "stop", "epoch")])
    con.register("spans", pa.Table.from_pylist(spans, schema=kinds))


NO_ROWS: dict[str, Any] = {"rows": 0, "offsets": {}, "min_event_time": None, "max_event_time": None}


def _extents(con: duckdb.DuckDBPyConnection) -> dict[int, dict[str, Any]]:
    """Of each epoch with rows: how many, their offsets per partition and event times."""
    found = con.execute(
        """
        SELECT epoch, partition, count(*), min("offset"), max("offset"),
            epoch_us(min(event_time)), epoch_us(max(event_time))
        FROM numbered GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    extents: dict[int, dict[str, Any]] = {}
    for epoch, parts in groupby(found, key=lambda row: row[0]):
        rows = list(parts)
        extents[epoch] = {
            "rows": sum(row[2] for row in rows),
            "offsets": {str(row[1]): [row[3], row[4]] for row in rows},
            "min_event_time": spell_time(from_micros(min(row[5] for row in rows))),
            "max_event_time": spell_time(from_micros(max(row[6] for row in rows))),
        }
    return extents


def _tape_fields() -> dict[str, pa.Field]:
    """The columns that a tape takes from the archive, and each as it is called on the tape."""
    from plumbline.connect.tables import ARCHIVE_SCHEMA

    renamed = {kept: raw for raw, kept in RENAMED.items()}
    kept = [field for field in ARCHIVE_SCHEMA if field.name not in ("schema_id", "quarantine_reason", "event_id")]
    return {field.name: field.with_name(renamed.get(field.name, field.name)) for field in kept}


def _refuse_other_count(name: str, source_plan: SourcePlan, files: list[dict[str, Any]]) -> None:
    planned, found = source_plan.rows, sum(file["rows"] for file in files)
    if planned is not None and found != planned:
        raise IncompleteError(
            f"the tape of {name!r} holds {found} rows, the plan counted {planned}",
            where=source_plan.door,
            next_step="plan again with --source auto; the source changed since, or its topic is compacted",
        )
