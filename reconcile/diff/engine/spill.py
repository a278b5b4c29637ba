"""A file of row hashes, partitioned by the leading bits of the key hash, so that any range of keys loads alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
PARTITION_BITS = 12
PARTITIONS = 1 << PARTITION_BITS
_SHIFT = np.uint64(64 - PARTITION_BITS)


ROW_BITS = 40
"""The lower bits of a place are the row's number in its file, the upper ones the file's number."""


@dataclass(frozen=True)
class Hashes:
    """Arrays of one length: the key hash and the row hash of each row and, where it lies in a file, its place."""

    keys: U64
    rows: U64
    places: U64 | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def arrays(self) -> tuple[U64, ...]:
        """Those that are there."""
        return (self.keys, self.rows) if self.places is None else (self.keys, self.rows, self.places)

    def where(self, mask: npt.NDArray[np.bool_]) -> Hashes:
        return Hashes(*(array[mask] for array in self.arrays))

    @staticmethod
    def concatenate(parts: Sequence[Hashes]) -> Hashes:
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Hashes(np.empty(0, np.uint64), np.empty(0, np.uint64))
        return Hashes(*map(np.concatenate, zip(*(part.arrays for part in parts), strict=True)))


class HashFile:
    """Blocks one after the other, each in order of partition: its key hashes, then its row hashes, then its places.

    Append blocks, `finish()`, then `load` ranges of partitions in any order. `counts` are the rows per partition.
    The file has no name on disk and goes away with this object, however the process ends.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.counts = np.zeros(PARTITIONS, np.int64)
        self._starts: list[npt.NDArray[np.int64]] = []
        self._offsets: list[int] = []
        self._end = self._arrays = 0
        self._loaded: list[U64] = []
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    def append(self, block: Hashes) -> None:
        partition = (block.keys >> _SHIFT).astype(np.uint16)
        order = np.argsort(partition, kind="stable")  # a radix sort on 16-bit numbers
        counts = np.bincount(partition, minlength=PARTITIONS)
        self._starts.append(np.concatenate([[0], np.cumsum(counts)]))
        self._offsets.append(self._end)
        for array in block.arrays:
            self._file.write(array[order].data)
        self._arrays = len(block.arrays)
        self._end += 8 * self._arrays * len(block)
        self.counts += counts

    def finish(self) -> HashFile:
        self._file.flush()
        return self

    def slices(self, first: int, last: int) -> Iterator[Hashes]:
        """The rows of the partitions first..last (last excluded), block by block."""
        for offset, low, high, size in self._pieces(first, last):
            piece = [np.empty(high - low, np.uint64) for _ in range(self._arrays)]
            for n, array in enumerate(piece):
                self._read_into(array, offset + 8 * (n * size + low))
            yield Hashes(*piece)

    def load(self, first: int, last: int) -> Hashes:
        """The rows of the partitions first..last (last excluded), until the next call: it fills the same memory again,
        as fresh memory would cost more than reading into it."""
        rows = int(self.counts[first:last].sum())
        if not self._loaded or len(self._loaded[0]) < rows:
            self._loaded = [np.empty(rows, np.uint64) for _ in range(self._arrays)]
        arrays, begin = [array[:rows] for array in self._loaded], 0
        for offset, low, high, size in self._pieces(first, last):
            for n, array in enumerate(arrays):
                self._read_into(array[begin : begin + high - low], offset + 8 * (n * size + low))
            begin += high - low
        return Hashes(*arrays) if rows else Hashes.concatenate([])

    def close(self) -> None:
        self._file.close()

    def _pieces(self, first: int, last: int) -> Iterator[tuple[int, int, int, int]]:
        """Of each block that has rows of these partitions: its offset, their bounds in it, and its rows."""
        for offset, starts in zip(self._offsets, self._starts, strict=True):
            low, high, size = int(starts[first]), int(starts[last]), int(starts[-1])
            if high > low:
                yield offset, low, high, size

    def _read_into(self, array: U64, offset: int) -> None:
        os.preadv(self._file.fileno(), [array.data], offset)
