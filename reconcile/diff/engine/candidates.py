"""From two files of hashes to the keys whose rows must be read: a group of partitions at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from plumbline.reconcile.diff.engine.pairing import Tables, candidate_keys, isin
from plumbline.reconcile.diff.engine.spill import PARTITIONS, U64, Hashes, HashFile

MAX_HASH = (1 << 64) - 1
_HEAVY_SHARE = 16


@dataclass(frozen=True)
class Group:
    """The candidates among some partitions: distinct key hashes, and their rows on each side."""

    keys: U64
    left: Hashes
    right: Hashes


@dataclass(frozen=True)
class Batch:
    """An inclusive range of key hashes whose candidate rows fit into memory together."""

    low: int
    high: int

    def halves(self) -> tuple[Batch, Batch] | None:
        """The two halves of the range; None when it is a single hash."""
        if self.low == self.high:
            return None
        middle = (self.low + self.high) // 2
        return Batch(self.low, middle), Batch(middle + 1, self.high)


@dataclass
class Batches:
    """Cuts the range of key hashes into batches of about `size` candidate rows, as groups arrive in order."""

    size: int
    rows: int = 0
    _bounds: list[int] = field(default_factory=list)
    _open: int = 0

    def add(self, group: Group) -> None:
        ordered = np.sort(np.concatenate([group.left.keys, group.right.keys]))
        first = self.size - self._open
        ends = ordered[first - 1 :: self.size] if len(ordered) >= first else ordered[:0]
        self._bounds.extend(int(end) for end in ends)
        self.rows += len(ordered)
        self._open = (self._open + len(ordered)) % self.size

    def cut(self) -> list[Batch]:
        """The batches, adjoining, over the whole range of hashes; none when there is no candidate."""
        if not self.rows:
            return []
        inner = [end for end in dict.fromkeys(self._bounds) if end < MAX_HASH]
        edges = [-1, *inner, MAX_HASH]
        return [Batch(low + 1, high) for low, high in pairwise(edges)]


def find_candidates(left: HashFile, right: HashFile, group_rows: int) -> Iterator[Group]:
    """The candidates group by group, in order of their key hash."""
    tables = Tables()
    for first, last in groups(left.counts + right.counts, group_rows):
        heavy = np.empty(0, np.uint64)
        if int((left.counts + right.counts)[first:last].sum()) > group_rows:
            heavy = _heavy_keys(left, right, first, last, group_rows)
        yield _group(_load(left, first, last, heavy), _load(right, first, last, heavy), heavy, tables)


def groups(counts: npt.NDArray[np.int64], group_rows: int) -> list[tuple[int, int]]:
    """Adjoining ranges of partitions of at most `group_rows` rows; one partition alone may hold more."""
    ranges: list[tuple[int, int]] = []
    first, held = 0, 0
    for partition, count in enumerate(counts.tolist()):
        if held and held + count > group_rows:
            ranges.append((first, partition))
            first, held = partition, 0
        held += count
    return [*ranges, (first, PARTITIONS)] if held else ranges


@dataclass(frozen=True)
class _Side:
    """What is held of one side: the rows that may pair off, and those of heavy keys."""

    light: Hashes
    heavy: Hashes

    def of(self, keys: U64) -> Hashes:
        """The rows of `keys` among the light ones, and all heavy ones."""
        chosen = self.light.where(isin(self.light.keys, keys))
        return Hashes.concatenate([part for part in (chosen, self.heavy) if len(part)])


def _group(left: _Side, right: _Side, heavy: U64, tables: Tables) -> Group:
    keys = candidate_keys(left.light, right.light, tables)
    return Group(np.union1d(keys, heavy), left.of(keys), right.of(keys))


def _load(file: HashFile, first: int, last: int, heavy: U64) -> _Side:
    if not len(heavy):
        return _Side(file.load(first, last), Hashes.concatenate([]))
    pieces = [(piece, isin(piece.keys, heavy)) for piece in file.slices(first, last)]
    return _Side(
        Hashes.concatenate([piece.where(~mask) for piece, mask in pieces]),
        Hashes.concatenate([piece.where(mask) for piece, mask in pieces]),
    )


def _heavy_keys(left: HashFile, right: HashFile, first: int, last: int, group_rows: int) -> U64:
    """Keys with so many rows that they alone would overflow a group: candidates without further ado."""
    found: list[U64] = []
    for file in (left, right):
        for piece in file.slices(first, last):
            keys, counts = np.unique(piece.keys, return_counts=True)
            found.append(keys[counts * _HEAVY_SHARE > min(len(piece), group_rows)])
    return np.unique(np.concatenate(found))
