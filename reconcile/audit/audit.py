"""One audit from start to end: which offsets a table holds twice, lacks, or cannot have, and which commits did it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.machine import parse_bytes
from plumbline.connect.pinned import connection, unless_current
from plumbline.contract.errors import UsageError
from plumbline.contract.generations import APART
from plumbline.reconcile.audit import findings as told
from plumbline.reconcile.audit.columns import Coordinates, coordinates
from plumbline.reconcile.audit.deletes import Deletes
from plumbline.reconcile.audit.document import Audit, Seen
from plumbline.reconcile.audit.entries import DATA, Life, Manifests, ancestors
from plumbline.reconcile.audit.holes import Kafka, note_holes
from plumbline.reconcile.audit.marks import Marks, unlike
from plumbline.reconcile.audit.past import Past, operation, past
from plumbline.reconcile.audit.presence import Groups, Placing, Tally, read
from plumbline.reconcile.audit.runs import Runs
from plumbline.reconcile.audit.topic import Topic
from plumbline.reconcile.diff.engine.spill_folder import spill_folder

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from plumbline.connect.lake import Lake

Say = Callable[[str], None]
_TOPIC_IDS = "plumbline.topic-ids."
BESIDE, LEAST = 345 * 10**6, 75 * 10**6
"""Bytes that the process takes beside DuckDB's, and the least that DuckDB sorts with."""


@dataclass(frozen=True)
class Request:
    """What is audited: a table at a snapshot (None: the current one), without what it had at `since` already.

    Columns as `plumbline.reconcile.audit.columns.coordinates` takes them. `topics` are asked for what the table lacks,
    at the brokers of `kafka` (client properties; None: nobody is asked). `archive` is another table of coordinates.
    """

    table: str
    topics: tuple[str, ...] = ()
    snapshot_id: int | None = None
    since: int | None = None
    partition: str | None = None
    offset: str | None = None
    topic: str | None = None
    archive: str | None = None
    kafka: Mapping[str, str] | None = field(default=None, repr=False)
    memory: str = "512MB"
    samples: int = 20


def audit(lake: Lake, asked: Request, out: Path | None = None, say: Say = lambda message: None) -> Audit:
    """Audit one table. `out`: a Parquet file for all findings.

    The snapshot is fixed before the topic's ends are asked, so that no row can lie beyond them because it came
    meanwhile. Raises UsageError and SetupError: no such table, snapshot, column or topic, files that cannot be read.
    """
    memory = _for_duckdb(asked.memory)
    with spill_folder("plumbline-audit") as folder, connection(f"{memory}B", folder) as con:
        work = _Work(con, lake, asked, say)
        result = work.run()
        if out is not None:
            con.execute(f"COPY (FROM {told.FINDINGS} ORDER BY ALL) TO ? (FORMAT parquet)", [str(out)])
        return result


def _for_duckdb(memory: str) -> int:
    """DuckDB's part of the memory, in bytes. Raises UsageError where next to nothing is left for it."""
    left = parse_bytes(memory) - BESIDE
    if left < LEAST:
        raise UsageError(
            f"memory {memory!r} is too little: Python, Arrow and a batch of rows alone take {BESIDE // 10**6} MB",
            next_step=f"give at least {(BESIDE + LEAST) // 10**6}MB",
        )
    return left


class _Work:
    """The steps of one audit over one connection."""

    def __init__(self, con: duckdb.DuckDBPyConnection, lake: Lake, asked: Request, say: Say) -> None:
        self.con, self.lake, self.asked, self.say = con, lake, asked, say
        self.table = lake.load(asked.table)
        self.snapshot = snapshot_of(self.table, asked.table, asked.snapshot_id)
        self.where = self._columns(self.table, self.snapshot)
        if self.where.topic is None and len(asked.topics) > 1:
            raise UsageError(
                f"{asked.table} has no column that names a row's topic; {len(asked.topics)} topics are given",
                where=asked.table,
                next_step="name the one topic, or the column with --topic-column",
            )
        self.groups = Groups(asked.topics[0] if self.where.topic is None and asked.topics else None)
        self.wanted = asked.topics if self.where.topic is not None and asked.topics else None
        self.placing = Placing(self.where, self.groups, self.wanted)
        self.manifests = Manifests(self.table, self.where)

    def run(self) -> Audit:
        since = self._since()
        now, tally = self._presence(self.table, self.manifests, self.snapshot, self.placing, "now")
        then = None if since is None else self._presence(self.table, self.manifests, since, self.placing, "then")
        topics = self._ask()
        marks = Marks(self.con)
        archived = self._archive()
        kafka = Kafka(topics, self._newest(tally, topics), self.groups)
        uneven = unlike(now, then[0] if then else None)
        note_holes(self.con, marks, uneven, (tally, then[1] if then else None), kafka, archived, now)
        marks.flush()
        for runs in (now, *([then[0]] if then else []), *([archived[0]] if archived else [])):
            runs.drop()
        known = self._past(marks)
        told.store(self.con, told.found(marks, known), self.groups.known)
        samples = told.samples(self.con, self.asked.samples)
        seen = Seen(self.table, self.asked, self.snapshot, self.where, self.groups, tally, kafka, self._twice())
        return seen.audit(told.counts(self.con), samples, told.commits(known, _ids(samples)), known)

    def _columns(self, table: Table, snapshot: Snapshot | None) -> Coordinates:
        wanted = unless_current(table, snapshot.snapshot_id) if snapshot else None
        schema = table.scan(snapshot_id=wanted).projection()
        asked = self.asked
        return coordinates(schema, asked.table, asked.partition, asked.offset, asked.topic)

    def _since(self) -> Snapshot | None:
        since, name = self.asked.since, self.asked.table
        if since is None or self.snapshot is None:
            return None
        found = snapshot_of(self.table, name, since)
        chain, _ = ancestors(self.table, self.snapshot)
        if found is None or since not in {one.snapshot_id for one in chain[:-1]}:
            raise UsageError(
                f"snapshot {since} did not lead to the audited one, {self.snapshot.snapshot_id}",
                where=name,
                next_step="give --since one of its ancestors",
            )
        return found

    def _presence(
        self, table: Table, manifests: Manifests, snapshot: Snapshot | None, placing: Placing, name: str
    ) -> tuple[Runs, Tally]:
        runs = Runs(self.con, f"runs_{name}")
        if snapshot is None:
            return runs, Tally()
        entries = manifests.live(snapshot)
        data = [entry for entry in entries if entry.content == DATA]
        deletes = Deletes(self.con, table, [Life(entry, 0) for entry in entries if entry.content != DATA], data)
        count = sum(entry.rows for entry in data)
        self.say(f"reading two columns of {count:,} rows in {len(data):,} files of {'.'.join(table.name())}")
        tally = read(table, data, deletes, placing, runs)
        deletes.drop()
        return runs, tally

    def _ask(self) -> dict[str, Topic]:
        kafka = self.asked.kafka
        return {} if kafka is None else {name: Topic.ask(kafka, name) for name in self.asked.topics}

    def _newest(self, tally: Tally, topics: Mapping[str, Topic]) -> dict[str, int]:
        """Which topic of its name each is, from 0, in tables that number the partitions of a recreated one again."""
        found = dict.fromkeys(topics, 0)
        for group in tally.rows:
            topic, partition = self.groups.known[group]
            if topic in found:
                found[topic] = max(found[topic], partition // APART)
        for name in topics:
            noted = self.table.properties.get(_TOPIC_IDS + name)
            found[name] = max(found[name], len(json.loads(noted)) - 1 if noted else 0)
        return found

    def _archive(self) -> tuple[Runs, Tally] | None:
        name = self.asked.archive
        if name is None:
            return None
        table = self.lake.load(name)
        snapshot = table.current_snapshot()
        schema = table.scan().projection()
        where = coordinates(schema, name)
        if (where.topic is None) != (self.where.topic is None) and self.groups.of_all is None:
            raise UsageError(
                f"only one of {self.asked.table} and {name} names the topic of a row",
                where=name,
                next_step="say which topic it is with --topic",
            )
        of_all = self.groups.of_all
        if where.topic is None and self.where.topic is not None:
            raise UsageError(
                f"{name} has no column that names a row's topic", where=name, next_step="give another archive"
            )
        placing = Placing(where, self.groups, (of_all,) if of_all is not None else self.wanted)
        return self._presence(table, Manifests(table, where), snapshot, placing, "archived")

    def _past(self, marks: Marks) -> Past | None:
        if self.snapshot is None:
            return None
        chain, _ = ancestors(self.table, self.snapshot)
        if not marks.need_past(deleted=any(operation(one) not in ("append", "replace") for one in chain)):
            return None
        self.say("reading which commits wrote and deleted the offsets that are doubled or lacking")
        history = self.manifests.history(self.snapshot)
        return past(self.con, self.table, history, self.placing, marks.runs, self.asked.since)

    def _twice(self) -> list[str]:
        """Data files that are listed more than once, so that every reader reads their rows as often."""
        entries = self.manifests.live(self.snapshot) if self.snapshot else []
        paths = [entry.path for entry in entries if entry.content == DATA]
        return sorted({path for path, n in _counted(paths).items() if n > 1})


def snapshot_of(table: Table, name: str, wanted: int | None) -> Snapshot | None:
    """The snapshot, None for a table without any. Raises UsageError for one that does not exist."""
    found = table.current_snapshot() if wanted is None else table.snapshot_by_id(wanted)
    if wanted is not None and found is None:
        recent = ", ".join(str(one.snapshot_id) for one in reversed(table.metadata.snapshots[-3:]))
        raise UsageError(
            f"snapshot {wanted} of {name} does not exist: it may have been expired",
            where=name,
            next_step=f"use one of its snapshots, the latest are {recent}" if recent else "the table has none yet",
        )
    return found


def _counted(paths: Sequence[str]) -> dict[str, int]:
    from collections import Counter

    return Counter(paths)


def _ids(samples: Sequence[Mapping[str, Any]]) -> set[int]:
    ids = {one["deleted_by"] for one in samples if one["deleted_by"] is not None}
    return ids | {number for one in samples for name in ("written_by", "passed_by") for number in one[name] or ()}
