"""The `_metadata` file of one Flink checkpoint, read without a cluster: its number, and where each Kafka split stood.

Layout: Flink's MetadataV3Serializer to MetadataV6Serializer and the base class of both; big-endian, texts as Java's
writeUTF. The split: KafkaPartitionSplitSerializer, version 0, below the list state `SourceReaderState` of a source.
Keyed state is stepped over, never read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from plumbline.contract.errors import IncompleteError, SetupError

MAGIC, VERSIONS = 0x4960672D, (3, 4, 5, 6)
MASTER_MAGIC = 0xC96B1696
READER_STATE = "SourceReaderState"
MARKER_MIN = -3
"""Where a split has no offset yet the serializer has -1 (latest), -2 (earliest) or -3 (committed)."""
NO_STOP = -(2**63)
"""Offset at which a split ends that is read for ever."""

Splits = dict[tuple[str, int], int]
Opener = Callable[[str], bytes]


@dataclass(frozen=True)
class FlinkCheckpoint:
    """`ends`: (topic, partition) to the first offset that was not read, -1 to -3 where it has not read any.

    `twice` are splits that several sources of the job hold, `operators` the names of the job's operators, where told.
    """

    checkpoint_id: int
    ends: Mapping[tuple[str, int], int]
    twice: tuple[tuple[str, int], ...]
    operators: tuple[str, ...]


def read_metadata(data: bytes, where: str, beside: Opener | None = None) -> FlinkCheckpoint:
    """Decode the file. `beside` reads another file of the checkpoint, by its relative or absolute path.

    Raises SetupError for a format that is not known here or an unaligned checkpoint, IncompleteError for a file that is
    cut off or damaged.
    """
    try:
        return _read(_Reader(data), where, beside or _none)
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise IncompleteError(
            f"the checkpoint's _metadata is cut off or damaged: {error}",
            where=where,
            next_step="wait for the next checkpoint, or name a folder whose chk-N/_metadata is whole",
        ) from None


@dataclass
class _Reader:
    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise ValueError(f"{count} bytes are expected at {self.at}, it has {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> int:
        return int(struct.unpack(f">{form}", self.take(struct.calcsize(f">{form}")))[0])

    def size(self) -> int:
        count = self.number("i")
        if count < 0 or count > len(self.data):
            raise ValueError(f"{count} entries are said to follow at {self.at}")
        return count

    def text(self) -> str:
        return self.take(self.number("H")).decode()


@dataclass
class _Job:
    """What was collected while stepping through the operators."""

    where: str
    beside: Opener
    ends: Splits = field(default_factory=dict)
    twice: list[tuple[str, int]] = field(default_factory=list)
    operators: list[str] = field(default_factory=list)


def _read(file: _Reader, where: str, beside: Opener) -> FlinkCheckpoint:
    magic, version = file.number("I"), file.number("i")
    if magic != MAGIC:
        raise _unknown(where, "the file is not the _metadata of a Flink checkpoint")
    if version not in VERSIONS:
        raise _unknown(where, f"the _metadata has format {version}, known are {VERSIONS[0]} to {VERSIONS[-1]}")
    checkpoint_id = file.number("q")
    for _ in range(file.size()):
        if file.number("I") != MASTER_MAGIC:
            raise ValueError("a master state does not begin as one")
        file.take(file.size())
    job = _Job(where, beside)
    for _ in range(file.size()):
        _operator(file, version, job)
    if version >= 4 and file.take(2) != b"\xac\xed":
        raise ValueError("no properties follow the operators")
    if version == 3 and file.at != len(file.data):
        raise ValueError(f"{len(file.data) - file.at} bytes follow the operators")
    return FlinkCheckpoint(checkpoint_id, job.ends, tuple(job.twice), tuple(job.operators))


def _operator(file: _Reader, version: int, job: _Job) -> None:
    if version >= 5:
        job.operators.append(file.text())
        file.text()
    file.take(16 + 8)
    _stream(file, job)
    mine: Splits = {}
    subtasks = file.number("i")
    for _ in range(max(0, subtasks)):
        if file.number("i") >= 0:
            _subtask(file, job, mine)
    job.twice += sorted(set(mine) & set(job.ends))
    job.ends |= mine


def _subtask(file: _Reader, job: _Job, found: Splits) -> None:
    for _ in ("managed", "raw"):
        if file.number("i"):
            _operator_state(file, job, found)
    for _ in ("managed", "raw"):
        _keyed(file, job)
    if file.number("i") or file.number("i"):
        raise SetupError(
            "the checkpoint is unaligned: records that were read before it can have been joined after it",
            where=job.where,
            next_step="set execution.checkpointing.unaligned.enabled: false for the job, and observe from there on",
        )


def _operator_state(file: _Reader, job: _Job, found: Splits) -> None:
    kind = file.number("b")
    if kind == 0:
        return
    if kind != 4:
        raise _unknown(job.where, f"it has operator state of kind {kind}, which is not known here")
    places: dict[str, list[int]] = {}
    for _ in range(file.size()):
        name = file.text()
        file.take(1)
        places[name] = [file.number("q") for _ in range(file.size())]
    held = _stream(file, job, wanted=READER_STATE in places)
    for place in places.get(READER_STATE, ()):
        topic, partition, offset = _split(_Reader(held, place), job.where)
        found[topic, partition] = offset


def _split(state: _Reader, where: str) -> tuple[str, int, int]:
    state.take(4)
    version, length = state.number("i"), state.size()
    if version != 0:
        raise _unknown(where, f"a source's split has format {version}, known is Kafka's 0")
    body = _Reader(state.take(length))
    topic, partition, offset, stop = body.text(), body.number("i"), body.number("q"), body.number("q")
    if body.at != length or partition < 0 or offset < MARKER_MIN:
        raise _unknown(where, "a source's split is not one of the Kafka connector")
    if stop != NO_STOP:
        raise _unknown(where, f"the source of {topic} is bounded: where it stood is forgotten when it is done")
    return topic, partition, offset


def _keyed(file: _Reader, job: _Job) -> None:
    """Step over keyed state: of the heap backend (3, 12; 7 in a savepoint) or of RocksDB (5, 11)."""
    kind = file.number("b")
    if kind == 0:
        return
    if kind in (3, 7, 12):
        file.take(4)
        file.take(8 * file.size())
        _stream(file, job)
        if kind == 12:
            file.text()
    elif kind in (5, 11):
        file.take(8)
        file.text()
        file.take(8 + 8)
        _stream(file, job)
        for _ in ("shared", "private"):
            for _ in range(file.size()):
                file.text()
                _stream(file, job)
        if kind == 11:
            file.text()
    else:
        raise _unknown(job.where, f"it has keyed state of kind {kind}, which is not known here")


def _stream(file: _Reader, job: _Job, *, wanted: bool = False) -> bytes:
    """Step over a handle of bytes; what it holds where that is `wanted`."""
    kind = file.number("b")
    if kind == 1:
        file.text()
        return file.take(file.size())
    if kind == 2:
        file.take(8)
        path = file.text()
    elif kind == 6:
        path = file.text()
        file.take(8)
    elif kind == 0:
        return b""
    else:
        raise _unknown(job.where, f"it holds state in a handle of kind {kind}, which is not known here")
    return job.beside(path) if wanted else b""


def _none(path: str) -> bytes:
    raise ValueError(f"the offsets are in a file of their own, {path}, which cannot be read")


def _unknown(where: str, what: str) -> SetupError:
    return SetupError(
        what, where=where, next_step="see docs/adopt-flink.md for the versions of Flink whose checkpoints can be read"
    )
