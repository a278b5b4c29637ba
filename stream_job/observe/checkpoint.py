"""The checkpoint of a Spark query that is not ours, read file by file: in a folder, an object store or HDFS.

Offsets go by the topic that the log names, never by the place of a source in the plan: that changes with the order of a
join, and a plan may read more than the contract knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from plumbline.contract.errors import IncompleteError, SetupError
from plumbline.stream_job.observe.checkpoint_files import CheckpointFiles
from plumbline.stream_job.observe.operators_noted import operators_of

Ends = Mapping[str, Mapping[str, int]]
"""Topic to partition number (as text, as Spark writes it) to offset."""

POLICY = "spark.sql.streaming.multipleWatermarkPolicy"
ONE_WATERMARK = "spark.sql.streaming.statefulOperator.allowMultiple"
OPERATORS = "operators"
"""File in which a `Listener` notes the query's stateful operators; no checkpoint of Spark's has it."""
RUNS = "runs"
"""Folder in which a `Listener` notes the runs of the query; no checkpoint of Spark's has it."""


@dataclass(frozen=True)
class Batch:
    """One planned micro-batch: its watermark and the moment of planning (ms since 1970), and up to where it read.

    `twice` are the topics that more than one source reads, `waiting` says that a source had no offsets yet. `policy` is
    the rule by which Spark made one watermark of several.
    """

    number: int
    watermark_ms: int
    planned_at_ms: int
    ends: Ends
    twice: tuple[str, ...]
    waiting: bool
    policy: str


@dataclass(frozen=True)
class Run:
    """One run of the query: the first batch that was seen of it, and the newest of those that were copied `after` which
    it began. Which run the batches between the two are of is not known."""

    first: int
    after: int
    run_id: str
    spark_version: str


class Checkpoint:
    """One checkpoint at `place`, a folder or a URI. Nothing here writes."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._files = CheckpointFiles(place)

    def query_id(self) -> str:
        """The id of its query. Raises SetupError where there is no checkpoint, or none that can be read."""
        text = self._text("metadata")
        if text is None:
            raise SetupError(
                "there is no checkpoint of a Spark query: it has no file metadata",
                where=self.place,
                next_step="name the query's checkpointLocation as job.checkpoint, and give read access to it",
            )
        try:
            return str(UUID(json.loads(text)["id"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(f"{self.place}/metadata", error) from None

    def committed(self) -> list[int]:
        """The numbers of the committed batches that the checkpoint still holds, ascending.

        Raises SetupError where its log of commits is gone while that of its plans is not.
        """
        planned, committed = self._numbers("offsets"), self._numbers("commits")
        last, newest = max(planned, default=-1), max(committed, default=-1)
        if last > newest + 1 or newest > last:
            raise SetupError(
                f"the checkpoint is half deleted: the newest planned batch is {last}, the newest committed {newest}",
                where=self.place,
                next_step="name the checkpoint that the query uses; one that was copied in part tells nothing",
            )
        return committed

    def batch(self, number: int) -> Batch | None:
        """One planned batch; None when Spark has purged it. Raises IncompleteError for a file that is not whole."""
        text = self._text(f"offsets/{number}")
        if text is None:
            return None
        try:
            return _batch(number, text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(f"{self.place}/offsets/{number}", error) from None

    def begins(self) -> Ends:
        """Where the query began in each topic, as far as its Kafka sources have noted it (their initial offsets)."""
        found: dict[str, Mapping[str, int]] = {}
        for source in self._numbers("sources"):
            text = self._text(f"sources/{source}/0")
            try:
                found |= _topics((text or "").lstrip("\0").partition("\n")[2])
            except ValueError:
                continue
        return found

    def runs(self) -> list[Run]:
        """The runs of the query in order, where a `Listener` has noted them beside its copy."""
        found = []
        for first in self._numbers(RUNS):
            try:
                body = json.loads(self._text(f"{RUNS}/{first}") or "")
                found.append(Run(first, int(body["after"]), str(body["run_id"]), str(body["spark_version"])))
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def operators(self) -> tuple[str, ...] | None:
        """The names of the query's stateful operators by their number; None where it has not noted all of them,
        as before its first commit."""
        if not self._numbers("commits"):
            return None
        noted = self._text(OPERATORS)
        try:
            return operators_of(self._numbers, self._text) if noted is None else tuple(map(str, json.loads(noted)))
        except (ValueError, TypeError) as error:
            raise _damaged(f"{self.place}/{OPERATORS}", error) from None

    def _numbers(self, folder: str) -> list[int]:
        """Numbers that name entries of a folder; nothing of what is being written, whose name begins with a dot."""
        return sorted(int(name) for name in self._files.names(folder) if name.isdigit())

    def _text(self, name: str) -> str | None:
        """A file's text; None when it is not there."""
        content = self._files.content(name)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError as error:
            raise _damaged(f"{self.place}/{name}", error) from None


def _batch(number: int, text: str) -> Batch:
    """One file of Spark's OffsetSeqLog: version, metadata as JSON, then a line for each source of the plan."""
    version, told, *lines = text.splitlines()
    if version != "v1":
        raise ValueError(f"its format is {version[:20]!r}, known is v1")
    body: dict[str, Any] = json.loads(told)
    conf = body.get("conf", {})
    if str(conf.get(ONE_WATERMARK, "true")).lower() == "false":
        raise ValueError(f"the query runs with {ONE_WATERMARK} false, whose rule of lateness is another one")
    ends: dict[str, Mapping[str, int]] = {}
    twice = []
    for line in lines:
        for topic, read in _topics(line).items():
            twice += [topic] if topic in ends else []
            ends[topic] = read
    return Batch(
        number=number,
        watermark_ms=int(body["batchWatermarkMs"]),
        planned_at_ms=int(body["batchTimestampMs"]),
        ends=ends,
        twice=tuple(twice),
        waiting="-" in lines,
        policy=str(conf.get(POLICY, "min")),
    )


def _topics(line: str) -> dict[str, dict[str, int]]:
    """`{"topic": {"0": 12}}` of a Kafka source; nothing of a source without offsets yet, or one that is not Kafka."""
    body = None if line == "-" else json.loads(line)
    if not isinstance(body, dict) or not all(isinstance(read, dict) for read in body.values()):
        return {}
    return {str(topic): {str(int(p)): int(end) for p, end in read.items()} for topic, read in body.items()}


def _damaged(where: str, error: Exception) -> IncompleteError:
    return IncompleteError(
        f"the checkpoint's file is cut off, or of a version of Spark that is not known here: {error}",
        where=where,
        next_step="look whether the query itself still starts from this checkpoint; nothing was recorded from it",
    )
