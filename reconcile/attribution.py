"""Each differing row gets exactly one cause: the first, in order of precedence, whose proof holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconcile.causes import Cause, registry
from reconcile.engine.quoting import text
from reconcile.evidence import EVIDENCE

if TYPE_CHECKING:
    import duckdb

ATTRIBUTED = "attributed"


def attribute(con: duckdb.DuckDBPyConnection, causes: Sequence[Cause] | None = None) -> None:
    """Fill the temp table `attributed`: the rows of `evidence` with `cause` and `is_drift`."""
    causes = registry() if causes is None else causes
    no_drift = ", ".join(text(cause.name) for cause in causes if not cause.is_drift) or "NULL"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {ATTRIBUTED} AS
        SELECT *, coalesce(cause NOT IN ({no_drift}), true) AS is_drift
        FROM (SELECT *, {choice(causes)} AS cause FROM {EVIDENCE})
        """
    )


def choice(causes: Sequence[Cause]) -> str:
    """One SQL CASE over `evidence`, in order of precedence. NULL (evidence is missing) proves nothing."""
    arms = "\n".join(f"WHEN ({cause.proof}) THEN {text(cause.name)}" for cause in causes)
    return f"CASE {arms} END"
