"""The Spark that planned each epoch of the pinned ledger, and the plan of its query."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import text
from plumbline.contract.operators import planned_by
from plumbline.reconcile.relations.inputs import LEDGER

if TYPE_CHECKING:
    import duckdb

    from plumbline.contract.model import Contract
    from plumbline.reconcile.inputs.pinned_views import Pins


def planned_by_sql(con: duckdb.DuckDBPyConnection, contract: Contract, columns: Collection[str]) -> str:
    """SQL over the pinned ledger, which has these columns: an epoch's Spark as `planned_by` names it."""
    version, operators = (name if name in columns else "NULL::VARCHAR" for name in ("spark_version", "operators"))
    if contract.job is None:
        return version
    found = con.execute(f"SELECT DISTINCT {version}, {operators} FROM {LEDGER.pinned}").fetchall()
    arms = [
        f"WHEN {version} IS NOT DISTINCT FROM {_literal(spark)} AND {operators} IS NOT DISTINCT FROM {_literal(plan)} "
        f"THEN {_literal(planned_by(contract, spark, plan))}"
        for spark, plan in found
    ]
    return f"CASE {' '.join(arms)} END" if arms else version


def operators_of(pins: Pins, query_id: str, epoch: int) -> str | None:
    """The stateful operators of the query that planned an epoch, as the pinned ledger has them."""
    if "operators" not in pins.con.sql(f"FROM {LEDGER.pinned} LIMIT 0").columns:
        return None
    sql = f"SELECT operators FROM {LEDGER.pinned} WHERE query_id = ? AND epoch = ? AND operators IS NOT NULL LIMIT 1"
    found = pins.con.execute(sql, [query_id, epoch]).fetchone()
    return None if found is None else str(found[0])


def _literal(value: str | None) -> str:
    return "NULL::VARCHAR" if value is None else text(value)
