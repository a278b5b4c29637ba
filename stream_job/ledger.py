"""The epoch ledger: what each micro-batch of the join read and which watermarks were in force.

Source of truth is the checkpoint's own offset log, which Spark purges after about a hundred batches. Each committed
batch is copied into an immutable JSON record beside the checkpoint, at every start, about once a second while the job
runs, and at its end; never from progress events, which a kill can lose.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from plumbline.connect.whole_file import write_whole
from plumbline.contract.errors import IncompleteError
from plumbline.contract.generations import Ids, ends_in
from plumbline.contract.lineage import SIDES
from plumbline.stream_job.topics import read_by

RECORD = re.compile(r"\d{12}\.json")
Offsets = dict[str, int]
"""Partition number (as text, as Spark writes it) to offset; see contract.generations for topics that were recreated."""


@dataclass(frozen=True)
class Epoch:
    """One committed micro-batch. Watermarks in ms since 1970; offsets per source in the join's order, left first.

    `topic_ids` are those of the topics that the source's name has had until then, oldest first. `spark_version` is that
    of the Spark which planned it; None where an earlier version of Plumbline, which did not note it, ran the job.
    `operators` are the stateful ones of a team's own query, see contract.operators.
    """

    epoch: int
    query_id: str
    run_id: str
    planned_at_ms: int
    late_watermark_ms: int
    evict_watermark_ms: int
    start: tuple[Offsets, Offsets]
    end: tuple[Offsets, Offsets]
    topic_ids: tuple[Ids, Ids] = ((), ())
    spark_version: str | None = None
    operators: str | None = None

    @property
    def no_data(self) -> bool:
        """Whether the batch read nothing: it only moved watermarks and closed windows."""
        return self.start == self.end


class Ledger:
    """The JSON records of one checkpoint, in the folder `ledger` beside it."""

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        self.folder = folder
        self.checkpoint = checkpoint
        self._last: int | None = None

    def begin_run(self, run_id: str, spark_version: str | None = None) -> None:
        """Note that a run starts after the last committed epoch. Call after `sync`, before the query starts."""
        first = self.last_epoch() + 1
        begun = {"run_id": run_id, "first_epoch": first, "spark_version": spark_version}
        _write_once(self.folder / "runs" / f"{first:012d}.json", begun, replace=True)

    def sync(self) -> int:
        """Copy committed batches that have no record yet; returns how many.

        Raises IncompleteError when a batch was purged before it could be copied: the ledger would have a gap.
        """
        query_id = self.query_id()
        if query_id is None:
            return 0
        last = self.last_epoch()
        committed = [n for n in _numbers(self.checkpoint / "commits") if n > last]
        previous = self.read(last) if committed and last >= 0 else None
        for number in committed:
            if number != last + 1:
                raise IncompleteError(
                    f"epoch {last + 1} was purged from the checkpoint before it reached the ledger",
                    where=str(self.checkpoint / "offsets"),
                    next_step="keep the job's spark.sql.streaming.minBatchesToRetain at 100 or more",
                )
            previous = self._record(number, query_id, previous)
            last = number
        return len(committed)

    def last_epoch(self) -> int:
        """Number of the newest recorded epoch, -1 when there is none. Lists the folder once, then asks for the next.

        A file that holds no record of its number, such as one that was cut off, is none.
        """
        if self._last is None or self._last < 0:
            self._last = next((n for n in reversed(self.numbers()) if self.valid(n) is not None), -1)
        while self._path(self._last + 1).exists() and self.valid(self._last + 1) is not None:
            self._last += 1
        return self._last

    def numbers(self) -> list[int]:
        """Numbers of the files that are named as records, ascending; other files in the folder are nobody's."""
        folder = self.folder / "epochs"
        names = os.listdir(folder) if folder.is_dir() else []
        return sorted(int(name[:12]) for name in names if RECORD.fullmatch(name))

    def valid(self, number: int) -> Epoch | None:
        """The record of one epoch; None when there is none, or when the file does not hold it."""
        try:
            body = json.loads(self._path(number).read_text())
            start, end = body.pop("start"), body.pop("end")
            left, right = (tuple(ids) for ids in body.pop("topic_ids", ((), ())))
            begun, ended = (dict(start[0]), dict(start[1])), (dict(end[0]), dict(end[1]))
            record = Epoch(**body, start=begun, end=ended, topic_ids=(left, right))
        except (FileNotFoundError, IsADirectoryError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return None
        return record if record.epoch == number else None

    def read(self, number: int) -> Epoch:
        """The record of one epoch. Raises IncompleteError when it is not there or not whole."""
        record = self.valid(number)
        if record is None:
            raise IncompleteError(
                f"the record of epoch {number} is gone or damaged",
                where=str(self._path(number)),
                next_step="the next start of the job brings it back from plumbline.epochs or the checkpoint's log",
            )
        return record

    def epochs(self, after: int = -1) -> Iterator[Epoch]:
        """Records with a number greater than `after`, in order."""
        for number in self.numbers():
            record = self.valid(number) if number > after else None
            if record is not None:
                yield record

    def set_aside(self, number: int) -> None:
        """Rename a file that is not a record; it is not deleted."""
        self._path(number).replace(self._path(number).with_suffix(".json.damaged"))
        self.forget_count()

    def forget_count(self) -> None:
        """List the folder again when the newest epoch is asked for again."""
        self._last = None

    def from_log(self, number: int, query_id: str) -> Epoch | None:
        """The record of an epoch as the checkpoint's log has it, if its neighbour before is recorded."""
        committed = (self.checkpoint / "commits" / str(number)).exists()
        previous = self.valid(number - 1) if number else None
        if not committed or (number and previous is None):
            return None
        try:
            return self._made(number, query_id, previous)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def planned(self) -> Epoch | None:
        """The epoch after the last recorded one as the checkpoint planned it, committed or not; None without a plan.

        Raises OSError or ValueError when the checkpoint's file of it is damaged.
        """
        last = self.last_epoch()
        query_id = self.query_id()
        if query_id is None or not (self.checkpoint / "offsets" / str(last + 1)).exists():
            return None
        return self._made(last + 1, query_id, self.read(last) if last >= 0 else None)

    def query_id(self) -> str | None:
        """The checkpoint's id; None when there is no checkpoint, or none that says it."""
        try:
            id = json.loads((self.checkpoint / "metadata").read_text())["id"]
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None
        return id if isinstance(id, str) else None

    def keep(self, record: Epoch) -> None:
        """Write a record that does not come from the checkpoint's own log; one that is there already stays."""
        _write_once(self._path(record.epoch), asdict(record))

    def _record(self, number: int, query_id: str, previous: Epoch | None) -> Epoch:
        try:
            record = self._made(number, query_id, previous)
        except (ValueError, KeyError, TypeError) as error:
            raise IncompleteError(
                f"the checkpoint's log of epoch {number} is damaged: {error}",
                where=str(self.checkpoint / "offsets" / str(number)),
                next_step="run `plumbline stream recover CONTRACT`; it rebuilds the checkpoint",
            ) from None
        self.keep(record)
        return record

    def _made(self, number: int, query_id: str, previous: Epoch | None) -> Epoch:
        watermark_ms, planned_at_ms, read = read_offsets(self.checkpoint / "offsets" / str(number))
        run_id, spark_version = self._run_of(number)
        left, right = (
            ends_in(read_by(self.checkpoint, side), number, ends) for side, ends in zip(SIDES, read, strict=True)
        )
        return Epoch(
            epoch=number,
            query_id=query_id,
            run_id=run_id,
            planned_at_ms=planned_at_ms,
            late_watermark_ms=previous.evict_watermark_ms if previous else 0,
            evict_watermark_ms=watermark_ms,
            start=previous.end if previous else ({}, {}),
            end=(left[1], right[1]),
            topic_ids=(left[0], right[0]),
            spark_version=spark_version,
        )

    def _run_of(self, number: int) -> tuple[str, str | None]:
        """The run that planned an epoch, and its Spark."""
        starts = [n for n in _numbers(self.folder / "runs") if n <= number]
        if not starts:
            return "unknown", None
        try:
            begun = json.loads((self.folder / "runs" / f"{max(starts):012d}.json").read_text())
            return str(begun["run_id"]), begun.get("spark_version")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "unknown", None

    def _path(self, number: int) -> Path:
        return self.folder / "epochs" / f"{number:012d}.json"


def read_offsets(path: Path) -> tuple[int, int, tuple[Offsets, Offsets]]:
    """Watermark, planning time and end offsets (left, right) in one file of Spark's OffsetSeqLog (version 1)."""
    version, metadata, left, right = path.read_text().splitlines()
    if version != "v1":
        raise IncompleteError(f"offset log version {version!r} is unknown", where=str(path))
    body = json.loads(metadata)
    return int(body["batchWatermarkMs"]), int(body["batchTimestampMs"]), (_partitions(left), _partitions(right))


def _partitions(line: str) -> Offsets:
    """`{"topic":{"0":12}}` as {"0": 12}; `-` (the source had nothing yet) as {}."""
    if line == "-":
        return {}
    body: dict[str, Offsets] = json.loads(line)
    return next(iter(body.values()), {})


def _numbers(folder: Path) -> list[int]:
    """Numbers that name the files of `folder`, with or without `.json`; ascending."""
    if not folder.is_dir():
        return []
    return sorted(int(stem) for stem in (name.removesuffix(".json") for name in os.listdir(folder)) if stem.isdigit())


def _write_once(path: Path, body: object, *, replace: bool = False) -> None:
    """Write `body` so that a reader sees all of it or nothing, also after a crash; keep what is there already."""
    if path.exists() and not replace:
        return
    write_whole(path, json.dumps(body))
