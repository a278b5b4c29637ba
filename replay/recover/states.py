"""The recovery of a table with the newest row per key: the proof, from the keys whose windows were open.

Rows that newer ones have replaced are gone. So the table does not show all that was emitted, nor how far an epoch had
read that no ledger recorded. Neither is needed: to merge a row again changes nothing. The new life begins where the
ledger ends, and reads again what unrecorded epochs had read; rows that these have merged stay.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect.home import on_this_disk, read_from_this_disk
from plumbline.connect.parquet import parquet_rows
from plumbline.connect.sql_quoting import ident
from plumbline.contract.lineage import COORDINATES, RIGHT_OFFSET, SIDES
from plumbline.contract.upsert import newness, state_columns
from plumbline.replay.recover.border import Border, Ends, is_open, windows
from plumbline.replay.recover.lines import refuse_different_copies
from plumbline.replay.recover.past import Past
from plumbline.replay.recover.proof import EXPECTED, EXTRA, MISSING, Proof, count, examples
from plumbline.replay.tape_rows import RAW_TYPES
from plumbline.stream_job.join import join

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

HELD = "held_states"
"""View of the stream table's rows."""
NEWEST = "newest_states"
"""The newest row per key that the tape gives."""


def prove_states(
    past: Past, lake: Lake, spark: SparkSession, contract: Contract, border: Border, folder: Path
) -> Proof:
    """The newest rows of the open windows, as the tape in `folder` gives them, held against the table's.

    A key's row is missing where the table has none, or an older one. The table's is too much where it is another one,
    unless an epoch that no ledger recorded may have merged it. `matched` are the keys for which the tape has a row,
    `open` the left events without one. Raises as `refuse_different_copies`.
    """
    refuse_different_copies(past, contract)
    still_open = is_open(*windows(contract, border.watermark_ms))
    _expect(past, spark, contract, folder, still_open)
    _view_held(past, lake, contract)
    _compare(past, contract, border, still_open)
    doubled = ", ".join(map(ident, state_columns(contract)))
    return Proof(
        matched=count(past, NEWEST),
        unmatched=0,
        open=count(past, f"{EXPECTED} WHERE open"),
        found=count(past, f"{HELD} WHERE {still_open}"),
        missing=count(past, MISSING),
        extra=count(past, EXTRA),
        duplicates=count(past, HELD) - count(past, f"(SELECT DISTINCT {doubled} FROM {HELD})"),
        table_rows=count(past, HELD),
        examples=tuple(examples(past, MISSING) + examples(past, EXTRA)),
    )


def _columns(contract: Contract) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*state_columns(contract), *newness(contract), *COORDINATES)))


def _expect(past: Past, spark: SparkSession, contract: Contract, folder: Path, still_open: str) -> None:
    """Fill EXPECTED with the tape's rows of open windows, and NEWEST. A row without a partner is not written yet."""
    left, right = (spark.read.schema(RAW_TYPES).parquet(read_from_this_disk(folder / side)) for side in SIDES)
    joined = folder / "joined"
    shutil.rmtree(joined, ignore_errors=True)
    join(contract, left, right).select(*_columns(contract)).write.parquet(on_this_disk(joined))
    state = ", ".join(map(ident, state_columns(contract)))
    order = ", ".join(f"{ident(name)} DESC NULLS LAST" for name in newness(contract))
    past.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {EXPECTED} AS
        SELECT *, {RIGHT_OFFSET} IS NULL AS open FROM {parquet_rows(joined.glob("*.parquet"))} WHERE {still_open}
        """
    )
    past.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {NEWEST} AS SELECT * FROM {EXPECTED} WHERE NOT open
        QUALIFY row_number() OVER (PARTITION BY {state} ORDER BY {order}) = 1
        """
    )


def _view_held(past: Past, lake: Lake, contract: Contract) -> None:
    from plumbline.connect.pinned import scan

    table = contract.output.stream_table
    if lake.exists(table):
        scan(past.con, lake, table, view=HELD, columns=_columns(contract), schema=None)
    else:
        past.con.execute(f"CREATE OR REPLACE VIEW {HELD} AS SELECT * EXCLUDE (open) FROM {EXPECTED} WHERE false")


def _compare(past: Past, contract: Contract, border: Border, still_open: str) -> None:
    """Fill MISSING and EXTRA."""
    same = " AND ".join(f"h.{ident(name)} IS NOT DISTINCT FROM n.{ident(name)}" for name in state_columns(contract))
    made = " AND ".join(f"h.{name} IS NOT DISTINCT FROM n.{name}" for name in COORDINATES)
    past.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {MISSING} AS
        SELECT * FROM {NEWEST} n ANTI JOIN {HELD} h ON {same} AND NOT {_older(newness(contract))}
        """
    )
    past.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {EXTRA} AS
        SELECT * FROM (SELECT * FROM {HELD} WHERE {still_open}) h ANTI JOIN {NEWEST} n ON {same} AND {made}
        WHERE NOT ({_unrecorded(border)})
        """
    )


def _unrecorded(border: Border) -> str:
    """SQL: an epoch that no ledger recorded may have merged the row: it read one of its records, or closed its
    window."""
    if not border.unrecorded:
        return "false"
    beyond = [_beyond(side, border.recorded) for side in SIDES]
    return " OR ".join([f"{RIGHT_OFFSET} IS NULL", *beyond])


def _beyond(side: str, ends: Ends) -> str:
    known = " ".join(f"WHEN {partition} THEN {end}" for partition, end in ends[SIDES.index(side)].items())
    end = f"CASE _{side}_partition {known} ELSE 0 END" if known else "0"
    return f"coalesce(_{side}_offset >= {end}, false)"


def _older(columns: tuple[str, ...]) -> str:
    """SQL: the table's row `h` is older than the tape's `n`, by the first column that differs; NULL is the oldest."""
    first, *rest = map(ident, columns)
    older = f"(n.{first} IS NOT NULL AND (h.{first} IS NULL OR h.{first} < n.{first}))"
    if not rest:
        return older
    return f"({older} OR (h.{first} IS NOT DISTINCT FROM n.{first} AND {_older(columns[1:])}))"
