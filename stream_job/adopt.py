"""Going on with topics that were recreated: the archive notes the new ids, the join's checkpoint turns to their begin.

The state of the join stays, so that what the old topic brought still finds its matches. Every step can be repeated: a
start of the job refuses a change that is not whole.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from plumbline.contract.errors import SetupError, UnreachableError, UsageError
from plumbline.contract.foreign_job import refuse_job_of_theirs
from plumbline.contract.generations import Generation, Ids, of_topic
from plumbline.contract.model import Contract, Source
from plumbline.stream_job import fingerprint, same_records, topics
from plumbline.stream_job.checkpoint_health import last_sink_epoch, numbers, query_id_of
from plumbline.stream_job.job_folder import JobFolder

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.stream_job.document_types import AdoptedTopic, AdoptTopicDocument

RECOVER: Final = "recover"
"""What an adoption that cannot turn the checkpoint leaves to do."""


@dataclass(frozen=True)
class Recreated:
    """One source whose topic was recreated. `ids` are those of all its topics with the new one, oldest first.

    `read` and `archived` are the ends up to which the one before was read and archived, `begins` the first offsets of
    the new one, each by Kafka's own partition.
    """

    side: str
    name: str
    topic: str
    ids: Ids
    read: Mapping[int, int]
    archived: Mapping[int, int]
    begins: Mapping[int, int]

    def as_json(self) -> AdoptedTopic:
        unread = {p: (self.read.get(p, 0), end) for p, end in self.archived.items() if end > self.read.get(p, 0)}
        lacking = {p: (self.archived.get(p, 0), end) for p, end in self.read.items() if end > self.archived.get(p, 0)}
        return {
            "topic": self.topic,
            "was": self.ids[-2],
            "is": self.ids[-1],
            "read_until": {str(p): end for p, end in sorted(self.read.items())},
            "archived_until": {str(p): end for p, end in sorted(self.archived.items())},
            "begins_at": {str(p): first for p, first in sorted(self.begins.items())},
            "archived_and_never_read": {str(p): list(span) for p, span in sorted(unread.items())},
            "read_and_never_archived": {str(p): list(span) for p, span in sorted(lacking.items())},
        }


def adopt(contract: Contract, home: Home, *, execute: bool, named: Collection[str] = ()) -> AdoptTopicDocument:
    """Let stream and archive go on with the topics that were recreated, from their beginning; without `execute` say so.

    `named` are sources whose topics were recreated though the broker tells no ids. Returns
    `{"contract", "executed", "sources", "left"}`; `left` is `recover` when the join's checkpoint must also be rebuilt.
    Raises SetupError when no topic was recreated, UsageError for a source that the contract does not have.
    """
    from plumbline.connect.embedded import kafka_properties
    from plumbline.connect.lake import Lake

    refuse_job_of_theirs(contract, "stream adopt-topic", "begin with new archives and another contract name")
    if other := sorted(set(named) - set(contract.sources)):
        raise UsageError(f"the contract has no source {other[0]!r}", next_step=f"one of {', '.join(contract.sources)}")
    job = JobFolder.of(contract, home)
    with job.owned():
        fingerprint.refuse_other_job(job.fingerprint, contract)
        lake, kafka = Lake.open(home, contract.catalog), kafka_properties(contract.kafka, home)
        job.ledger.sync()
        found = [
            topic
            for part in topics.sides(contract)
            if (topic := _recreated(lake, kafka, job, *part, named)) is not None
        ]
        if not found:
            raise SetupError(
                "no topic of the contract was recreated",
                where=f"bootstrap.servers={kafka['bootstrap.servers']}",
                next_step="`plumbline stream run CONTRACT` continues; if the broker reports no ids, give --source",
            )
        left: Literal["recover"] | None = None if _turnable(lake, contract, job, found) else RECOVER
        if execute:
            for topic in found:
                if lake.exists(contract.sources[topic.name].archive):
                    topics.note(lake, contract.sources[topic.name], topic.ids)
            if left is None:
                _turn(contract, job, found)
    sources = {topic.name: topic.as_json() for topic in found}
    return {"contract": contract.contract, "executed": execute, "sources": sources, "left": left}


def _recreated(
    lake: Lake,
    kafka: Mapping[str, str],
    job: JobFolder,
    side: str,
    name: str,
    source: Source,
    named: Collection[str],
) -> Recreated | None:
    """What is to be adopted of one source; None when its topic is the one that was read."""
    from plumbline.connect.kafka import topic_partitions
    from plumbline.connect.kafka_topics import topic_ids

    topic_partitions(kafka, source.topic)
    now = topic_ids(kafka, [source.topic])[source.topic]
    read, noted = topics.ids_of(topics.read_by(job.join, side)) or (None,), topics.noted(lake, source)
    known = noted if len(noted) >= len(read) else read
    other = _is_other(lake, kafka, source, known) if known[-1] is None else now not in (None, known[-1])
    if not other and name not in named and len(known) == len(read):
        return None
    ids = (*known, now) if other or (name in named and len(known) == len(read)) else known
    generation = len(ids) - 2
    last = job.ledger.last_epoch()
    ends = job.ledger.read(last).end[("left", "right").index(side)] if last >= 0 else {}
    earliest = topics.reach(kafka, source.topic, (None,))[0]
    return Recreated(
        side,
        name,
        source.topic,
        ids,
        of_topic({int(partition): end for partition, end in ends.items()}, generation),
        of_topic(same_records.archived(lake, source), generation),
        earliest,
    )


def _is_other(lake: Lake, kafka: Mapping[str, str], source: Source, known: Ids) -> bool:
    """Whether a topic without an id holds other records than its archive."""
    try:
        same_records.refuse_other_records(lake, kafka, source, known)
    except UnreachableError:
        raise
    except SetupError:
        return True
    return False


def _turnable(lake: Lake, contract: Contract, job: JobFolder, found: Collection[Recreated]) -> bool:
    """Whether the checkpoint can go on from its last committed epoch.

    Not when the table holds the rows of a later one that read the old topics: its state cannot be made any more.
    """
    planned, committed = _newest(job)
    if planned == committed or not _reads(job, planned, committed, found):
        return True
    table = contract.output.stream_table
    written = last_sink_epoch(lake.load(table)) if lake.exists(table) else None
    return written != (query_id_of(job.join), planned)


def _turn(contract: Contract, job: JobFolder, found: Collection[Recreated]) -> None:
    """Turn the checkpoint's log to the new topics' beginning: first the log, then the note that makes it whole."""
    if query_id_of(job.join) is None:
        return
    planned, committed = _newest(job)
    if planned > committed and _reads(job, planned, committed, found):
        _remove(job.join / "offsets" / str(planned))
        planned = committed
    for number in {planned, committed} - {-1}:
        _rewrite(job.join / "offsets" / str(number), found)
    # Where a query begins that has no batch yet; Spark writes it again.
    for path in (job.join / "sources").glob("*/*"):
        path.unlink()
    ends = job.ledger.read(committed).end if committed >= 0 else ({}, {})
    read = {}
    for (side, _, _), end in zip(topics.sides(contract), ends, strict=True):
        kept = topics.read_by(job.join, side) or (Generation(None),)
        topic = next((each for each in found if each.side == side), None)
        more = topic.ids[len(kept) :] if topic else ()
        first = topic.ids[: len(kept)] if topic else ()
        named = [
            Generation(old.topic_id or known, old.epoch, old.before) for old, known in zip(kept, first, strict=False)
        ]
        read[side] = [*(named or kept), *(Generation(topic_id, committed + 1, end) for topic_id in more)]
    topics.write(job.join, read)


def _newest(job: JobFolder) -> tuple[int, int]:
    """The newest planned and committed epochs of the join; -1 for none."""
    planned, committed = (max(numbers(job.join / log), default=-1) for log in ("offsets", "commits"))
    return planned, committed


def _reads(job: JobFolder, planned: int, committed: int, found: Collection[Recreated]) -> bool:
    """Whether the planned epoch reads a record of a topic that no longer exists."""
    if committed < 0:
        return True
    before, after = (
        (job.join / "offsets" / str(number)).read_text().splitlines()[2:] for number in (committed, planned)
    )
    return any(before[_line(topic)] != after[_line(topic)] for topic in found)


def _rewrite(path: Path, found: Collection[Recreated]) -> None:
    """Let an epoch of the log end where the new topics begin."""
    lines = path.read_text().splitlines()
    for topic in found:
        if lines[2 + _line(topic)] != "-":
            begins = {str(partition): first for partition, first in topic.begins.items()}
            lines[2 + _line(topic)] = json.dumps({topic.topic: begins})
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text("\n".join(lines))
    draft.replace(path)
    _forget_checksum(path)


def _line(topic: Recreated) -> int:
    return ("left", "right").index(topic.side)


def _remove(path: Path) -> None:
    path.unlink()
    _forget_checksum(path)


def _forget_checksum(path: Path) -> None:
    """Remove Hadoop's checksum of what the file was before."""
    for checksum in (path.with_name(f".{path.name}.crc"), path.with_name(f"{path.name}.crc")):
        checksum.unlink(missing_ok=True)
