"""Rows that name a record by half: such coordinates say neither which record it was nor that there was none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.lineage import COORDINATES, LEFT_OFFSET, LEFT_PARTITION, RIGHT_OFFSET, RIGHT_PARTITION

if TYPE_CHECKING:
    import duckdb

    from plumbline.contract.model import Join


def with_whole_coordinates(con: duckdb.DuckDBPyConnection, join: Join, rows: str) -> str:
    """The query `rows` of an output table, in which each row has whole coordinates or none.

    Without any are then, as rows of a team's own job, those with a partition but no offset or the reverse, and those
    that lack a side which each row of such a join has.
    """
    partial = [f"({LEFT_PARTITION} IS NULL) <> ({LEFT_OFFSET} IS NULL)"]
    partial.append(f"({RIGHT_PARTITION} IS NULL) <> ({RIGHT_OFFSET} IS NULL)")
    if not join.keeps_left:
        partial.append(f"{RIGHT_OFFSET} IS NULL")
    if not join.keeps_right:
        partial.append(f"{LEFT_OFFSET} IS NULL")
    untold = " OR ".join(partial)
    named = f"{LEFT_OFFSET} IS NOT NULL OR {RIGHT_OFFSET} IS NOT NULL OR {LEFT_PARTITION} IS NOT NULL"
    if con.execute(f"SELECT 1 FROM ({rows}) WHERE ({untold}) AND ({named}) LIMIT 1").fetchone() is None:
        return rows
    told = ", ".join(f"CASE WHEN NOT ({untold}) THEN {name} END AS {name}" for name in COORDINATES)
    return f"SELECT * REPLACE ({told}) FROM ({rows})"
