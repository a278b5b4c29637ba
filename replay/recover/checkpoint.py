"""Building the new checkpoint: the join itself reads the tape, then the checkpoint's log is turned to Kafka's offsets.

Nothing that the join emits here is written anywhere: all of it was emitted in the old life. Three batches: the rows of
earlier runs, the rows of the newest run, and one without rows that closes the windows which were closed before.

The log's form is that of Spark 4.1: `OffsetSeqLog` (v1, a JSON line of metadata, a line a source) and `CommitLog` (v1,
one JSON line). A batch drops by the `batchWatermarkMs` of the batch before it; a restart closes windows up to the
larger of that and of `nextBatchWatermarkMs` in the last commit.

At last the epoch that was due is planned but not run: what the topics hold beyond the border, or without that one that
reads nothing. Otherwise events that come later would meet the earlier watermark, and fewer of them would be late.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.home import on_this_disk
from plumbline.contract.errors import IncompleteError
from plumbline.contract.generations import Generation, Ids, in_newest, older
from plumbline.contract.lineage import SIDES
from plumbline.contract.model import Contract
from plumbline.replay.recover.border import Border, Ends
from plumbline.replay.recover.tape import part
from plumbline.replay.store import write_json
from plumbline.replay.tape import FIRST_MTIME, tape_stream
from plumbline.stream_job import fingerprint
from plumbline.stream_job.aggregate import aggregated
from plumbline.stream_job.checkpoint_health import Exchange
from plumbline.stream_job.join import join
from plumbline.stream_job.ledger import Epoch
from plumbline.stream_job.queries import configure
from plumbline.stream_job.topics import read_by, write

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NO_DATA_BATCHES = "spark.sql.streaming.noDataMicroBatches.enabled"
BATCHES = 3


@dataclass(frozen=True)
class Rebuilt:
    """The new checkpoint: its query id, the rows in its state (None: not counted), the watermark it goes on to (ms)."""

    query_id: str
    state_rows: int | None
    next_watermark_ms: int


def rebuild(
    spark: SparkSession,
    contract: Contract,
    exchange: Exchange,
    border: Border,
    topic_ends: Ends,
    run_id: str,
    ids: tuple[Ids, Ids] = ((None,), (None,)),
) -> Rebuilt:
    """Build checkpoint and ledger in `exchange.built` from the tape beside it. Always from the beginning.

    `topic_ends` are the first offsets after what the topics hold now, `ids` are those of the topics. Raises
    IncompleteError when the join dropped a row of the tape.
    """
    built, playing = exchange.built, exchange.folder / "playing"
    shutil.rmtree(built.root, ignore_errors=True)
    shutil.rmtree(playing, ignore_errors=True)
    _batch(spark, contract, exchange, playing, 0)
    write_commit(built.join, 0, 0)
    _batch(spark, contract, exchange, playing, 1)
    next_ms = max(read_commit(built.join, 1), border.watermark_ms)
    write_commit(built.join, 1, border.watermark_ms)
    progress = _batch(spark, contract, exchange, playing, 2)
    _note_topics(built.join, border.ends, ids)
    for number in range(BATCHES):
        turn_to_kafka(built.join, number, contract, border.ends, border.watermark_ms)
        write_commit(built.join, number, next_ms)
    _plan_next(built.join, contract, border, topic_ends, next_ms)
    shutil.rmtree(built.join / "sources", ignore_errors=True)
    query_id = str(json.loads((built.join / "metadata").read_text())["id"])
    _write_ledger(exchange, border, query_id, run_id, ids, spark.version)
    before = fingerprint.evolution(exchange.job.fingerprint, contract) if exchange.job.fingerprint.exists() else None
    write_json(built.fingerprint, fingerprint.record(contract, before.retired if before else {}))
    rows = sum(int(state.get("numRowsTotal", 0)) for state in progress["stateOperators"])
    return Rebuilt(query_id, rows or None, next_ms)


def turn_to_kafka(checkpoint: Path, number: int, contract: Contract, ends: Ends, watermark_ms: int) -> None:
    """Let a batch of the log end at these offsets of both topics, with this watermark."""
    path = checkpoint / "offsets" / str(number)
    version, metadata, *_ = path.read_text().splitlines()
    body = json.loads(metadata) | {"batchWatermarkMs": watermark_ms}
    topics = (contract.left.topic, contract.right.topic)
    newest = [max(0, len(read_by(checkpoint, side)) - 1) for side in SIDES]
    there = [in_newest(end, generation) for end, generation in zip(ends, newest, strict=True)]
    sources = [json.dumps({topic: end}) if end else "-" for topic, end in zip(topics, there, strict=True)]
    _replace(path, "\n".join([version, json.dumps(body), *sources]))


def _note_topics(checkpoint: Path, ends: Ends, ids: tuple[Ids, Ids]) -> None:
    """Note what the new checkpoint has read: of topics before the newest all that it ever will."""
    read = {}
    for side, end, known in zip(SIDES, ends, ids, strict=True):
        read[side] = [Generation(topic_id, 0, older(end, number)) for number, topic_id in enumerate(known)]
    write(checkpoint, read)


def due(border: Border, topic_ends: Ends, limit: int, next_ms: int) -> Ends | None:
    """Where the epoch after the border ends; None when none is due, or when it would be larger than `limit` events.

    A backlog beyond one epoch needs no plan: the job reads on from the border at once.
    """
    ends = []
    for known, now in zip(border.ends, topic_ends, strict=True):
        waiting = sum(end - known.get(partition, 0) for partition, end in now.items())
        if waiting > limit:
            return None
        ends.append({**known, **{p: end for p, end in now.items() if end > 0}})
    changed = (ends[0], ends[1]) != border.ends
    return (ends[0], ends[1]) if changed or next_ms > border.watermark_ms else None


def _plan_next(checkpoint: Path, contract: Contract, border: Border, topic_ends: Ends, next_ms: int) -> None:
    ends = due(border, topic_ends, contract.stream.max_events_per_epoch, next_ms)
    if ends is not None:
        last = checkpoint / "offsets" / str(BATCHES - 1)
        shutil.copyfile(last, last.with_name(str(BATCHES)))
        turn_to_kafka(checkpoint, BATCHES, contract, ends, next_ms)


def read_commit(checkpoint: Path, number: int) -> int:
    """`nextBatchWatermarkMs` of a committed batch."""
    _, body = (checkpoint / "commits" / str(number)).read_text().splitlines()
    return int(json.loads(body)["nextBatchWatermarkMs"])


def write_commit(checkpoint: Path, number: int, next_watermark_ms: int) -> None:
    """Set `nextBatchWatermarkMs` of a committed batch, leaving all else in its file."""
    path = checkpoint / "commits" / str(number)
    version, body = path.read_text().splitlines()
    _replace(path, "\n".join([version, json.dumps(json.loads(body) | {"nextBatchWatermarkMs": next_watermark_ms})]))


def _place(tape: Path, side: str, number: int, folder: Path) -> None:
    """Give the file source its next file: a part of the tape, or after those one without rows."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"e{number:06d}.parquet"
    if number < BATCHES - 1:
        os.link(part(tape, side, number), target)
    else:
        pq.write_table(pq.read_schema(part(tape, side, 0)).empty_table(), target)
    os.utime(target, (FIRST_MTIME + number, FIRST_MTIME + number))


def _batch(spark: SparkSession, contract: Contract, exchange: Exchange, playing: Path, number: int) -> dict[str, Any]:
    """Let the join take its next batch from the folder `playing`; returns Spark's progress of it."""
    from pyspark.errors import StreamingQueryException

    for side in SIDES:
        _place(exchange.folder / "tape", side, number, playing / side)
    configure(spark, contract)
    left, right = (tape_stream(spark, playing / side) for side in SIDES)
    rows = aggregated(contract, join(contract.rows, left, right, layouts=exchange.built.layouts))
    with _only_batches_with_data(spark):
        query = (
            rows.writeStream.format("noop")
            .outputMode("append")
            .option("checkpointLocation", on_this_disk(exchange.built.join))
            .trigger(availableNow=True)
            .start()
        )
        try:
            query.awaitTermination()
        except StreamingQueryException as error:
            first = str(error).strip().splitlines()[0]
            raise IncompleteError(f"the rebuild failed: {first}", next_step="run it again") from None
        finally:
            query.stop()
    last = query.lastProgress
    if last is None:
        raise IncompleteError(f"the rebuild came to no batch {number}", next_step="run it again")
    progress: dict[str, Any] = json.loads(last.json)
    dropped = sum(int(state["numRowsDroppedByWatermark"]) for state in progress["stateOperators"])
    if progress["batchId"] != number or dropped:
        raise IncompleteError(
            f"batch {number} of the rebuild came out as {progress['batchId']}, with {dropped} rows dropped",
            where=str(exchange.folder),
        )
    return progress


@contextmanager
def _only_batches_with_data(spark: SparkSession) -> Iterator[None]:
    """Spark runs no batch of its own accord, which would close windows that the previous query had not closed."""
    before = spark.conf.get(NO_DATA_BATCHES)
    spark.conf.set(NO_DATA_BATCHES, "false")
    try:
        yield
    finally:
        spark.conf.set(NO_DATA_BATCHES, str(before))


def _write_ledger(
    exchange: Exchange, border: Border, query_id: str, run_id: str, ids: tuple[Ids, Ids], spark_version: str
) -> None:
    """The new life's first records: batches that read nothing, at the border. They say nothing about lateness."""
    ledger = exchange.built.ledger
    ledger.begin_run(run_id, spark_version)
    now_ms = int(time.time() * 1_000)
    for number in range(BATCHES):
        ledger.keep(
            Epoch(
                epoch=number,
                query_id=query_id,
                run_id=run_id,
                planned_at_ms=now_ms + number,
                late_watermark_ms=border.watermark_ms,
                evict_watermark_ms=border.watermark_ms,
                start=border.ends,
                end=border.ends,
                topic_ids=ids,
                spark_version=spark_version,
            )
        )


def _replace(path: Path, body: str) -> None:
    """Rewrite a file of the log; Hadoop's checksum of the old one is removed."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(body)
    draft.replace(path)
    for checksum in (path.with_name(f".{path.name}.crc"), path.with_name(f"{path.name}.crc")):
        checksum.unlink(missing_ok=True)
