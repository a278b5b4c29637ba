"""What a snapshot holds: its offsets as runs, and the rows whose coordinates cannot be placed, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from plumbline.reconcile.audit import rows
from plumbline.reconcile.audit.runs import I64, Runs, encoded

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

    from plumbline.reconcile.audit.columns import Coordinates
    from plumbline.reconcile.audit.deletes import Deletes
    from plumbline.reconcile.audit.entries import Entry

LARGEST = 2**63 - 2
WIDEST = 1 << 21
Topics = Collection[str] | None


class Groups:
    """Numbers for pairs of topic and partition, given as they come. A table without a topic column is of `of_all`."""

    def __init__(self, of_all: str | None = None) -> None:
        self.of_all = of_all
        self.known: list[tuple[str | None, int]] = []
        self._numbers: dict[tuple[str | None, int], int] = {}

    def number(self, topic: str | None, partition: int) -> int:
        """The number of one pair."""
        if (topic, partition) not in self._numbers:
            self._numbers[topic, partition] = len(self.known)
            self.known.append((topic, partition))
        return self._numbers[topic, partition]

    def numbers(self, topic: str | None, partition: I64) -> I64:
        """The numbers of rows of one topic."""
        if len(partition) == 0:
            return partition
        low, high = int(partition.min()), int(partition.max())
        if low == high:
            return np.full(len(partition), self.number(topic, low), np.int64)
        if high - low > WIDEST:
            there, places = np.unique(partition, return_inverse=True)
            return np.array([self.number(topic, int(one)) for one in there], np.int64)[places]
        table = np.zeros(high - low + 1, np.int64)
        for one in np.flatnonzero(np.bincount(partition - low)):
            table[one] = self.number(topic, low + int(one))
        return table[partition - low]


@dataclass
class Tally:
    """Rows of a snapshot: of each group with their first and last offset; those without a place, and of other topics.

    `null`: a coordinate is NULL. `impossible`: one is negative, or larger than Kafka's.
    """

    rows: Counter[int] = field(default_factory=Counter)
    first: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    null: int = 0
    impossible: int = 0
    others: Counter[str] = field(default_factory=Counter)

    def note(self, group: I64, start: I64, end: I64) -> None:
        """Count runs."""
        for one in np.unique(group):
            mine = group == one
            number, low, high = int(one), int(start[mine].min()), int(end[mine].max()) - 1
            self.rows[number] += int((end[mine] - start[mine]).sum())
            self.first[number] = min(low, self.first.get(number, low))
            self.last[number] = max(high, self.last.get(number, high))


@dataclass(frozen=True)
class Placing:
    """Turns batches of coordinates into runs of `groups`; rows of topics that are not `wanted` are left out."""

    where: Coordinates
    groups: Groups
    wanted: Topics = None

    def placed(self, batch: rows.Batch, tally: Tally, keep: npt.NDArray[np.bool_]) -> tuple[I64, I64, I64]:
        """(group, offset, row within the batch) of the rows that `keep` and have a place; the others are counted."""
        known = batch.placed()
        tally.null += int(np.count_nonzero(keep & ~known))
        partition, offset = (_filled(column) for column in (batch.partition, batch.offset))
        possible = (partition >= 0) & (offset >= 0) & (offset <= LARGEST)
        tally.impossible += int(np.count_nonzero(keep & known & ~possible))
        kept = keep & known & possible
        if batch.topic is None:
            chosen = np.flatnonzero(kept)
            return self.groups.numbers(self.groups.of_all, partition[chosen]), offset[chosen], chosen
        return self._by_topic(batch.topic, partition, offset, kept, tally)

    def _by_topic(
        self, topic: pa.Array, partition: I64, offset: I64, kept: npt.NDArray[np.bool_], tally: Tally
    ) -> tuple[I64, I64, I64]:
        codes = topic.dictionary_encode()
        indices = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        group = np.full(len(offset), -1, np.int64)
        for code, name in enumerate(codes.dictionary.to_pylist()):
            mine = np.flatnonzero(kept & (indices == code))
            if self.wanted is not None and name not in self.wanted:
                tally.others[name] += len(mine)
            else:
                group[mine] = self.groups.numbers(name, partition[mine])
        chosen = np.flatnonzero(group >= 0)
        return group[chosen], offset[chosen], chosen


def _filled(column: pa.Array) -> I64:
    filled: I64 = (column.fill_null(-1) if column.null_count else column).to_numpy(zero_copy_only=False)
    return filled


def read(
    table: Table,
    entries: Iterable[Entry],
    deletes: Deletes,
    placing: Placing,
    runs: Runs,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Tally:
    """Put all rows that are not deleted into `runs`; raises SetupError for a file that cannot be read."""
    tally = Tally()
    for entry in entries:
        deleted, _ = deletes.of(entry, live=True)
        try:
            for batch in rows.batches(table, entry, placing.where):
                keep = np.ones(len(batch), np.bool_)
                keep[_within(deleted, batch) - batch.start] = False
                group, offset, _ = placing.placed(batch, tally, keep)
                found = encoded(group, offset)
                tally.note(*found)
                runs.add(*found)
                on_rows(len(batch))
        except rows.Unreadable as error:
            raise rows.unreadable(".".join(table.name()), entry, error) from None
    return tally


def _within(positions: I64, batch: rows.Batch) -> I64:
    low, high = np.searchsorted(positions, [batch.start, batch.start + len(batch)])
    return positions[low:high]
