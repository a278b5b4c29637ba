"""The rows that may differ, where Spark finds them: only these come here, and DuckDB compares them value by value.

They are whole keys. The day of a row's event time is one of the values that Spark compares, so that the rows of a key
which stand on other days in the two tables are among them too (see `moved_rows`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import backticked, ident
from plumbline.reconcile.diff.engine.columns import plan_columns
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.diff.engine.side_view import describe
from plumbline.reconcile.diff.spark.digests import sides_of
from plumbline.reconcile.diff.spark.frames import table_at
from plumbline.reconcile.diff.spark.narrow import Narrowed, bring, in_spark
from plumbline.reconcile.inputs.lineage_types import column_types
from plumbline.reconcile.inputs.output_columns import needed_columns, shown_rows, time_columns
from plumbline.reconcile.inputs.redeliveries import by_first_delivery
from plumbline.reconcile.relations.evidence import BROUGHT, MAY_DIFFER
from plumbline.reconcile.relations.inputs import delivered

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation

_DAY, _DAY_US = "plumbline_day", 86_400_000_000


def may_differ(pins: Pins, key: tuple[str, ...], rules: Rules) -> tuple[Pins, Narrowed]:
    """The pins with the rows that may differ (MAY_DIFFER) in place of all rows that are read, and what Spark found of
    those. Raises SetupError when Spark does not start or stops."""
    assert pins.spark is not None
    con, spark, output = pins.con, pins.spark(), pins.contract.output
    plan = plan_columns(describe(con, pins.batch.name), describe(con, pins.stream.name), key, rules)
    values = [*(value.name for value in plan.values), _DAY]
    tables = {pins.batch: output.batch_table, pins.stream: output.stream_table}
    raw = [_emptied(pins, rows, table) for rows, table in tables.items()]
    with in_spark(spark):
        left, right = (_frame(pins, spark, table) for table in tables.values())
        narrowed = bring(con, sides_of(left, right, key, values, rules.tolerances), (raw[0], raw[1]), repeated=False)
    batch, stream = (_shown(pins, rows, table) for rows, table in tables.items())
    return replace(pins, batch=batch, stream=stream), narrowed


def _emptied(pins: Pins, rows: Relation, table: str) -> str:
    """Make the table that the rows come into, with the columns of the view of the output's files; returns its name."""
    columns = ", ".join(map(ident, needed_columns(pins, table)))
    return BROUGHT[rows].fill(pins.con, f"SELECT {columns} FROM {rows.pinned} LIMIT 0").name


def _frame(pins: Pins, spark: SparkSession, table: str) -> DataFrame:
    """The output's rows that are read, as its files have them, and the day of each (its start in us)."""
    columns, time = needed_columns(pins, table), _time(pins, table)
    frame = _snapshot(pins, spark, table).where(pins.read.sql(time))
    us = f"unix_micros({time})"
    return frame.selectExpr(*map(backticked, columns), f"{us} - pmod({us}, {_DAY_US}L) AS {_DAY}")


def _snapshot(pins: Pins, spark: SparkSession, table: str) -> DataFrame:
    snapshot = pins.snapshots[table]
    frame = table_at(spark, table, snapshot)
    return frame.where("false") if snapshot is None else frame


def _time(pins: Pins, table: str) -> str:
    """SQL of the event time of a row: a timestamp without a zone is taken as UTC."""
    names, kinds = time_columns(pins, table), column_types(pins.lake, table)
    if [kinds[name] for name in names] == ["timestamptz"]:
        return backticked(names[0])  # a condition on the bare column skips files
    return f"coalesce({', '.join(f'CAST({backticked(name)} AS TIMESTAMP)' for name in names)})"


def _shown(pins: Pins, rows: Relation, table: str) -> Relation:
    """The rows that came, as the view of all rows shows them."""
    view, kinds = MAY_DIFFER[rows], column_types(pins.lake, table)
    held = {name: kinds[name] for name in needed_columns(pins, table)}
    delivered(view).fill(pins.con, shown_rows(pins, view, table, pins.read, held))
    return view.fill(pins.con, by_first_delivery(pins, delivered(view)))
