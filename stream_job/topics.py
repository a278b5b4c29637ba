"""Which topic a source is read from: its id is noted in the archive and in each checkpoint, another one is refused.

The archive's table property `plumbline.topic-ids.<topic>` lists the ids of the topics that had this name, oldest first;
a checkpoint's file `topics.json` says the same of what it has read, and from which epoch on. See contract.generations
for how partition numbers tell their records apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect.whole_file import write_whole
from plumbline.contract.errors import SetupError
from plumbline.contract.generations import Generation, Ids, placed
from plumbline.contract.model import Contract, Source
from plumbline.stream_job.same_records import ADOPT, refuse_ends_before, refuse_other_records

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.stream_job.job_folder import JobFolder

PROPERTY = "plumbline.topic-ids."
FILE = "topics.json"


def noted(lake: Lake, source: Source) -> Ids:
    """The ids of the topics whose records the archive holds, oldest first; empty where nothing is noted."""
    if not lake.exists(source.archive):
        return ()
    body = lake.load(source.archive).properties.get(PROPERTY + source.topic)
    return tuple(json.loads(body)) if body else ()


def note(lake: Lake, source: Source, ids: Ids) -> None:
    """Note in the archive from which topics it is made; the table must exist."""
    lake.set_properties(source.archive, {PROPERTY + source.topic: json.dumps(ids)})


def read_by(checkpoint: Path, part: str) -> tuple[Generation, ...]:
    """The topics that a part of the checkpoint has read, oldest first; empty where nothing is noted.

    `part` is `left` or `right` of the join's checkpoint, `archive` of an archiver's.
    """
    try:
        body = json.loads((checkpoint / FILE).read_text())
        return tuple(Generation(**each) for each in body.get(part, ()))
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError, AttributeError) as error:
        raise SetupError(
            f"the checkpoint's record of its topics is unreadable: {error}",
            where=str(checkpoint / FILE),
            next_step="restore the file from a backup, or `plumbline stream recover CONTRACT --force`",
        ) from None


def write(checkpoint: Path, read: Mapping[str, Iterable[Generation]]) -> None:
    """Note in a checkpoint which topics it reads; whole or not at all."""
    body = {part: [asdict(each) for each in generations] for part, generations in read.items()}
    write_whole(checkpoint / FILE, json.dumps(body))


def note_read(checkpoint: Path, ids: Mapping[str, Ids]) -> None:
    """Note what a checkpoint without a note reads from now on, and the id of a topic that had none before."""
    kept = {part: read_by(checkpoint, part) for part in ids}
    told = {part: _told(kept[part], now) for part, now in ids.items()}
    if told != kept:
        write(checkpoint, told)


def _told(read: tuple[Generation, ...], ids: Ids) -> tuple[Generation, ...]:
    if len(read) != len(ids):
        return fresh(ids)
    return tuple(replace(each, topic_id=each.topic_id or topic_id) for each, topic_id in zip(read, ids, strict=True))


def fresh(ids: Ids) -> tuple[Generation, ...]:
    """What a checkpoint notes that has read nothing yet, of a source with these topics."""
    return tuple(Generation(topic_id) for topic_id in ids)


def ids_of(read: Iterable[Generation]) -> Ids:
    """The topics' ids."""
    return tuple(generation.topic_id for generation in read)


def agreed(lake: Lake, kafka: Mapping[str, str], source: Source, read: Ids = ()) -> Ids:
    """The ids of the source's topics, as archive (or without one, a checkpoint that has `read` them) and broker agree.

    Notes them in an archive that exists. Raises SetupError when the broker has another topic of this name.
    """
    from plumbline.connect.kafka_topics import topic_ids

    now, held = topic_ids(kafka, [source.topic]).get(source.topic), noted(lake, source)
    known = held or read or (None,)
    if known[-1] is None:
        # Nothing was noted, or the broker gave no ids then: the records must show that it is the same topic.
        refuse_other_records(lake, kafka, source, known)
        known = (*known[:-1], now)
    if now is not None and now != known[-1]:
        raise recreated(kafka, source.topic, known[-1], now)
    if known != held and known != (None,) and lake.exists(source.archive):
        note(lake, source, known)
    return known


def refuse_unturned(job: JobFolder, contract: Contract, ids: Mapping[str, Ids]) -> None:
    """Raise SetupError when the join's checkpoint stands in an older topic than the archive of a source."""
    for side, name, source in sides(contract):
        read = read_by(job.join, side) or (None,)
        if (job.join / "metadata").exists() and len(read) != len(ids[name]):
            raise SetupError(
                f"the join's checkpoint has read an older topic {source.topic} than the current one",
                where=str(job.join),
                next_step=ADOPT,
            )


def sides(contract: Contract) -> tuple[tuple[str, str, Source], tuple[str, str, Source]]:
    """(left or right, the source's name, the source), left first."""
    return ("left", contract.join.left, contract.left), ("right", contract.join.right, contract.right)


def refuse_read_beyond(job: JobFolder, contract: Contract, kafka: Mapping[str, str], ids: Mapping[str, Ids]) -> None:
    """Raise SetupError when the join has read more than a topic holds."""
    for name, read in joined_to(job, contract).items():
        refuse_ends_before(kafka, contract.sources[name], read, len(ids[name]) - 1)


def joined_to(job: JobFolder, contract: Contract) -> dict[str, dict[int, int]]:
    """Source to `{partition number: offset}` up to which the join has read it; empty before its first epoch."""
    last = job.ledger.last_epoch()
    if last < 0:
        return {}
    ends = zip(sides(contract), job.ledger.read(last).end, strict=True)
    return {name: {int(partition): end for partition, end in read.items()} for (_, name, _), read in ends}


def recreated(kafka: Mapping[str, str], topic: str, before: str | None, now: str) -> SetupError:
    """The refusal of a topic with another id."""
    return SetupError(
        f"topic {topic} was deleted and recreated: its id is {now}, what was read until now had {before}",
        where=f"bootstrap.servers={kafka['bootstrap.servers']}",
        next_step=ADOPT,
    )


def ends_now(contract: Contract, kafka: Mapping[str, str], job: JobFolder) -> dict[str, dict[int, int]]:
    """Source to `{partition number: offset that the next event will get}`.

    Raises UnreachableError and SetupError as Kafka, SetupError for a topic that was recreated since the join read it.
    """
    from plumbline.connect.kafka import end_offsets

    found = {}
    refuse_recreated(contract, kafka, job)
    for side, name, source in sides(contract):
        generation = max(0, len(read_by(job.join, side)) - 1)
        found[name] = {placed(p, generation): end for p, end in end_offsets(kafka, source.topic).items()}
    return found


def refuse_recreated(
    contract: Contract, kafka: Mapping[str, str], job: JobFolder, within_seconds: float = 10.0
) -> None:
    """Raise SetupError for a topic that was recreated since the join read it, UnreachableError without a broker."""
    from plumbline.connect.kafka_topics import topic_ids

    now = topic_ids(kafka, [source.topic for source in contract.sources.values()], within_seconds)
    for side, _, source in sides(contract):
        read, topic_id = ids_of(read_by(job.join, side)) or (None,), now.get(source.topic)
        if topic_id is not None and read[-1] not in (None, topic_id):
            raise recreated(kafka, source.topic, read[-1], topic_id)


def recreated_topics(contract: Contract, home: Home, lake: Lake, within_seconds: float = 2.0) -> list[str]:
    """What to tell of topics that are not those of the archives any more, where a broker answers at once."""
    from plumbline.connect import broker
    from plumbline.connect.kafka_topics import topic_ids

    there = None if contract.kafka else broker.status(home)
    kafka = dict(contract.kafka or ({"bootstrap.servers": there.bootstrap_servers} if there else {}))
    known = {source.topic: ids[-1] for source in contract.sources.values() if (ids := noted(lake, source))}
    if not kafka or not any(known.values()):
        return []
    try:
        now = topic_ids(kafka, known, within_seconds)
    except SetupError:
        return []
    return [
        f"topic {topic} was deleted and recreated, and nothing of the new one was read: {ADOPT}"
        for topic, topic_id in known.items()
        if topic_id is not None and now.get(topic) not in (None, topic_id)
    ]


def reach(kafka: Mapping[str, str], topic: str, ids: Ids) -> tuple[dict[int, int], dict[int, int]]:
    """(earliest, end) offsets of the topic that is there now, by partition number."""
    from plumbline.connect.kafka import earliest_offsets, end_offsets

    generation = max(0, len(ids) - 1)
    earliest, latest = earliest_offsets(kafka, topic), end_offsets(kafka, topic)
    return {placed(p, generation): at for p, at in earliest.items()}, {
        placed(p, generation): end for p, end in latest.items()
    }
