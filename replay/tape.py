"""The tape: the bounded, ordered, complete input of a replay, one Parquet file per source and epoch.

It is cut from the Iceberg archive at a pinned snapshot or from Kafka by offsets, in either case from rows in the
archive's own shape, so both give the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.errors import IncompleteError
from contract.model import Contract
from contract.ranges import from_micros, spell_time
from replay import sentinel
from replay.plan import Plan
from replay.sourcing import SourcePlan
from replay.store import ReplayFolder, write_json
from replay.tape_rows import RAW_TYPES, needed_rows, refuse_expired

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame, SparkSession

    from connect.home import Home
    from connect.lake import Lake

FIRST_MTIME = 1_600_000_000
"""Spark's file source orders files by modification time alone, so epoch n gets FIRST_MTIME + n seconds."""

SENTINELS = 2
"""Epochs at the end of a complete tape that hold nothing but a sentinel."""

PERTURBED_BY = 4.0
"""How many places an epoch may move in another order."""


def cut(
    spark: SparkSession,
    lake: Lake,
    contract: Contract,
    home: Home,
    plan: Plan,
    folder: ReplayFolder,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Cut the tape of `plan` unless it is there already; returns its manifest.

    The manifest is written last: a tape without one is cut afresh. Raises IncompleteError when the tape holds fewer
    or more rows than the plan counted, or when an archive's snapshot was expired.
    """
    path = folder.tape / "manifest.json"
    if path.is_file():
        return dict(json.loads(path.read_text()))
    shutil.rmtree(folder.tape, ignore_errors=True)
    files = {}
    for name, source_plan in plan.sources.items():
        refuse_expired(lake, name, source_plan)
        say(f"replay: cutting {name} from {source_plan.door}")
        rows = needed_rows(spark, home, contract, name, source_plan)
        files[name] = _write_epochs(_in_epochs(rows, plan, name), plan.tape_epochs, folder.tape / name)
        if not plan.faithful:
            _add_sentinels(contract, name, plan, folder.tape / name)
        _refuse_other_count(name, source_plan, files[name])
    manifest = {"replay_id": plan.replay_id, "epochs": plan.tape_epochs, "sources": files}
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


def tape_stream(spark: SparkSession, folder: Path) -> DataFrame:
    """One source's tape as a stream of raw rows, one epoch per micro-batch."""
    return spark.readStream.schema(RAW_TYPES).option("maxFilesPerTrigger", 1).parquet(str(folder))


def _in_epochs(rows: DataFrame, plan: Plan, name: str) -> DataFrame:
    """The rows with the column `epoch`, their number on the tape: by event time, or as the ledger recorded them."""
    from pyspark.sql import functions as F

    if not plan.faithful:
        epoch = F.lit(0)
        for boundary in plan.boundaries_us:
            epoch = epoch + F.when(F.col("event_time") >= F.lit(from_micros(boundary)), 1).otherwise(0)
        return rows.withColumn("epoch", epoch)
    reached: dict[str, int] = {}
    spans = []
    for number, epoch_of in zip(order(len(plan.epochs), plan.perturb), plan.epochs, strict=True):
        for partition, end in epoch_of["ends"][name].items():
            spans.append((int(partition), reached.get(partition, 0), end, number))
            reached[partition] = end
    read = rows.sparkSession.createDataFrame(spans, "of int, start bigint, stop bigint, epoch int")
    within = (
        (F.col("partition") == F.col("of")) & (F.col("offset") >= F.col("start")) & (F.col("offset") < F.col("stop"))
    )
    return rows.join(F.broadcast(read), within).drop("of", "start", "stop")


def _write_epochs(rows: DataFrame, epochs: int, folder: Path) -> list[dict[str, Any]]:
    """Write one file per epoch, ordered by partition and offset, and describe each."""
    scratch = folder.with_name(f".{folder.name}.scratch")
    raw = rows.select(*_tape_columns(), "epoch")
    ordered = raw.repartition("epoch").sortWithinPartitions("epoch", "partition", "offset")
    ordered.write.mode("overwrite").option("compression", "zstd").partitionBy("epoch").parquet(str(scratch))
    folder.mkdir(parents=True)
    described = [_take_epoch(scratch / f"epoch={n}", folder, n) for n in range(epochs)]
    shutil.rmtree(scratch)
    return described


def _add_sentinels(contract: Contract, name: str, plan: Plan, folder: Path) -> None:
    """Two last epochs of one row far ahead, so that all open rows come out.

    The first lifts the watermark past every window; Spark evicts by it in the batch after, which AvailableNow runs
    only when there is data for it: the second.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = sentinel.record(contract, name, plan.time_range)
    rows = pa.Table.from_pylist([row], schema=_empty_file().schema)
    for number in range(plan.tape_epochs, plan.tape_epochs + SENTINELS):
        target = epoch_file(folder, number)
        pq.write_table(rows, target)
        os.utime(target, (FIRST_MTIME + number, FIRST_MTIME + number))


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

    target = epoch_file(folder, number)
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


def _refuse_other_count(name: str, source_plan: SourcePlan, files: list[dict[str, Any]]) -> None:
    planned, found = source_plan.rows, sum(file["rows"] for file in files)
    if planned is not None and found != planned:
        raise IncompleteError(
            f"the tape of {name!r} holds {found} rows, the plan counted {planned}",
            where=source_plan.door,
            next_step="plan again with --source auto; the source changed since, or its topic is compacted",
        )
