"""How a user wants one side seen: which of its rows, its columns under other names, columns computed by SQL.

All of it becomes the view that is compared, so that nothing after it needs to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from plumbline.connect.sql_quoting import ident
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.schema_findings import nearest
from plumbline.reconcile.diff.engine.side_view import PLACE, SideView, describe, first_line, readable


@dataclass(frozen=True)
class Side:
    """`names` maps columns of the side to the names under which they are compared; `where` and the SQL of `compute`
    (column to expression) use those. `where` sees the columns before they are computed."""

    where: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    compute: Mapping[str, str] = field(default_factory=dict)


def shaped(con: duckdb.DuckDBPyConnection, side: SideView, view: str, asked: Side) -> SideView:
    """The view `view` of `side`, as asked for. Raises UsageError for SQL and names that do not fit the side."""
    if asked == Side():
        sql = f"FROM {side.sql}"
    else:
        named = _renamed(side, asked.names)
        for what, condition in (("condition", asked.where), *((f"column {n}", e) for n, e in asked.compute.items())):
            if condition is not None:
                _check(con, side, named, what, condition)
        sql = f"SELECT {_columns(side, asked)} FROM ({named}) WHERE {_whole(asked.where or 'true')}"
    with readable(side.name, side.files):
        con.execute(f"CREATE OR REPLACE TEMP VIEW {ident(view)} AS {sql}")
    return describe(con, view, side.files)


def by_right(names: Mapping[str, str]) -> dict[str, str]:
    """Columns of the right to their names on the left. Raises UsageError where one would have two."""
    found = {theirs: ours for ours, theirs in names.items()}
    if len(found) < len(names):
        twice = next(theirs for theirs in found if list(names.values()).count(theirs) > 1)
        several = ", ".join(ours for ours, theirs in names.items() if theirs == twice)
        raise UsageError(
            f"column {twice!r} of the right side is mapped to several: {several}",
            next_step=f"map it once; for the others take --right NAME={ident(twice)}",
        )
    return found


def check_names(names: Mapping[str, str], left: SideView) -> None:
    """Refuse a map from columns that the left side does not have."""
    for name in names:
        if name not in left.columns:
            raise UsageError(
                f"column {name!r} of the map is not on the left side", next_step=nearest(name, left.columns)
            )


def _renamed(side: SideView, names: Mapping[str, str]) -> str:
    for name in names:
        if name not in side.columns:
            raise UsageError(
                f"column {name!r} cannot be mapped: it does not exist",
                where=side.name,
                next_step=nearest(name, side.columns),
            )
    wanted = [names.get(name, name) for name in side.columns]
    for old, name in names.items():
        if wanted.count(name) > 1:
            raise UsageError(
                f"two columns would be named {name!r}",
                where=side.name,
                next_step=f"map the other one to another name, or drop the map and take --right {name}={ident(old)}",
            )
    columns = (f"{ident(old)} AS {ident(new)}" for old, new in zip(side.columns, wanted, strict=True))
    return f"SELECT {', '.join((*columns, *_place(side)))} FROM {side.sql}"


def _columns(side: SideView, asked: Side) -> str:
    """All columns in their order, the computed ones in their place or at the end."""
    present = [asked.names.get(name, name) for name in side.columns]
    names = dict.fromkeys((*present, *asked.compute))
    computed = {name: f"{_whole(sql)} AS {ident(name)}" for name, sql in asked.compute.items()}
    return ", ".join([*(computed.get(name, ident(name)) for name in names), *_place(side)])


def _place(side: SideView) -> tuple[str, ...]:
    return PLACE if side.placed else ()


def _check(con: duckdb.DuckDBPyConnection, side: SideView, named: str, what: str, sql: str) -> None:
    value = _whole(sql)
    stands = f"WHERE {value}" if what == "condition" else f"QUALIFY {value} IS NULL OR row_number() OVER () = 1"
    try:
        kind = con.sql(f"SELECT *, {value} FROM ({named})").types[-1]  # beside columns no aggregate can stand
        if what != "condition" or kind.id == "boolean":
            con.sql(f"SELECT 1 FROM ({named}) {stands}")  # nor, in there, what makes several columns or rows
    except duckdb.Error as error:
        raise UsageError(
            f"the {what} {sql!r} cannot be used: {first_line(error)}",
            where=side.name,
            next_step="write one SQL expression over the columns of this side",
        ) from error
    if what == "condition" and kind.id != "boolean":
        raise UsageError(
            f"the {what} {sql!r} gives {kind}, not true or false",
            where=side.name,
            next_step="write a comparison: day >= '2026-01-01'",
        )


def _whole(sql: str) -> str:
    """In brackets, and on a line of its own: a comment at its end takes nothing else away."""
    return f"(\n{sql}\n)"
