"""The first pass: two 64-bit hashes per row, streamed out of DuckDB and partitioned on disk by the key's hash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from plumbline.reconcile.diff.engine.columns import Plan
from plumbline.reconcile.diff.engine.compared_column import Compared
from plumbline.reconcile.diff.engine.side_view import PLACE
from plumbline.reconcile.diff.engine.spill import ROW_BITS, U64, Hashes, HashFile


def key_hash(keys: tuple[Compared, ...], side: str) -> str:
    """SQL of the hash of a row's key. NULL and position count: ('a', NULL) is not (NULL, 'a')."""
    parts = (key.hashable(key.value(side)) for key in keys)
    return f"hash({', '.join(parts)})"


def row_hash_sql(plan: Plan, side: str) -> str:
    """Two columns per row: the hash of the key, and the hash of key and compared columns; a third where it has a place.

    The outer hash() matters: DuckDB combines hashes with XOR, so that sums over rows could cancel without it.
    Hashes never leave one run: DuckDB does not promise them across versions.
    """
    kh = key_hash(plan.keys, side)
    parts = ", ".join((kh, *(value.hashed(side) for value in plan.values)))
    place = f", ({PLACE[0]} << {ROW_BITS}) | {PLACE[1]}::UBIGINT AS place" if plan.side(side).placed else ""
    return f"SELECT {kh} AS key_hash, hash(hash({parts})) AS row_hash{place} FROM {plan.side(side).sql}"


def spill_hashes(
    con: duckdb.DuckDBPyConnection, plan: Plan, side: str, folder: Path | None, block_rows: int
) -> HashFile:
    """Scan one side once and leave its hashes in a nameless file in `folder` (None: the system's)."""
    file = HashFile(folder)
    for block in _blocks(con, row_hash_sql(plan, side), block_rows):
        file.append(block)
    return file.finish()


def _blocks(con: duckdb.DuckDBPyConnection, sql: str, block_rows: int) -> Iterator[Hashes]:
    """Gather the reader's small batches into blocks of about `block_rows` rows."""
    waiting: list[Hashes] = []
    rows = 0
    for batch in con.sql(sql).to_arrow_reader(min(block_rows, 122_880)):
        waiting.append(Hashes(*map(_numbers, batch.columns)))
        rows += batch.num_rows
        if rows >= block_rows:
            yield Hashes.concatenate(waiting)
            waiting, rows = [], 0
    if rows:
        yield Hashes.concatenate(waiting)


def _numbers(column: pa.Array) -> U64:
    """The column without a copy. Its own to_numpy() would load pandas."""
    return np.from_dlpack(column).view(np.uint64)
