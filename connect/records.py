"""Rows of the small tables in which work is recorded, read by DuckDB: Arrow's readers take longer to import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from plumbline.connect import pinned
from plumbline.connect.lake import Lake
from plumbline.connect.sql_quoting import ident, text


def records(lake: Lake, identifier: str, columns: Sequence[str], equal: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of the table as it is, in no order, these columns of the rows in which those of `equal` have these values, times
    as ISO 8601. Raises as `plumbline.connect.pinned.scan`."""
    from pyiceberg.expressions import AlwaysTrue, And, EqualTo

    skips = And(AlwaysTrue(), AlwaysTrue(), *(EqualTo(name, value) for name, value in equal.items()))
    listed = ", ".join(map(ident, columns))
    same = " AND ".join(f"{ident(name)} = {text(value)}" for name, value in equal.items()) or "true"
    with closing(pinned.connection()) as con:
        needed = tuple(dict.fromkeys((*columns, *equal)))
        pinned.scan(con, lake, identifier, view="records", row_filter=skips, columns=needed, schema=None)
        rows = con.execute(f"SELECT {listed} FROM records WHERE {same}").fetchall()
    return [dict(zip(columns, row, strict=True)) for row in rows]
