"""The epoch without data that Spark owes after a restart.

After each epoch Spark runs one without data when the watermark has risen, so that windows close. It decides that by the
plan of the epoch before, which a restarted query does not have (`MicroBatchExecution.constructNextBatch`, Spark 4.1):
ended between an epoch's commit and the next one's plan, it waits for new data. Then what is due is planned here, in the
checkpoint's offset log, as Spark would have; the query finds a planned epoch at its start and runs it.

Where there is new data no plan is needed: the watermark is applied by the epoch that reads it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from plumbline.connect.whole_file import write_whole
from plumbline.stream_job.checkpoint_health import numbers
from plumbline.stream_job.ledger import Offsets, read_offsets


def watermark_due(checkpoint: Path) -> tuple[int, int] | None:
    """`(epoch, watermark in ms)` that comes next, where the newest epoch is committed and has raised the watermark.

    None in any other case. Raises OSError or ValueError for a log that is not whole.
    """
    planned, committed = (max(numbers(checkpoint / log), default=-1) for log in ("offsets", "commits"))
    if planned < 0 or planned != committed:
        return None
    _, body = (checkpoint / "commits" / str(committed)).read_text().splitlines()
    raised_ms = int(json.loads(body)["nextBatchWatermarkMs"])
    in_force_ms, _, _ = read_offsets(checkpoint / "offsets" / str(planned))
    return (planned + 1, raised_ms) if raised_ms > in_force_ms else None


def plan(checkpoint: Path, topic_ends: Sequence[Offsets]) -> bool:
    """Plan the epoch without data where one is due and the topics, left first, end where the last epoch did.

    Returns whether it was planned. Call it before the query starts, as the owner of the checkpoint.
    """
    due = watermark_due(checkpoint)
    if due is None:
        return False
    number, watermark_ms = due
    last = checkpoint / "offsets" / str(number - 1)
    _, _, read = read_offsets(last)
    if any(_news(there, end) for there, end in zip(read, topic_ends, strict=True)):
        return False
    version, metadata, *sources = last.read_text().splitlines()
    body = json.loads(metadata) | {"batchWatermarkMs": watermark_ms, "batchTimestampMs": time.time_ns() // 1_000_000}
    planned = last.with_name(str(number))
    # Hadoop's checksum of a plan that a kill left half done is not of this one.
    planned.with_name(f".{planned.name}.crc").unlink(missing_ok=True)
    write_whole(planned, "\n".join([version, json.dumps(body), *sources]))
    return True


def _news(read: Offsets, ends: Offsets) -> bool:
    return any(end > read.get(partition, 0) for partition, end in ends.items())
