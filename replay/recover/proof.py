"""The proof of a recovery: what the exact rules say the old life emitted, against what the stream table holds.

The tape is joined once more, as a plain batch. Every pair on it lies before the border on both sides, so it must be in
the table; a row without a partner, of a side that the join keeps, must be there when its window was closed, and must
not when it was open. Of a reduced source the pairs with events of open windows must not be there either.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect.home import on_this_disk, read_from_this_disk
from plumbline.connect.parquet import parquet_rows
from plumbline.contract.errors import IncompleteError
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, LEFT_OFFSET, REPLAY_ID, RIGHT_OFFSET, SIDES
from plumbline.contract.model import Contract
from plumbline.replay.recover.border import (
    WRITTEN,
    Border,
    columns_of,
    exact_only,
    is_open,
    taken_from_open,
    windows,
)
from plumbline.replay.recover.past import Past
from plumbline.replay.tape_rows import RAW_TYPES
from plumbline.stream_job.join import join

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.lake import Lake
    from plumbline.replay.recover.document_types import ProofDocument

EXPECTED, MISSING, EXTRA = "expected", "missing", "extra"
SHOWN = 3
PLACE = ", ".join(COORDINATES)


@dataclass(frozen=True)
class Proof:
    """Rows whose windows were open at the ledger's end: what must be in the table and what is.

    `open` rows wait in state for a partner or for the end of their window; of a reduced source also pairs, for the end
    of the right event's window. `duplicates` are rows of the whole table
    with the same lineage. `examples` names the first missing and extra rows by their coordinates.
    """

    matched: int
    unmatched: int
    open: int
    found: int
    missing: int
    extra: int
    duplicates: int
    table_rows: int
    examples: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the table is what the rules say."""
        return not (self.missing or self.extra or self.duplicates)

    def as_json(self) -> ProofDocument:
        return {
            "matched": self.matched,
            "unmatched": self.unmatched,
            "open": self.open,
            "found": self.found,
            "missing": self.missing,
            "extra": self.extra,
            "duplicates": self.duplicates,
            "table_rows": self.table_rows,
            "examples": list(self.examples),
        }


def disproved(contract: Contract, shown: Proof) -> IncompleteError:
    """The error for a table that is not what the rules say; only rows may be taken as they are."""
    accept = "" if exact_only(contract) else "; --accept-differences continues from it as it is"
    return IncompleteError(
        f"the stream table is not what the ledger says: {shown.missing} rows missing, {shown.extra} too many, "
        f"{shown.duplicates} twice ({'; '.join(shown.examples)})",
        where=contract.output.stream_table,
        next_step=f"find out who changed the table{accept}",
    )


def expect(past: Past, spark: SparkSession, contract: Contract, border: Border, folder: Path) -> None:
    """Fill `expected`, `missing` and `extra` (lineage) from the tape in `folder` and the view of written rows."""
    left, right = (spark.read.schema(RAW_TYPES).parquet(read_from_this_disk(folder / side)) for side in SIDES)
    joined = folder / "joined"
    shutil.rmtree(joined, ignore_errors=True)
    join(contract, left, right).select(*columns_of(contract)).write.parquet(on_this_disk(joined))
    before, now = (is_open(*windows(contract, ms)) for ms in (border.late_watermark_ms, border.watermark_ms))
    waits = taken_from_open(contract, border.watermark_ms)
    past.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {EXPECTED} AS
        SELECT *, (({LEFT_OFFSET} IS NULL OR {RIGHT_OFFSET} IS NULL) AND {now}) OR {waits} AS open
        FROM {parquet_rows(joined.glob("*.parquet"))} WHERE {before}
        """
    )
    for name, these, those in (
        (MISSING, f"{EXPECTED} WHERE NOT open", WRITTEN),
        (EXTRA, WRITTEN, f"{EXPECTED} WHERE NOT open"),
    ):
        past.con.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS "
            f"SELECT {EVENT_TIME}, {PLACE} FROM {these} EXCEPT ALL SELECT {EVENT_TIME}, {PLACE} FROM {those}"
        )


def prove(past: Past, lake: Lake, contract: Contract) -> Proof:
    """The proof from what `expect` found, with the whole table searched for rows of one lineage."""
    table_rows, duplicates = _duplicates(past, lake, contract)
    return Proof(
        matched=count(past, f"{EXPECTED} WHERE {LEFT_OFFSET} + {RIGHT_OFFSET} IS NOT NULL AND NOT open"),
        unmatched=count(past, f"{EXPECTED} WHERE {LEFT_OFFSET} + {RIGHT_OFFSET} IS NULL AND NOT open"),
        open=count(past, f"{EXPECTED} WHERE open"),
        found=count(past, WRITTEN),
        missing=count(past, MISSING),
        extra=count(past, EXTRA),
        duplicates=duplicates,
        table_rows=table_rows,
        examples=tuple(examples(past, MISSING) + examples(past, EXTRA)),
    )


def _duplicates(past: Past, lake: Lake, contract: Contract) -> tuple[int, int]:
    """Rows of the stream table, and how many of them repeat the lineage of another."""
    from plumbline.connect.pinned import scan

    table = contract.output.stream_table
    if not lake.exists(table):
        return 0, 0
    scan(past.con, lake, table, view="whole_stream", columns=(*COORDINATES, REPLAY_ID), schema=None)
    found = past.con.execute(
        f"""
        SELECT coalesce(sum(n), 0), coalesce(sum(n - 1), 0) FROM (
            SELECT count(*) AS n FROM whole_stream GROUP BY {PLACE}
        )
        """
    ).fetchone()
    return (int(found[0]), int(found[1])) if found else (0, 0)


def count(past: Past, rows: str) -> int:
    """How many rows there are; `rows` is what stands behind FROM."""
    found = past.con.execute(f"SELECT count(*) FROM {rows}").fetchone()
    return int(found[0]) if found else 0


def examples(past: Past, rows: str) -> list[str]:
    """The first rows of a table with lineage, by their coordinates."""
    found = past.con.execute(f"SELECT {PLACE} FROM {rows} ORDER BY ALL LIMIT {SHOWN}").fetchall()
    return [f"{rows}: left {_place(row[0], row[1])}, right {_place(row[2], row[3])}" for row in found]


def _place(partition: int | None, offset: int | None) -> str:
    return "none" if offset is None else f"{partition}@{offset}"
