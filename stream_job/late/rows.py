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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import text
from plumbline.connect.table_names import LATE
from plumbline.connect.tables import LATE_SCHEMA
from plumbline.contract.identity import identity
from plumbline.contract.lineage import SIDES
from plumbline.stream_job.late.judging import Judge
from plumbline.stream_job.late.looking import ROWS_AT_ONCE, Looking
from plumbline.stream_job.late.spans import Places, begun, parts, queries, read_until, spans, spans_table, whole
from plumbline.stream_job.ledger import Epoch, Ledger

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract, Source

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
        con = pinned.connection(MEMORY, threads=1)
        try:
            found = self._look_through(con, epochs)
        finally:
            con.close()
        due = found or at_end or time.monotonic() - self.written_at > NOTE_EVERY_SECONDS
        if due and self.through != self.persisted:
            self._write()
        return found

    def _look_through(self, con: duckdb.DuckDBPyConnection, epochs: Sequence[Epoch]) -> int:
        """Write what is late in these epochs; returns how many rows the table lacked."""
        now, found = self.lake.held(), 0
        ends = [self._archived(con, now, name, side, epochs) for side, name in enumerate(self._names)]
        for query in queries(epochs):
            for part in parts(query):
                sides = (self._look(con, now, name, side, part) for side, name in enumerate(self._names))
                found += self._append(chain.from_iterable(sides))
            for side, name in enumerate(self._names):
                read = {int(p): end for p, end in query[-1].end[side].items()}
                self.seen[query[0].query_id, name] = {p: min(end, ends[side].get(p, 0)) for p, end in read.items()}
        self._advance(epochs, ends)
        return found

    def _append(self, found: Iterable[pa.Table]) -> int:
        """Write rows of both sides, few at a time and in few commits; returns how many."""
        import pyarrow as pa

        kept, written = list[pa.Table](), 0
        for rows in chain(found, [None]):
            kept += [rows] if rows is not None else []
            number = sum(table.num_rows for table in kept)
            if number and (rows is None or number >= ROWS_AT_ONCE):
                self.lake.append(LATE, pa.concat_tables(kept), {"plumbline.contract": self.contract.contract})
                kept, written = [], written + number
        return written

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

    def _archived(
        self, con: duckdb.DuckDBPyConnection, now: Lake, name: str, side: int, epochs: Sequence[Epoch]
    ) -> Places:
        """Where the archive of a source ends in each partition, as far as it holds anything of these epochs."""
        source, beginning, ended = self.contract.sources[name], begun(epochs, side), read_until(epochs, side)
        if not beginning or not now.exists(source.archive):
            return {}
        newest = {partition: end - 1 for partition, end in ended.items() if end > beginning[partition]}
        found = _ends(con, now, source, newest)
        all_there = all(found.get(partition, 0) > last for partition, last in newest.items())
        return found if all_there else _ends(con, now, source, beginning)

    def _look(
        self, con: duckdb.DuckDBPyConnection, now: Lake, name: str, side: int, epochs: Sequence[Epoch]
    ) -> Iterator[pa.Table]:
        """The late rows of one source from consecutive epochs of one query that the table lacks."""
        source, query_id = self.contract.sources[name], epochs[0].query_id
        unseen = list(spans(epochs, side, self.seen.get((query_id, name), {})))
        if not unseen or not now.exists(source.archive):
            return
        con.register("spans", spans_table(unseen))
        looking = Looking(now, self.contract, name, con, query_id, self.judge)
        looking.find(unseen)
        if looking.any and source.event_id is not None:
            looking.leave_out_copies(list(spans(epochs, side, {})), begun(epochs, side))
        if looking.any:
            yield from looking.rows(SIDES[side])

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


def _ends(con: duckdb.DuckDBPyConnection, now: Lake, source: Source, at: Places) -> Places:
    """Where the archive ends in each partition in which it holds anything from these offsets on."""
    beyond = " or ".join(f"(partition == {partition} and offset >= {start})" for partition, start in at.items())
    if not beyond:
        return {}
    columns = ("topic", "partition", "offset")
    pinned.scan(con, now, source.archive, view="archived", row_filter=beyond, columns=columns, schema="archive")
    ended = f'SELECT partition, max("offset") + 1 FROM archived WHERE topic = {text(source.topic)} GROUP BY ALL'
    return {int(partition): int(end) for partition, end in con.execute(ended).fetchall()}


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
