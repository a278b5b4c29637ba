"""Random histories of a table of Kafka coordinates, and what is true of them by a model of single rows.

The model follows every row by itself, with the commit that first wrote it; it knows nothing of runs, files' bounds or
counts, by which the audit comes to the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from tests.support.written_tables import FLAT, File, WrittenTable

PARTITIONS = (0, 1, 7)


@dataclass(frozen=True, order=True)
class Row:
    """One row, wherever it lies: its coordinates, the commit that first wrote it, and a number of its own."""

    partition: int
    offset: int
    origin: int
    number: int


Rows = tuple[Row, ...]


@dataclass(frozen=True)
class State:
    """A snapshot: its files (by position in the table's list) with their rows in order, and which rows are deleted."""

    files: tuple[tuple[File, Rows], ...] = ()
    deleted: frozenset[tuple[str, int, int]] = frozenset()
    parent: int | None = None

    def rows(self) -> list[Row]:
        return [row for file, rows in self.files for n, row in enumerate(rows) if not self.is_deleted(file, n)]

    def is_deleted(self, file: File, position: int) -> bool:
        return (file.path, file.added_by, position) in self.deleted


@dataclass
class Truth:
    """What an audit must say: copies and writers of doubled offsets; of each hole who deleted it, or who came next."""

    doubled: dict[tuple[int, int], tuple[int, frozenset[int]]] = field(default_factory=dict)
    holes: dict[tuple[int, int], tuple[int | None, frozenset[int]]] = field(default_factory=dict)


@dataclass
class RandomHistory:
    """Commits drawn by `random` into `table`; `states` are the snapshots by id. `single` allows commits that delete one
    of several copies: which of them it was cannot always be known."""

    table: WrittenTable
    random: Random
    single: bool = False
    states: dict[int, State] = field(default_factory=dict)
    ends: Counter[int] = field(default_factory=Counter)
    _numbers: count[int] = field(default_factory=count)

    @property
    def now(self) -> State:
        return self.states[self.table.current] if self.table.current else State()

    def play(self, commits: int) -> None:
        """Draw so many commits, and publish the table."""
        self.append()
        kinds = [self.append, self.append, self.append, self.compact, self.delete_by_copy, self.delete_by_position,
                 self.delete_by_value, self.roll_back, self.list_twice, self.lose]  # fmt: skip
        for _ in range(commits):
            self.random.choice(kinds)()

    def append(self) -> None:
        """New rows of some partitions: behind the last one, with a gap, or from before it again."""
        files = []
        for _ in range(self.random.choice([1, 1, 2])):
            rows: list[tuple[int, int]] = []
            for partition in self.random.sample(PARTITIONS, self.random.choice([1, 1, 2])):
                start = max(0, self.ends[partition] + self.random.choice([0, 0, 0, 0, 3, -4, -9]))
                length = self.random.randint(1, 12)
                rows += [(partition, start + n) for n in range(length)]
                self.ends[partition] = max(self.ends[partition], start + length)
            if self.random.random() < 0.3:
                self.random.shuffle(rows)
            files.append(rows)
        self._commit("append", [[self._new(*row) for row in rows] for rows in files])

    def compact(self) -> None:
        """Some files become one or two others with the same rows."""
        chosen = self._some_files()
        rows = [row for file, row in self._live(chosen)]
        if not rows:
            return
        self.random.shuffle(rows) if self.random.random() < 0.3 else rows.sort()
        cut = self.random.randint(1, len(rows)) if self.random.random() < 0.4 else len(rows)
        self._commit("replace", [part for part in (rows[:cut], rows[cut:]) if part], chosen)

    def lose(self) -> None:
        """A rewrite that forgets rows."""
        if self.random.random() < 0.3:
            chosen = self._some_files()
            rows = [row for _, row in self._live(chosen)]
            gone = {row[:2] for row in map(_key, rows) if self.random.random() < 0.2}
            everywhere = {_key(row) for row in self.now.rows() if row not in rows}
            kept = [row for row in rows if _key(row) not in gone - everywhere]
            if len(kept) < len(rows):
                self._commit("replace", [kept] if kept else [], chosen)

    def delete_by_copy(self) -> None:
        """Copy on write: files that hold rows to be deleted are written again without them."""
        doomed = self._doomed()
        chosen = [file for file, rows in self.now.files if any(row in doomed for row in rows)]
        kept = [row for _, row in self._live(chosen) if row not in doomed]
        if chosen:
            operation = "overwrite" if kept else "delete"
            self._commit(operation, [kept] if kept else [], chosen)

    def delete_by_position(self) -> None:
        """Merge on read: the rows stay in their files, and a file of deletes names them."""
        doomed = self._doomed()
        named = {
            (file.path, n)
            for file, rows in self.now.files
            for n, row in enumerate(rows)
            if row in doomed and not self.now.is_deleted(file, n)
        }
        new: dict[str, list[int]] = {}
        for path, n in sorted(named):
            new.setdefault(path, []).append(n)
        # A position names a path: of a file that is listed twice, the row is gone from both.
        deleted = {(file.path, file.added_by, n) for file, _ in self.now.files for n in new.get(file.path, ())}
        deleted |= self.now.deleted
        if not new:
            return
        undelete = []
        if self.table.version == 3:  # one vector for each file, which takes the place of the one before
            before = {path for path in new if any(one == path for one, _, _ in self.now.deleted)}
            for path in before:
                new[path] = sorted({n for one, _, n in deleted if one == path})
            old = self.table.deletes[self.table.current or 0]
            undelete = [file for file in old if self._vectors.get(file.path) in before]
        files = self.table.position_deletes(new)
        if self.table.version == 3:
            self._vectors |= {file.path: path for file, path in zip(files, new, strict=True)}
        self._commit("delete", [], [], files, undelete, frozenset(deleted))

    def delete_by_value(self) -> None:
        """Equality deletes: all rows with some coordinates are gone, and may come again in a later commit."""
        if self.table.schema is not FLAT:
            self.delete_by_position()
        elif doomed := {_key(row) for row in self._doomed()}:
            gone = {
                (file.path, file.added_by, n)
                for file, rows in self.now.files
                for n, row in enumerate(rows)
                if _key(row) in doomed
            }
            file = self.table.equality_deletes(sorted(doomed))
            self._commit("delete", [], [], [file], (), self.now.deleted | gone)

    _vectors: dict[str, str] = field(default_factory=dict)

    def roll_back(self) -> None:
        """The table goes back to a snapshot before; what came after no longer counts."""
        chain = self.chain()
        if len(chain) > 1 and self.random.random() < 0.6:
            self.table.current = self.random.choice(chain[:-1])
            if self.random.random() < 0.5:
                self.ends = Counter()
                for row in self.now.rows():
                    self.ends[row.partition] = max(self.ends[row.partition], row.offset + 1)

    def list_twice(self) -> None:
        """A data file is added again, as a sink does whose coordinator commits twice."""
        files = [
            file for file, rows in self.now.files if not any(self.now.is_deleted(file, n) for n in range(len(rows)))
        ]
        if not files or self.random.random() < 0.6:
            return
        file = self.random.choice(files)
        rows = next(rows for one, rows in self.now.files if one == file)
        again = [self._new(row.partition, row.offset) for row in rows]
        snapshot = self.table.commit("append", [file])
        self._note(snapshot, [(self.table.live[snapshot][-1], tuple(again))], ())

    def chain(self) -> list[int]:
        """The snapshots up to the current one, oldest first."""
        found, at = [], self.table.current
        while at is not None:
            found.append(at)
            at = self.states[at].parent
        return found[::-1]

    def _new(self, partition: int, offset: int) -> Row:
        return Row(partition, offset, -1, next(self._numbers))

    def _some_files(self) -> list[File]:
        files = [file for file, _ in self.now.files]
        return self.random.sample(files, min(len(files), self.random.randint(1, 3)))

    def _live(self, files: Iterable[File]) -> list[tuple[File, Row]]:
        chosen = {(file.path, file.added_by) for file in files}
        return [
            (file, row)
            for file, rows in self.now.files
            if (file.path, file.added_by) in chosen
            for n, row in enumerate(rows)
            if not self.now.is_deleted(file, n)
        ]

    def _doomed(self) -> set[Row]:
        rows = self.now.rows()
        if not rows:
            return set()
        if self.single and self.random.random() < 0.5:
            return {self.random.choice(rows)}
        at = self.random.choice(rows)
        low, high = at.offset, at.offset + self.random.randint(0, 5)
        return {row for row in rows if row.partition == at.partition and low <= row.offset <= high}

    def _commit(
        self,
        operation: str,
        add: list[list[Row]],
        remove: Iterable[File] = (),
        deletes: list[File] | None = None,
        undelete: Iterable[File] = (),
        deleted: frozenset[tuple[str, int, int]] | None = None,
    ) -> None:
        gone = list(remove)
        files = [self.table.file([_key(row) for row in rows], bounds=self.random.random() < 0.8) for rows in add]
        snapshot = self.table.commit(operation, files, gone, deletes or [], list(undelete))
        new = self.table.live[snapshot][len(self.table.live[snapshot]) - len(files) :]
        self._note(snapshot, list(zip(new, map(tuple, add), strict=True)), gone, deleted)

    def _note(
        self,
        snapshot: int,
        new: list[tuple[File, Rows]],
        gone: Iterable[File],
        deleted: frozenset[tuple[str, int, int]] | None = None,
    ) -> None:
        parent = self.table.snapshots[-1].get("parent-snapshot-id")
        before = self.states[parent] if parent else State()
        lost = {(file.path, file.added_by) for file in gone}
        kept = [(file, rows) for file, rows in before.files if (file.path, file.added_by) not in lost]
        named = [
            (file, tuple(Row(r.partition, r.offset, snapshot if r.origin < 0 else r.origin, r.number) for r in rows))
            for file, rows in new
        ]
        self.states[snapshot] = State((*kept, *named), before.deleted if deleted is None else deleted, parent)

    def truth(self, since: int | None = None) -> Truth:
        """What is true of the current snapshot, without what was as bad at `since` already."""
        chain = self.chain()
        now, then = self._at(chain[-1]), self._at(since) if since else {}
        told = Truth()
        for place, rows in now.items():
            if len(rows) > max(1, len(then.get(place, []))):
                told.doubled[place] = (len(rows), frozenset(row.origin for row in rows))
        was = _lacking(then)
        counts = [self._at(snapshot) for snapshot in chain]
        for place in _lacking(now) - was:
            told.holes[place] = self._of_hole(place, chain, counts, now)
        return told

    def _at(self, snapshot: int) -> dict[tuple[int, int], list[Row]]:
        found: dict[tuple[int, int], list[Row]] = {}
        for row in self.states[snapshot].rows():
            found.setdefault((row.partition, row.offset), []).append(row)
        return found

    def _of_hole(
        self,
        place: tuple[int, int],
        chain: list[int],
        counts: list[dict[tuple[int, int], list[Row]]],
        now: dict[tuple[int, int], list[Row]],
    ) -> tuple[int | None, frozenset[int]]:
        deleted_by = None
        for number in range(1, len(chain)):
            if place in counts[number - 1] and place not in counts[number]:
                deleted_by = chain[number]
        partition, offset = place
        while (partition, offset) not in now:
            offset += 1
        return deleted_by, frozenset(row.origin for row in now[partition, offset])


def _key(row: Row) -> tuple[int, int]:
    return (row.partition, row.offset)


def _lacking(rows: dict[tuple[int, int], list[Row]]) -> set[tuple[int, int]]:
    lacking: set[tuple[int, int]] = set()
    for partition in {partition for partition, _ in rows}:
        there = {offset for one, offset in rows if one == partition}
        lacking |= {(partition, n) for n in range(min(there), max(there)) if n not in there}
    return lacking
