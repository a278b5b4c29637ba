"""The proof that a tape is whole: each needed offset exactly once, listed by partition."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect.parquet import parquet_rows
from plumbline.replay.pieces import ARCHIVE, GONE, KAFKA, Piece, uncovered, within
from plumbline.replay.sourcing import SourcePlan

if TYPE_CHECKING:
    import duckdb

    from plumbline.replay.document_types import CoveredPartition


def covered(con: duckdb.DuckDBPyConnection, planned: SourcePlan, tape: Path) -> list[CoveredPartition]:
    """A page for each partition of one source.

    `{"partition", "start", "end", "doors", "on_tape", "empty", "gone", "twice", "foreign", "uncovered"}`.
    `doors` counts offsets by the door they are read through, `empty` those that never were a record, `gone` those that
    a plan accepted as lost. `twice` and `foreign` count records that are on the tape more than once or from outside
    the pieces, and `uncovered` lists stretches that no piece or more than one holds: all three must be none.
    """
    pieces = [Piece(**body) for body in planned.pieces]
    held = _on_tape(con, planned, tape)
    partitions = sorted({piece.partition for piece in pieces} | held.keys())
    return [_page(p, [piece for piece in pieces if piece.partition == p], planned, held.get(p)) for p in partitions]


def _page(
    partition: int, pieces: list[Piece], planned: SourcePlan, held: tuple[int, int, int] | None
) -> CoveredPartition:
    start = min((piece.start for piece in pieces), default=0)
    end = max((piece.end for piece in pieces), default=0)
    rows, twice, foreign = held or (0, 0, 0)
    return {
        "partition": partition,
        "start": start,
        "end": end,
        "doors": {"iceberg": _offsets(pieces, ARCHIVE), "kafka": _offsets(pieces, KAFKA)},
        "on_tape": rows,
        "empty": planned.empty.get(str(partition), 0),
        "gone": _offsets(pieces, GONE),
        "twice": twice,
        "foreign": foreign,
        "uncovered": [list(gap) for gap in uncovered(pieces, partition, start, end)],
    }


def _offsets(pieces: list[Piece], door: str) -> int:
    return sum(piece.end - piece.start for piece in pieces if piece.door == door)


def _on_tape(con: duckdb.DuckDBPyConnection, planned: SourcePlan, tape: Path) -> dict[int, tuple[int, int, int]]:
    """Per partition: records on the tape, how many are there more than once, how many lie in no piece."""
    known = within(planned.read)
    found = con.execute(
        f"""
        SELECT partition, count(*), count(*) - count(DISTINCT "offset"), count(*) FILTER (NOT ({known}))
        FROM {parquet_rows(tape.glob("e*.parquet"))} GROUP BY partition
        """
    ).fetchall()
    return {partition: (rows, twice, foreign) for partition, rows, twice, foreign in found}
