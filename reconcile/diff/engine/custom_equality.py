"""A comparison of the user's own: SQL over `a` and `b`, as a macro, so that the two are names, not text to replace."""

from __future__ import annotations

from typing import Any

import duckdb

from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.columns import Plan
from plumbline.reconcile.diff.engine.compared_column import Compared
from plumbline.reconcile.diff.engine.side_view import first_line


def create_macros(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Make the macros that `Compared.differs` calls. Raises UsageError for SQL that does not give true or false."""
    for value in plan.values:
        if value.sql is not None:
            _create(con, value, plan.left.columns[value.name], plan.right.columns[value.name])


def _create(con: duckdb.DuckDBPyConnection, value: Compared, ours: Any, theirs: Any) -> None:
    try:
        con.execute(f"CREATE OR REPLACE TEMP MACRO {value.macro}(a, b) AS (\n{value.sql}\n)")
        [kind] = con.sql(f"SELECT {value.macro}(NULL::{ours}, NULL::{theirs})").types
    except duckdb.Error as error:
        raise _refused(value, first_line(error)) from error
    if kind.id not in ("boolean", "null"):
        raise _refused(value, f"it gives {kind}, not true or false")


def _refused(value: Compared, why: str) -> UsageError:
    return UsageError(
        f"the comparison {value.sql!r} of column {value.name!r} cannot be used: {why}",
        next_step="write SQL over a, the left value, and b, the right one: abs(a - b) < 0.01",
    )
