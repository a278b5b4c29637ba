"""The join's checkpoint between two lives: is it sound, was it lost, and putting a rebuilt one in its place.

`plumbline stream recover` rebuilds a checkpoint in the folder `recover` beside the lost one. When it is proven, the
file `ready.json` says so, and from then on the exchange is only ever finished: by the same command, or by the next
start of the job. What was there before is moved to `given-up/<id>`, never deleted.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.table_names import EPOCHS
from plumbline.contract.commit_properties import EPOCH_ID, QUERY_ID
from plumbline.contract.errors import SetupError, UnreachableError, UsageError
from plumbline.contract.model import Contract
from plumbline.stream_job import epochs, isolation
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.ledger import Ledger
from plumbline.stream_job.mending import mend

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake

STATE_FILE = re.compile(r"(\d+)(?:_[^.]+)?\.(delta|snapshot|zip|changelog)")
WHOLE = ("snapshot", "zip")
"""State files that hold everything; the others hold what changed since the version before."""

NO_STORES = ("_", "SSTs", "logs")
"""Folders of a partition that belong to its stores; where it has no other one, it is the one store itself."""

EXCHANGED = ("join", "ledger", "layouts", "contract.json", isolation.FILE)
"""What belongs to one life of the join, by its name in the job's folder."""


@dataclass(frozen=True)
class Exchange:
    """The folders of one recovery: what is built, and where the old goes."""

    job: JobFolder

    @property
    def folder(self) -> Path:
        """All that a recovery makes before it is proven."""
        return self.job.root / "recover"

    @property
    def built(self) -> JobFolder:
        """The new checkpoint and its ledger."""
        return JobFolder(self.folder / "new")

    @property
    def old_ledger(self) -> Ledger:
        """What the old life's ledger lacks in `plumbline.epochs`."""
        return Ledger(self.folder / "old-ledger", self.job.join)

    @property
    def ready(self) -> Path:
        """Written last, when the new checkpoint is proven: `{"id", ...}`."""
        return self.folder / "ready.json"

    def finish(self, lake: Lake, contract: Contract) -> dict[str, Any] | None:
        """Put a proven checkpoint in place and publish both ledgers; returns its record, None when none is ready.

        Every step can be repeated. Call it as the owner of the job's folder.
        """
        if not self.ready.exists():
            return None
        record: dict[str, Any] = json.loads(self.ready.read_text())
        aside = self.job.root / "given-up" / str(record["id"])
        aside.mkdir(parents=True, exist_ok=True)
        epochs.publish(lake, contract, self.old_ledger)
        for name in EXCHANGED:
            new, here = self.built.root / name, self.job.root / name
            if new.exists():
                if here.exists():
                    here.rename(aside / name)
                new.rename(here)
        # A recovery that an earlier version proved brings the archivers' checkpoints too.
        for archiver in sorted(self.built.root.glob("archive-*")):
            if not (self.job.root / archiver.name).exists():
                archiver.rename(self.job.root / archiver.name)
        epochs.publish(lake, contract, self.job.ledger)
        self.ready.rename(aside / "recovery.json")
        shutil.rmtree(self.folder, ignore_errors=True)
        return record


def settle(lake: Lake, contract: Contract, job: JobFolder) -> None:
    """Before the job starts: finish an exchange that a kill interrupted, and refuse a checkpoint that went back.

    A join that starts over on a filled table would write every row twice; one on an older checkpoint would leave rows
    out, because the sink skips epochs that the table already holds. Raises SetupError; UnreachableError only when
    nobody can say whether a checkpoint was lost.
    """
    Exchange(job).finish(lake, contract)
    with suppress(UnreachableError):  # a record is missed at the next start again
        mend(lake, contract, job.ledger)
    try:
        reason = went_back(lake, contract, job)
    except UnreachableError:
        if query_id_of(job.join) is None:
            raise
        reason = None
    if reason:
        _refuse_other_writer(lake, contract, job)
        raise SetupError(
            reason, where=str(job.join), next_step="run `plumbline stream recover CONTRACT`; it rebuilds the checkpoint"
        )


def _refuse_other_writer(lake: Lake, contract: Contract, job: JobFolder) -> None:
    """Raise UsageError when the stream table's rows are another contract's, as the published ledger knows."""
    table = contract.output.stream_table
    written = last_sink_epoch(lake.load(table)) if query_id_of(job.join) is None and lake.exists(table) else None
    other = epochs.writer(lake, written[0]) if written else None
    if other is not None and other != contract.contract:
        raise UsageError(
            f"{table} holds the rows of contract {other}: two writers would mix their rows in it",
            where=contract.place(("output", "stream_table")) or "output.stream_table",
            next_step="name another table as output.stream_table",
        )


def went_back(lake: Lake, contract: Contract, job: JobFolder) -> str | None:
    """Why the checkpoint stands behind what the job has done already, None when it does not."""
    table = contract.output.stream_table
    written = last_sink_epoch(lake.load(table)) if lake.exists(table) else None
    query_id, newest = query_id_of(job.join), max(numbers(job.join / "offsets"), default=-1)
    if query_id is None:
        return f"the join's checkpoint is gone, but {table} holds its rows" if written else None
    if newest < job.ledger.last_epoch():
        return f"the join's checkpoint ends at epoch {newest}, the ledger at {job.ledger.last_epoch()}"
    if written and written[0] == query_id and newest < written[1]:
        return f"the join's checkpoint ends at epoch {newest}, {table} holds epoch {written[1]}"
    # The folder may be an older copy as a whole, its ledger too: the published one still knows.
    published = epochs.newest(lake, contract)
    if published and published["query_id"] == query_id and newest < published["epoch"]:
        return f"the join's checkpoint ends at epoch {newest}, {EPOCHS} holds epoch {published['epoch']}"
    if published and written and query_id != written[0] == published["query_id"]:
        return f"{table} was last written from another checkpoint ({written[0]}) than this one ({query_id})"
    return None


def damage(lake: Lake, contract: Contract, job: JobFolder) -> str | None:
    """Why the join cannot go on from its checkpoint, as far as its files tell; None when it looks sound."""
    reason = went_back(lake, contract, job)
    if reason or query_id_of(job.join) is None:
        return reason or "there is no checkpoint of the join"
    try:
        planned = numbers(job.join / "offsets")
        for number in planned[-2:]:
            read_log(job.join / "offsets" / str(number))
        committed = [n for n in numbers(job.join / "commits") if n in (planned[-1:] + planned[-2:-1])]
        for number in committed:
            read_log(job.join / "commits" / str(number))
    except (OSError, ValueError) as error:
        return f"the checkpoint's log is unreadable: {error}"
    if planned and not committed and planned[-1] > 0:
        return "the checkpoint's commit log is gone"
    broken = next(_broken_stores(job.join / "state", committed[-1] + 1), None) if committed else None
    return f"the state of epoch {committed[-1]} is incomplete: {broken}" if broken else None


def last_sink_epoch(table: Table) -> tuple[str, int] | None:
    """`(query id, epoch)` of the newest snapshot that a streaming query committed to the table."""
    from pyiceberg.table.snapshots import ancestors_of

    for snapshot in ancestors_of(table.current_snapshot(), table.metadata):
        summary: Mapping[str, str] = snapshot.summary.additional_properties if snapshot.summary else {}
        if QUERY_ID in summary and EPOCH_ID in summary:
            return summary[QUERY_ID], int(summary[EPOCH_ID])
    return None


def _broken_stores(state: Path, version: int) -> Iterator[str]:
    """State stores whose files do not lead to `version`: a whole one, then each change up to it."""
    partitions = [path for path in state.glob("*/*") if path.name.isdigit()]
    if not partitions:
        yield f"{state} is empty"
    for partition in partitions:
        inner = [path for path in partition.iterdir() if path.is_dir() and not path.name.startswith(NO_STORES)]
        for store in inner or [partition]:
            found: dict[int, set[str]] = {}
            for match in filter(None, (STATE_FILE.fullmatch(path.name) for path in store.iterdir())):
                found.setdefault(int(match[1]), set()).add(match[2])
            number = version
            while number > 0 and found.get(number) and not found[number] & set(WHOLE):
                number -= 1
            if number > 0 and not found.get(number):
                yield f"version {number} of {store.relative_to(state)}"


def read_log(path: Path) -> None:
    """Raise ValueError when a file of Spark's offset or commit log is not whole: a version, then JSON lines."""
    version, *lines = path.read_text().splitlines()
    if not version.startswith("v") or not lines:
        raise ValueError(f"{path.parent.name}/{path.name} is cut off")
    for line in lines:
        if line != "-":
            json.loads(line)


def query_id_of(checkpoint: Path) -> str | None:
    """The id of the query that a checkpoint belongs to; None when it is gone or unreadable."""
    try:
        found = json.loads((checkpoint / "metadata").read_text())
    except (OSError, ValueError):
        return None
    id = found.get("id") if isinstance(found, dict) else None
    return id if isinstance(id, str) else None


def numbers(folder: Path) -> list[int]:
    """Numbers of the batches in a folder of Spark's log, ascending."""
    return sorted(int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit())
