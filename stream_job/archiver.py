"""Where an archiver goes on: from its checkpoint while that and the archive agree, else from the archive's own end.

The archive itself says what it holds, whatever happened to the checkpoint's folder: a lost one would archive every
record a second time, and with an older copy the sink skips epochs that the table already holds, and their records.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.contract.generations import Ids
from plumbline.stream_job.checkpoint_health import last_sink_epoch, numbers, query_id_of, read_log
from plumbline.stream_job.topics import read_by

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True)
class Begin:
    """Where an archiver without a checkpoint starts in each partition; `gone` are offsets [start, end) between the
    archive's end and the first offset that the topic still holds."""

    offsets: Mapping[int, int]
    gone: Mapping[int, tuple[int, int]]


def begin(archived: Mapping[int, int], earliest: Mapping[int, int]) -> Begin:
    """From the archive's end in each of the topic's partitions; from the beginning of one that it does not know."""
    offsets = {partition: max(first, archived.get(partition, first)) for partition, first in earliest.items()}
    gone = {p: (archived[p], first) for p, first in earliest.items() if archived.get(p, first) < first}
    return Begin(offsets, gone)


def disagreement(table: Table, checkpoint: Path, ids: Ids) -> str | None:
    """Why an archiver's checkpoint does not stand where the archive of these topics does; None when it does."""
    query_id, written = query_id_of(checkpoint), last_sink_epoch(table)
    if len(read_by(checkpoint, "archive") or (None,)) != len(ids):
        return "the topic was recreated since"
    if query_id is None:
        return "there is no checkpoint" if table.current_snapshot() else None
    planned, committed = (max(numbers(checkpoint / log), default=-1) for log in ("offsets", "commits"))
    if written is None:
        return None if table.current_snapshot() is None and committed < 0 else "the archive has no epoch of it"
    if written[0] != query_id:
        return "the archive was last written from another one"
    if not committed <= planned <= committed + 1 or written[1] not in (committed, planned):
        return f"it ends at epoch {planned}, the archive at {written[1]}"
    try:
        for log, number in (("offsets", planned), ("commits", committed)):
            if number >= 0:
                read_log(checkpoint / log / str(number))
    except (OSError, ValueError) as error:
        return f"it is unreadable: {error}"
    return None


def put_aside(checkpoint: Path) -> Path | None:
    """Move a checkpoint to the folder `given-up` beside it; None when there is nothing."""
    if not checkpoint.exists():
        return None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = checkpoint.parent / "given-up" / f"{checkpoint.name}-{stamp}-{uuid.uuid4().hex[:6]}"
    aside.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(checkpoint, aside)
    return aside


def read_to(checkpoint: Path) -> dict[int, int]:
    """`{partition: offset}` up to which an archiver's last committed epoch read its topic; empty where no log tells,
    which the archiver's own start mends."""
    done = max(numbers(checkpoint / "commits"), default=-1)
    log = checkpoint / "offsets" / str(done)
    try:
        read_log(log)
        (ends,) = json.loads(log.read_text().splitlines()[-1]).values()
    except (OSError, ValueError):
        return {}
    return {int(partition): int(end) for partition, end in ends.items()}
