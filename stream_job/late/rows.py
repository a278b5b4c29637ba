"""What the stream dropped as late, taken out of the archive into a table of its own: each event once.

An epoch's record says which offsets it read and which watermark was in force; the archive has the records. Both are
there soon after the epoch was committed, and no batch run is needed. An epoch counts as looked at when the archive
holds all that it read: what an archive that lags behind does not have yet is looked for again. Rows are written by
difference with what the table holds, so that it may be killed and repeated; a property of the table says up to where
was looked, to read little.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import text
from plumbline.connect.table_names import LATE
from plumbline.connect.tables import LATE_SCHEMA
from plumbline.contract.identity import identity
from plumbline.contract.lineage import SIDES
from plumbline.stream_job.late.judging import Judge
from plumbline.stream_job.late.looking import Looking
from plumbline.stream_job.late.spans import Places, begun, parts, queries, spans, spans_table, whole
from plumbline.stream_job.ledger import Epoch, Ledger

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

LOOKED_AT = "plumbline.late-through."
"""Table property, with the contract's identity behind it: query id to the epoch up to which all was looked at."""

PROPERTIES = {"write.metadata.delete-after-commit.enabled": "true", "write.metadata.previous-versions-max": "20"}
NOTE_EVERY_SECONDS = 60.0
"""The least time between two writes of the property alone."""
LOOK_EVERY_SECONDS, COMMIT_EVERY_SECONDS = 15.0, 60.0
"""The least time between two looks, and after one that found rows: each commit is a snapshot more."""
SHARE = 0.03
"""How much of its time a process may spend on looking."""
MEMORY = "256MB"


@dataclass
class LateRows:
    """The late rows of one contract's stream. One process at a time writes them, as it does the ledger.

    `judge` says what only Spark can tell of a source's `where`; without it such rows are written as unsure.
    `through` is what was looked at, `persisted` what of it the table says. `seen` is up to where archives were looked
    at, by query and source: Spark and every archiver append a partition in the order of its offsets.
    """

    lake: Lake
    contract: Contract
    judge: Judge | None = None
    through: dict[str, int] = field(default_factory=dict)
    persisted: dict[str, int] | None = None
    seen: dict[tuple[str, str], Places] = field(default_factory=dict)
    written_at: float = float("-inf")

    def note(self, ledger: Ledger, *, at_end: bool = False) -> int:
        """Write the late rows of the epochs that are not looked at yet, as far as the archives have them.

        Returns how many. Safe to repeat. `at_end`: note in any case up to where was looked.
        """
        told = looked_at(self.lake, self.contract)
        if told != self.persisted:  # at first, and where it was told to look again
            self.through, self.persisted, self.seen = dict(told), told, {}
        epochs = self._open(ledger)
        if not epochs:
            return 0
        self.lake.ensure_table(LATE, LATE_SCHEMA, properties=PROPERTIES)
        self.lake.evolve(LATE, LATE_SCHEMA)
        now = self.lake.held()
        ends = [self._archived(now, name, side, epochs) for side, name in enumerate(self._names)]
        found = 0
        for query in queries(epochs):
            for part in parts(query):
                found += sum(self._look(now, name, side, part) for side, name in enumerate(self._names))
            for side, name in enumerate(self._names):
                read = {int(p): end for p, end in query[-1].end[side].items()}
                self.seen[query[0].query_id, name] = {p: min(end, ends[side].get(p, 0)) for p, end in read.items()}
        self._advance(epochs, ends)
        due = found or at_end or time.monotonic() - self.written_at > NOTE_EVERY_SECONDS
        if due and self.through != self.persisted:
            self._write()
        return found

    @property
    def _names(self) -> tuple[str, str]:
        return self.contract.join.left, self.contract.join.right

    def _open(self, ledger: Ledger) -> list[Epoch]:
        """The recorded epochs that are not looked at to their end."""
        last = ledger.last_epoch()
        newest = ledger.valid(last) if last >= 0 else None
        if newest is None:
            return []
        recorded = ledger.epochs(after=self.through.get(newest.query_id, -1))
        return [epoch for epoch in recorded if epoch.epoch > self.through.get(epoch.query_id, -1)]

    def _archived(self, now: Lake, name: str, side: int, epochs: Sequence[Epoch]) -> Places:
        """Where the archive of a source ends in each partition, as far as it holds anything of these epochs."""
        source, beginning = self.contract.sources[name], begun(epochs, side)
        if not beginning or not now.exists(source.archive):
            return {}
        beyond = " or ".join(f"(partition == {partition} and offset >= {at})" for partition, at in beginning.items())
        con = pinned.connection(MEMORY, threads=1)
        try:
            columns = ("topic", "partition", "offset")
            pinned.scan(con, now, source.archive, view="archived", row_filter=beyond, columns=columns, schema="archive")
            rows = con.execute(
                f'SELECT partition, max("offset") + 1 FROM archived WHERE topic = {text(source.topic)} GROUP BY ALL'
            ).fetchall()
        finally:
            con.close()
        return {int(partition): int(end) for partition, end in rows}

    def _look(self, now: Lake, name: str, side: int, epochs: Sequence[Epoch]) -> int:
        """Write the late rows of one source from consecutive epochs of one query; returns how many the table lacked."""
        source, query_id = self.contract.sources[name], epochs[0].query_id
        unseen = list(spans(epochs, side, self.seen.get((query_id, name), {})))
        if not unseen or not now.exists(source.archive):
            return 0
        con = pinned.connection(MEMORY, threads=1)
        try:
            con.register("spans", spans_table(unseen))
            looking = Looking(now, self.contract, name, con, query_id, self.judge)
            looking.find(unseen)
            if looking.any and source.event_id is not None:
                looking.leave_out_copies(list(spans(epochs, side, {})), begun(epochs, side))
            return looking.write(self.lake, SIDES[side]) if looking.any else 0
        finally:
            con.close()

    def _advance(self, epochs: Sequence[Epoch], ends: Sequence[Places]) -> None:
        """Move to the last epoch of each query up to which the archives hold all that was read."""
        for query in queries(epochs):
            for epoch in query:
                if not whole(epoch, ends):
                    break
                self.through[epoch.query_id] = epoch.epoch

    def _write(self) -> None:
        self.lake.set_properties(LATE, {LOOKED_AT + identity(self.contract): json.dumps(self.through, sort_keys=True)})
        self.persisted, self.written_at = dict(self.through), time.monotonic()


def next_look(begun: float, found: int) -> float:
    """The moment of the next look after one that began at `begun` (time.monotonic) and found so many rows."""
    now = time.monotonic()
    return now + max(COMMIT_EVERY_SECONDS if found else LOOK_EVERY_SECONDS, (now - begun) / SHARE)


def looked_at(lake: Lake, contract: Contract) -> dict[str, int]:
    """Query id to the epoch up to which all late rows are in the table; empty where nothing was looked at."""
    if not lake.exists(LATE):
        return {}
    try:
        body = json.loads(lake.load_now(LATE).properties.get(LOOKED_AT + identity(contract), "{}"))
        return {str(query): int(epoch) for query, epoch in body.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def look_again(lake: Lake, contract: Contract) -> None:
    """Let the next look begin at the first epoch: the archive got records in the midst of what it holds."""
    if looked_at(lake, contract):
        lake.set_properties(LATE, {LOOKED_AT + identity(contract): "{}"})
