"""What the commits did to the offsets that are doubled or lacking: read from the files that may have held them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from plumbline.reconcile.audit import rows
from plumbline.reconcile.audit.deletes import Deletes
from plumbline.reconcile.audit.entries import Entry, History, Life
from plumbline.reconcile.audit.origins import Fact, Story, Writer, story
from plumbline.reconcile.audit.presence import Placing, Tally
from plumbline.reconcile.audit.runs import I64, Runs, encoded

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.table import Table

MOST_LOOKED_UP = 2_000_000
"""So many stretches are held in memory to leave out runs that touch none of them."""


@dataclass
class Past:
    """Facts about the marked offsets as runs whose tags are numbers of `kinds`: (born, died, origin).

    `unread`: files that are gone, of commits that are still known. `since`: index of the commit whose faults are known
    already.
    """

    history: History
    runs: Runs
    unread: int = 0
    since: int = -1
    kinds: list[tuple[int, int | None, Writer | None]] = field(default_factory=list)
    _numbers: dict[tuple[int, int | None, Writer | None], int] = field(default_factory=dict)
    _stories: dict[frozenset[tuple[int, int]], Story] = field(default_factory=dict)
    strangers: list[int | None] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Nothing is missing of what led to the snapshot: what no fact tells of was never there."""
        return self.history.whole and self.clear

    @property
    def clear(self) -> bool:
        """What the known commits did is read without exception."""
        return not self.unread

    def tag(self, born: int, died: int | None, origin: Writer | None) -> int:
        """The number of a kind of fact."""
        key = (born, died, origin)
        if key not in self._numbers:
            self._numbers[key] = len(self.kinds)
            self.kinds.append(key)
        return self._numbers[key]

    def story(self, active: dict[int, int]) -> Story:
        """What the runs over a stretch tell (tag to copies); computed once for all stretches that are alike."""
        key = frozenset((tag, copies) for tag, copies in active.items() if tag >= 0)
        if key not in self._stories:
            self._stories[key] = story(
                Fact(born, died, copies, origin) for tag, copies in key for born, died, origin in [self.kinds[tag]]
            )
        return self._stories[key]

    def origin(self, life: Life) -> Writer | None:
        """Where the file's rows come from, as far as it cannot be told from what is known: older than the chain."""
        oldest = self.history.chain[0]
        if self.history.whole or life.born > 0:
            return None
        adder = life.entry.adder
        if adder == oldest.snapshot_id and operation(oldest) == "append":
            return None
        if adder not in self.strangers:
            self.strangers.append(adder)
        return (-1 - self.strangers.index(adder), False)

    def snapshot_id(self, writer: int) -> int | None:
        """The snapshot behind a number of a story."""
        return self.strangers[-1 - writer] if writer < 0 else int(self.history.chain[writer].snapshot_id)


def operation(snapshot: object) -> str:
    """The snapshot's operation as Iceberg names it."""
    summary = getattr(snapshot, "summary", None)
    return str(summary.operation.value) if summary is not None else "unknown"


def past(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    history: History,
    placing: Placing,
    marked: Runs,
    since: int | None = None,
) -> Past:
    """The facts about all offsets under the `marked` runs, and about the one behind each of them.

    `since` is the id of the snapshot whose faults are known already.
    """
    ids = [one.snapshot_id for one in history.chain]
    found = Past(history, Runs(con, "facts"), since=-1 if since is None else ids.index(since))
    wanted = _Wanted(con, marked)
    deletes = Deletes(con, table, history.deletes, (life.entry for life in history.data))
    lives: dict[Entry, list[Life]] = {}
    for life in history.data:
        lives.setdefault(life.entry, []).append(life)
    for entry, mine in lives.items():
        if wanted.touches(entry):
            try:
                _read(found, table, entry, mine, deletes, placing, wanted)
            except rows.Unreadable:
                found.unread += 1
    deletes.drop()
    return found


def _read(
    found: Past, table: Table, entry: Entry, lives: list[Life], deletes: Deletes, placing: Placing, wanted: _Wanted
) -> None:
    deaths = {live: deletes.of(entry, live) for live in {life.died is None for life in lives}}
    for batch in rows.batches(table, entry, placing.where):
        group, offset, row = placing.placed(batch, Tally(), np.ones(len(batch), np.bool_))
        for life in lives:
            died = _deaths(batch, *deaths[life.died is None])[row]
            for moment in np.unique(died):
                of_life = life.died if moment < 0 else int(moment)
                if life.died is not None and of_life is not None:
                    of_life = min(of_life, life.died)
                if of_life is not None and of_life <= life.born:
                    continue  # deleted in the commit that wrote it: nobody ever saw it
                mine = died == moment
                tag = found.tag(life.born, of_life, found.origin(life))
                found.runs.add(*wanted.of(*encoded(group[mine], offset[mine])), tag)


def _deaths(batch: rows.Batch, positions: I64, commits: I64) -> I64:
    """The commit that deleted each row of the batch; -1: none did."""
    died = np.full(len(batch), -1, np.int64)
    low, high = np.searchsorted(positions, [batch.start, batch.start + len(batch)])
    died[positions[low:high] - batch.start] = commits[low:high]
    return died


class _Wanted:
    """The marked stretches, each with the offset behind it, to leave out files and runs that touch none of them."""

    def __init__(self, con: duckdb.DuckDBPyConnection, marked: Runs) -> None:
        [(rows, low, high)] = con.execute(f"SELECT count(*), min(s), max(e) FROM {marked.name}").fetchall()
        self._low, self._high = low, high
        self._by_group: dict[int, tuple[I64, I64]] | None = None
        if rows <= MOST_LOOKED_UP:
            self._by_group = dict(_merged(con, marked))

    def touches(self, entry: Entry) -> bool:
        """Whether the file may have such an offset, by its bounds."""
        if self._low is None:
            return False
        low, high = entry.low, entry.high
        if low is None or high is None:
            return True
        if self._by_group is None:
            return bool(low <= self._high and high >= self._low)
        return any(_hit(starts, ends, low, high + 1) for starts, ends in self._by_group.values())

    def of(self, group: I64, start: I64, end: I64) -> tuple[I64, I64, I64]:
        """Those of the runs that touch a stretch."""
        if self._by_group is None or len(group) == 0:
            return group, start, end
        keep = np.zeros(len(group), np.bool_)
        for number in np.unique(group):
            mine = group == number
            if int(number) in self._by_group:
                starts, ends = self._by_group[int(number)]
                keep[mine] = np.searchsorted(ends, start[mine], "right") < np.searchsorted(starts, end[mine], "left")
        return group[keep], start[keep], end[keep]


def _hit(starts: I64, ends: I64, low: int, high: int) -> bool:
    return bool(np.searchsorted(ends, low, "right") < np.searchsorted(starts, high, "left"))


def _merged(con: duckdb.DuckDBPyConnection, marked: Runs) -> Iterator[tuple[int, tuple[I64, I64]]]:
    """Each group's stretches, in order and apart."""
    for (group,) in con.execute(f"SELECT DISTINCT g FROM {marked.name}").fetchall():
        read = con.sql(f"SELECT s, e + 1 AS e FROM {marked.name} WHERE g = {int(group)} ORDER BY s").to_arrow_table()
        start, end = read["s"].to_numpy(), np.maximum.accumulate(read["e"].to_numpy())
        apart = np.concatenate([[True], start[1:] > end[:-1]])
        last = np.concatenate([np.flatnonzero(apart)[1:] - 1, [len(start) - 1]])
        yield int(group), (start[apart], end[last])
