"""The pair of tables of the speed benchmark: 14 columns, the right one in another order and with a share of drift.

Every cell is a function of the row's number, so any part of either table can be written alone, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

KEY = ("user_id", "title_id", "event_id")
U64 = npt.NDArray[np.uint64]
_CHUNK, _ROW_GROUP = 1_000_000, 250_000
_VALUES = ("at", "category", "title", "token", "n1", "n2", "n3", "f1", "f2", "f3", "note")
_CATEGORIES = pa.array([f"cat_{i:03d}" for i in range(200)])
_TITLES = pa.array([f"title {i:05d} - {'abcdefgh'[i % 8] * (4 + i % 13)}" for i in range(20_000)])
_NOTES = pa.array([f"note-{i}" for i in range(1000)])


def write_left(path: Path, rows: int) -> None:
    """The reference: rows 0 .. rows-1."""
    _write(path, np.arange(rows, dtype=np.int64), np.full(rows, -1, np.int8), rows)


def write_right(path: Path, rows: int, drift: float) -> dict[str, int]:
    """The other side; returns how many keys are of each class. Of `drift` rows a value is changed, a quarter as many
    are missing and extra each, a twentieth is doubled."""
    chance = np.random.default_rng(7)
    changed = round(rows * drift)
    missing = extra = changed // 4
    doubled = changed // 20
    picked = chance.choice(rows, changed + missing + doubled, replace=False)
    column = np.full(rows + extra, -1, np.int8)
    column[picked[:changed]] = np.arange(changed) % len(_VALUES)
    kept = np.ones(rows + extra, np.bool_)
    kept[picked[changed : changed + missing]] = False
    numbers = np.concatenate([np.flatnonzero(kept), picked[changed + missing :]])
    chance.shuffle(numbers)
    _write(path, numbers, column, rows)
    return {"mismatch": changed, "missing": missing, "extra": extra, "duplicate": doubled}


def _write(path: Path, numbers: npt.NDArray[np.int64], column: npt.NDArray[np.int8], rows: int) -> None:
    writer = None
    for chunk in _chunks(numbers):
        table = _table(chunk.astype(np.uint64), column[chunk], rows)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", compression_level=1)
        writer.write_table(table, row_group_size=_ROW_GROUP)
    assert writer is not None
    writer.close()


def _chunks(numbers: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(numbers), _CHUNK):
        yield numbers[start : start + _CHUNK]


def _table(row: U64, column: npt.NDArray[np.int8], rows: int) -> pa.Table:
    def random(salt: int) -> U64:
        """splitmix64 of row and salt."""
        z = row + np.uint64(salt * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

    def below(salt: int, end: int) -> npt.NDArray[np.int64]:
        return (random(salt) % np.uint64(end)).astype(np.int64)

    def changed(name: str) -> npt.NDArray[np.bool_]:
        return column == _VALUES.index(name)

    def share(salt: int) -> npt.NDArray[np.float64]:
        return (random(salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    null = (below(17, 10) < 3) ^ changed("note")
    return pa.table(
        {
            "user_id": below(1, max(rows // 20, 1)),
            "title_id": below(2, 50_000),
            "event_id": _hex(random(3), random(4)),
            "at": pa.array(below(5, 30 * 86_400 * 10**6) + 1_780_000_000_000_000 + 1000 * changed("at")).cast(
                pa.timestamp("us")
            ),
            "category": _CATEGORIES.take(pa.array((below(6, 200) + changed("category")) % 200)),
            "title": _TITLES.take(pa.array((below(7, 20_000) + changed("title")) % 20_000)),
            "token": _hex(random(8), random(9) ^ changed("token")),
            "n1": below(10, 1000) + changed("n1"),
            "n2": (random(11) >> np.uint64(2)).astype(np.int64) + changed("n2"),
            "n3": below(12, 86_400_000) + changed("n3"),
            "f1": share(13) + 0.5 * changed("f1"),
            "f2": share(14) * 200 - 100 + 0.01 * changed("f2"),
            "f3": -np.log(1 - share(15)) * 50 + 1e-6 * changed("f3"),
            "note": _NOTES.take(pa.array(below(16, 1000), mask=null)),
        }
    )


def _hex(high: U64, low: U64) -> pa.Array:
    """32 hex digits per row."""
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    bytes_ = np.stack([high, low], 1).astype(">u8").view(np.uint8).reshape(len(high), 16)
    text = np.empty((len(high), 32), np.uint8)
    text[:, 0::2], text[:, 1::2] = digits[bytes_ >> 4], digits[bytes_ & 15]
    offsets = np.arange(0, 32 * len(high) + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(high), pa.py_buffer(offsets), pa.py_buffer(text))
