"""From two files of hashes to the keys whose rows must be read: a group of partitions at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reconcile.engine.pairing import candidate_keys, isin
from reconcile.engine.spill import PARTITIONS, U64, Hashes, HashFile

MAX_HASH = (1 << 64) - 1
_HEAVY_SHARE = 16


@dataclass(frozen=True)
class Group:
    """The candidates among some partitions: distinct key hashes, and the key hash of each of their rows."""

    keys: U64
    row_keys: U64


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

    def add(self, row_keys: U64) -> None:
        ordered = np.sort(row_keys)
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
    for first, last in groups(left.counts + right.counts, group_rows):
        heavy = np.empty(0, np.uint64)
        if int((left.counts + right.counts)[first:last].sum()) > group_rows:
            heavy = _heavy_keys(left, right, first, last, group_rows)
        yield _group(_load(left, first, last, heavy), _load(right, first, last, heavy), heavy)


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
    """What is held of one side: its light rows in full, of the heavy ones only the key hash."""

    light: Hashes
    heavy_rows: U64


def _group(left: _Side, right: _Side, heavy: U64) -> Group:
    keys = candidate_keys(left.light, right.light)
    row_keys = [left.heavy_rows, right.heavy_rows]
    row_keys += [side.light.keys[isin(side.light.keys, keys)] for side in (left, right)]
    return Group(np.union1d(keys, heavy), np.concatenate(row_keys))


def _load(file: HashFile, first: int, last: int, heavy: U64) -> _Side:
    if not len(heavy):
        return _Side(file.load(first, last), np.empty(0, np.uint64))
    light, heavy_rows = [], []
    for piece in file.slices(first, last):
        mask = isin(piece.keys, heavy)
        light.append(piece.where(~mask))
        heavy_rows.append(piece.keys[mask])
    return _Side(Hashes.concatenate(light), np.concatenate([heavy[:0], *heavy_rows]))


def _heavy_keys(left: HashFile, right: HashFile, first: int, last: int, group_rows: int) -> U64:
    """Keys with so many rows that they alone would overflow a group: candidates without further ado."""
    found: list[U64] = []
    for file in (left, right):
        for piece in file.slices(first, last):
            keys, counts = np.unique(piece.keys, return_counts=True)
            found.append(keys[counts * _HEAVY_SHARE > min(len(piece), group_rows)])
    return np.unique(np.concatenate(found))
