"""The tape: the bounded, ordered, complete input of a replay, one Parquet file per source and epoch.

It is cut from the Iceberg archive at a pinned snapshot or from Kafka by offsets, in either case from rows in the
archive's own shape, so both give the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.errors import IncompleteError
from contract.model import Contract, Source
from contract.ranges import TimeRange, from_micros, parse_time, spell_time
from replay.plan import Plan, SourcePlan
from replay.store import ReplayFolder, write_json
from stream_job.archive import archived

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame, SparkSession

    from connect.home import Home

TAPE_TYPES = (
    "topic string, partition int, offset bigint, timestamp timestamp, timestampType int, "
    "headers array<struct<key: string, value: binary>>, key binary, value binary"
)
"""Columns of a tape file: a Kafka row as Spark's Kafka source reads it with headers."""

SENTINEL_OFFSET = -1
FIRST_MTIME = 1_600_000_000
"""Spark's file source orders files by modification time alone, so epoch n gets FIRST_MTIME + n seconds."""


def cut(
    spark: SparkSession, contract: Contract, home: Home, plan: Plan, folder: ReplayFolder, say: Callable[[str], None]
) -> dict[str, Any]:
    """Cut the tape of `plan` unless it is there already; returns its manifest.

    The manifest is written last: a tape without one is cut afresh. Raises IncompleteError when the tape holds fewer
    or more rows than the plan counted.
    """
    path = folder.tape / "manifest.json"
    if path.is_file():
        return dict(json.loads(path.read_text()))
    shutil.rmtree(folder.tape, ignore_errors=True)
    files = {}
    for name, source_plan in plan.sources.items():
        say(f"replay: cutting {name} from {source_plan.door}")
        rows = _needed_rows(spark, home, contract, name, source_plan)
        files[name] = _write_epochs(rows, plan, folder.tape / name)
        _add_sentinels(contract, name, plan, folder.tape / name)
        _refuse_other_count(name, source_plan, files[name])
    manifest = {"replay_id": plan.replay_id, "epochs": len(plan.boundaries_us) + 1, "sources": files}
    write_json(path, manifest)
    return manifest


def tape_stream(spark: SparkSession, folder: Path) -> DataFrame:
    """One source's tape as a stream of raw rows, one epoch per micro-batch."""
    return spark.readStream.schema(TAPE_TYPES).option("maxFilesPerTrigger", 1).parquet(str(folder))


def _needed_rows(spark: SparkSession, home: Home, contract: Contract, name: str, source_plan: SourcePlan) -> DataFrame:
    """The rows that the plan needs of one source, in the archive's shape."""
    reader = _from_archive if source_plan.door == "iceberg" else _from_kafka
    bounds = " OR ".join(
        f"(partition = {s['partition']} AND offset >= {s['start']} AND offset < {s['end']})" for s in source_plan.spans
    )
    needed = TimeRange(parse_time(str(source_plan.needed["from"])), parse_time(str(source_plan.needed["to"])))
    rows = reader(spark, home, contract, name, source_plan)
    return rows.where(bounds or "false").where(needed.sql("event_time")).where("quarantine_reason IS NULL")


def _from_archive(spark: SparkSession, home: Home, contract: Contract, name: str, source_plan: SourcePlan) -> DataFrame:
    return spark.read.option("versionAsOf", str(source_plan.snapshot_id)).table(
        f"lake.{contract.sources[name].archive}"
    )


def _from_kafka(spark: SparkSession, home: Home, contract: Contract, name: str, source_plan: SourcePlan) -> DataFrame:
    """A bounded batch read by exact offsets; a partition that the plan does not need starts where it ends."""
    from connect.embedded import kafka_properties
    from connect.kafka import earliest_offsets, spark_options

    kafka, topic = kafka_properties(contract.kafka, home), contract.sources[name].topic
    earliest = {str(p): offset for p, offset in earliest_offsets(kafka, topic).items()}
    start = earliest | {str(s["partition"]): s["start"] for s in source_plan.spans}
    end = earliest | {str(s["partition"]): s["end"] for s in source_plan.spans}
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
    return archived(raw, contract, name)


def _write_epochs(rows: DataFrame, plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """Write one file per epoch, ordered by partition and offset, and describe each."""
    from pyspark.sql import functions as F

    epoch = F.lit(0)
    for boundary in plan.boundaries_us:
        epoch = epoch + F.when(F.col("event_time") >= F.lit(from_micros(boundary)), 1).otherwise(0)
    scratch = folder.with_name(f".{folder.name}.scratch")
    raw = rows.select(*_tape_columns(), epoch.alias("epoch"))
    ordered = raw.repartition("epoch").sortWithinPartitions("epoch", "partition", "offset")
    ordered.write.mode("overwrite").option("compression", "zstd").partitionBy("epoch").parquet(str(scratch))
    folder.mkdir(parents=True)
    described = [_take_epoch(scratch / f"epoch={n}", folder, n) for n in range(len(plan.boundaries_us) + 1)]
    shutil.rmtree(scratch)
    return described


def _tape_columns() -> list[Column]:
    """The archive's columns under the tape's names, so that every door gives the same bytes.

    Spark writes column comments into its files, and only an archive has them: they are left out. No headers are null
    from Kafka and may be an empty list in an archive that was rewritten.
    """
    from pyspark.sql import functions as F

    values = {"headers": F.when(F.size("headers") > 0, F.col("headers"))}
    return [values.get(kept.name, F.col(kept.name)).alias(field.name, metadata={}) for kept, field in _tape_fields()]


def _take_epoch(written: Path, folder: Path, number: int) -> dict[str, Any]:
    """Move one written epoch into place (a file without rows when there were none) and describe it."""
    import pyarrow.parquet as pq

    target = folder / f"e{number:06d}.parquet"
    parts = sorted(written.glob("*.parquet")) if written.is_dir() else []
    if len(parts) > 1:
        raise IncompleteError(f"epoch {number} of the tape came out in {len(parts)} files", where=str(written))
    if parts:
        parts[0].rename(target)
    else:
        pq.write_table(_empty_file(), target)
    os.utime(target, (FIRST_MTIME + number, FIRST_MTIME + number))
    return {"epoch": number, "sha256": hashlib.sha256(target.read_bytes()).hexdigest(), **_extent(target)}


def _extent(file: Path) -> dict[str, Any]:
    """Rows, event times and offsets per partition of one tape file."""
    from connect.pinned import connection

    found = (
        connection()
        .execute(
            """
        SELECT partition, count(*), min("offset"), max("offset"), epoch_us(min(event_time)), epoch_us(max(event_time))
        FROM read_parquet(?) GROUP BY partition ORDER BY partition
        """,
            [str(file)],
        )
        .fetchall()
    )
    return {
        "rows": sum(row[1] for row in found),
        "offsets": {str(row[0]): [row[2], row[3]] for row in found},
        "min_event_time": spell_time(from_micros(min(row[4] for row in found))) if found else None,
        "max_event_time": spell_time(from_micros(max(row[5] for row in found))) if found else None,
    }


def _empty_file() -> Any:
    import pyarrow as pa

    return pa.schema([field for _, field in _tape_fields()]).empty_table()


def _tape_fields() -> list[tuple[pa.Field, pa.Field]]:
    """Each field that a tape takes from the archive, and as it is called on the tape."""
    from stream_job.tables import ARCHIVE_SCHEMA

    renamed = {"kafka_timestamp": "timestamp", "kafka_timestamp_type": "timestampType"}
    kept = [field for field in ARCHIVE_SCHEMA if field.name not in ("schema_id", "quarantine_reason", "event_id")]
    return [(field, field.with_name(renamed.get(field.name, field.name))) for field in kept]


def _add_sentinels(contract: Contract, name: str, plan: Plan, folder: Path) -> None:
    """Two last epochs of one row far ahead, so that all open rows come out.

    The first lifts the watermark past every window; Spark evicts by it in the batch after, which AvailableNow runs
    only when there is data for it: the second.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = contract.sources[name]
    value = json.dumps(sentinel_event(source, _far_ahead(contract, plan))).encode()
    row = {"topic": source.topic, "partition": 0, "offset": SENTINEL_OFFSET, "value": value}
    rows = pa.Table.from_pylist([row], schema=_empty_file().schema)
    last = len(plan.boundaries_us)
    for number in (last + 1, last + 2):
        target = folder / f"e{number:06d}.parquet"
        pq.write_table(rows, target)
        os.utime(target, (FIRST_MTIME + number, FIRST_MTIME + number))


def _far_ahead(contract: Contract, plan: Plan) -> int:
    """An event time (us) whose watermark closes every window of the range on both sides."""
    delay = max(contract.left.watermark, contract.right.watermark)
    low, high = contract.join.within
    ahead = plan.time_range.widened(low, high + delay + max(abs(low), abs(high)) + timedelta(days=1))
    return ahead.end_us or 0


def sentinel_event(source: Source, moment_us: int) -> dict[str, str | int | bool]:
    """An event at `moment_us` as the source spells it, with a value in every field.

    The fields must not be null: Spark drops rows with a null join key of the outer side before they could move the
    watermark. What they hold does not matter, nothing real lies within reach of that time.
    """
    iso = spell_time(from_micros(moment_us))
    values: dict[str, str | int | bool] = {
        "timestamp": iso,
        "timestamp_millis": moment_us // 1_000,
        "timestamp_micros": moment_us,
        "date": iso[:10],
        "string": "plumbline sentinel",
        "binary": "",
        "boolean": False,
    }
    return {name: values.get(kind, 0) for name, kind in source.fields.items()}


def _refuse_other_count(name: str, source_plan: SourcePlan, files: list[dict[str, Any]]) -> None:
    planned = [span["rows"] for span in source_plan.spans]
    found = sum(file["rows"] for file in files)
    if None not in planned and found != sum(planned):
        raise IncompleteError(
            f"the tape of {name!r} holds {found} rows, the plan counted {sum(planned)}",
            where=source_plan.door,
            next_step="plan again; the source changed since",
        )
