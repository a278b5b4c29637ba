"""The second pass: fetch the rows of the candidate keys and compare them value by value.

Rows are grouped by key before the two sides meet, so a key with n rows on the left and m on the right costs n + m,
never n times m. All tables lie in a scratch database on disk, a batch of keys is compared at a time: DuckDB's temp
tables keep structs in memory, whatever its limit.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from plumbline.connect.sql_quoting import text
from plumbline.reconcile.diff.engine.candidates import Batch, Group
from plumbline.reconcile.diff.engine.columns import Plan
from plumbline.reconcile.diff.engine.exact_sql import (
    CANDIDATES,
    DRIFT_ROWS,
    FETCHED,
    PAIRS,
    PLACES,
    REPEATED,
    SCRATCH,
    candidates_sql,
    drift_sql,
    fetch_sql,
    pairs_sql,
    plain_drift_sql,
    repeated_sql,
)
from plumbline.reconcile.diff.engine.hash_pass import key_hash
from plumbline.reconcile.diff.engine.side_view import PLACE
from plumbline.reconcile.diff.engine.spill import ROW_BITS, U64
from plumbline.reconcile.relations.diff import DRIFT

_BATCHES_AT_ONCE, _BATCHES_PER_SCAN = 24, 8
"""Each batch looks through all fetched rows: up to so many that costs less than one more scan of the side."""
_KEYS_AT_ONCE = 100_000
_ROW_GROUP = 16_384  # rows that each thread holds in memory while it writes: DuckDB's own 122,880 are too many


class Exact:
    """The scratch database of one comparison. It belongs to the connection and goes away with it."""

    def __init__(self, con: duckdb.DuckDBPyConnection, plan: Plan, folder: Path | None) -> None:
        self.con = con
        self.plan = plan
        self.repeated_keys = 0
        self._drift_exists = False
        self._groups: list[Group] = []
        attach_scratch(con, folder)
        con.execute(f"CREATE TABLE {CANDIDATES} (key_hash UBIGINT)")
        for table in PLACES.values():
            con.execute(f"CREATE TABLE {table} ({PLACE[0]} UBIGINT, {PLACE[1]} BIGINT)")

    def add_candidates(self, group: Group) -> None:
        """Remember the group's keys, and where their rows lie."""
        self._groups.append(group)
        if sum(len(waiting.keys) for waiting in self._groups) > _KEYS_AT_ONCE:
            self._insert_groups()

    def _insert_groups(self) -> None:
        self._insert(CANDIDATES, "value", [group.keys for group in self._groups])
        for side in ("left", "right"):
            rows = [getattr(group, side).places for group in self._groups]
            place = f"value >> {ROW_BITS}, value & {(1 << ROW_BITS) - 1}"
            self._insert(PLACES[side], place, [places for places in rows if places is not None])
        self._groups.clear()

    def _insert(self, table: str, columns: str, arrays: Sequence[U64]) -> None:
        if any(map(len, arrays)):
            values = np.concatenate(arrays)
            # pa.array() of a numpy array would load pandas.
            column = pa.Array.from_buffers(pa.uint64(), len(values), [None, pa.py_buffer(values)])
            self.con.register("plumbline_diff_incoming", pa.table({"value": column}))
            self.con.execute(f"INSERT INTO {table} SELECT {columns} FROM plumbline_diff_incoming")
            self.con.unregister("plumbline_diff_incoming")

    def fetch(self, batches: Sequence[Batch], *, everything: bool) -> None:
        """Bring the candidate rows of both sides.

        `everything` brings all rows: cheaper than a semi-join when most of them are candidates.
        """
        self._insert_groups()
        for side in ("left", "right"):
            if not batches:
                self._fetch_none(side)
                continue
            chosen = "true" if everything else candidates_sql(self.plan, side)
            if len(batches) > _BATCHES_AT_ONCE:
                self._fetch_by_range(side, chosen, batches)
                continue
            try:
                rows = fetch_sql(self.plan, side, chosen)
                self.con.execute(f"CREATE OR REPLACE TABLE {FETCHED[side]} AS {rows}")
            except duckdb.OutOfMemoryException:
                self._fetch_by_range(side, chosen, batches)

    def _fetch_by_range(self, side: str, chosen: str, batches: Sequence[Batch]) -> None:
        """One scan of the side for every few batches."""
        self._fetch_none(side)
        for first in range(0, len(batches), _BATCHES_PER_SCAN):
            some = batches[first : first + _BATCHES_PER_SCAN]
            within = f"{key_hash(self.plan.keys, side)} BETWEEN {some[0].low} AND {some[-1].high}"
            rows = fetch_sql(self.plan, side, f"{chosen} AND {within}")
            self.con.execute(f"INSERT INTO {FETCHED[side]} {rows}")
            self.con.execute(f"CHECKPOINT {SCRATCH}")  # until then appended rows stay in memory

    def _fetch_none(self, side: str) -> None:
        self.con.execute(f"CREATE OR REPLACE TABLE {FETCHED[side]} AS {fetch_sql(self.plan, side, 'false')}")

    def compare(self, batch: Batch) -> None:
        """Compare the keys of one batch and append what differs to the drift table; the first batch creates it."""
        self.con.execute(pairs_sql(self.plan, batch))
        self.con.execute(repeated_sql(self.plan, batch))
        [(repeated,)] = self.con.execute(f"SELECT count(*) FROM {REPEATED}").fetchall()
        drift = drift_sql(self.plan, batch) if repeated or self.plan.carry else plain_drift_sql(self.plan)
        begin = "INSERT INTO {} {}" if self._drift_exists else "CREATE TABLE {} AS {}"
        self.con.execute(begin.format(DRIFT_ROWS, drift))
        self._drift_exists = True
        self.repeated_keys += int(repeated)
        self.con.execute(f"CHECKPOINT {SCRATCH}")

    def finish(self) -> None:
        """Leave nothing but the drift, as a view."""
        DRIFT.fill(self.con, f"FROM {DRIFT_ROWS}")
        for table in (CANDIDATES, *PLACES.values(), *FETCHED.values(), PAIRS, REPEATED):
            self.con.execute(f"DROP TABLE {table}")


def attach_scratch(con: duckdb.DuckDBPyConnection, folder: Path | None) -> None:
    """Attach an empty database file, instead of the one an earlier comparison left.

    The file is removed from its folder at once and lives on while the connection holds it: no end of the process can
    leave it behind.
    """
    con.execute(f"DROP VIEW IF EXISTS temp.{DRIFT}")
    con.execute(f"DETACH DATABASE IF EXISTS {SCRATCH}")
    file = Path(folder or tempfile.gettempdir()) / f"plumbline-diff-{uuid.uuid4().hex}.duckdb"
    con.execute(f"ATTACH {text(str(file))} AS {SCRATCH} (RECOVERY_MODE no_wal_writes, ROW_GROUP_SIZE {_ROW_GROUP})")
    file.unlink()
