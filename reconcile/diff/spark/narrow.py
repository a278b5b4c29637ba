"""From two Spark frames to two small DuckDB tables: the rows of the keys that may differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import backticked, ident
from plumbline.contract.errors import SetupError
from plumbline.reconcile.diff.engine.columns import plan_columns
from plumbline.reconcile.diff.engine.compare import Comparison
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.diff.engine.side_view import describe, first_line
from plumbline.reconcile.diff.spark.buckets import BUCKET
from plumbline.reconcile.diff.spark.candidates import Candidates, candidates_of, settled
from plumbline.reconcile.diff.spark.digests import Side, sides_of
from plumbline.reconcile.relations.diff import DRIFT

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import DataFrame, SparkSession

ROWS_AT_ONCE = 200_000
"""So many candidate rows come to this process at a time."""


@dataclass(frozen=True)
class Narrowed:
    """What Spark found of the whole tables: their rows, and the keys that stand several times but cannot differ."""

    left_rows: int
    right_rows: int
    repeated_keys: int

    def whole(self, con: duckdb.DuckDBPyConnection, found: Comparison) -> Comparison:
        """The comparison of the rows that were brought here as that of the whole tables."""
        [(drifted,)] = con.execute(f"SELECT coalesce(sum(left_count), 0)::BIGINT FROM {DRIFT}").fetchall()
        return replace(
            found,
            left_rows=self.left_rows,
            right_rows=self.right_rows,
            counts={**found.counts, "match": self.left_rows - int(drifted)},
            repeated_keys=found.repeated_keys + self.repeated_keys,
        )


def narrow(
    con: duckdb.DuckDBPyConnection,
    left: DataFrame,
    right: DataFrame,
    key: Sequence[str],
    rules: Rules,
) -> Narrowed:
    """Fill the empty tables `left` and `right` of `con` with the rows of the frames whose keys may differ.

    Both frames are of one session, the tables have their columns (`sides.create`). The parameters are those of
    `compare`, which is to compare the two tables next; `Narrowed.whole` then tells of all rows. Raises UsageError as
    `compare` does, SetupError when Spark stops.
    """
    with in_spark(left.sparkSession):
        plan = plan_columns(describe(con, "left"), describe(con, "right"), key, rules)
        sides = sides_of(left, right, key, [value.name for value in plan.values], rules.tolerances)
        return bring(con, sides, ("left", "right"))


def bring(
    con: duckdb.DuckDBPyConnection, sides: tuple[Side, Side], tables: tuple[str, str], *, repeated: bool = True
) -> Narrowed:
    """Fill the empty tables of `con` with the rows of both sides that may differ, of each its table's columns.

    Without `repeated` the keys that stand several times and cannot differ are not counted, which saves a scan.
    """
    with candidates_of(*sides, repeated=repeated) as candidates:
        if candidates.rows:
            _bring_all(con, candidates, tables)
    return Narrowed(candidates.left_rows, candidates.right_rows, candidates.repeated_keys)


def _bring_all(con: duckdb.DuckDBPyConnection, candidates: Candidates, tables: tuple[str, str]) -> None:
    """The candidates into the tables. Raises SetupError when they are others than at first."""
    pieces = math.ceil(candidates.rows / ROWS_AT_ONCE)
    sides = zip(tables, (candidates.left, candidates.right), strict=True)
    brought = sum(_bring(con, table, rows, pieces) for table, rows in sides)
    if brought != candidates.rows:
        raise SetupError(
            f"a side changed while it was compared: of {candidates.rows:,} rows that may differ Spark read {brought:,}",
            next_step="compare snapshots, or frames that give the same rows whenever they are read",
        )


def _bring(con: duckdb.DuckDBPyConnection, table: str, rows: DataFrame, pieces: int) -> int:
    """The rows into the table, a bounded number at a time; returns how many."""
    rows = rows.persist() if pieces > 1 else rows
    wanted, brought = [backticked(name) for name in con.sql(f"FROM {ident(table)} LIMIT 0").columns], 0
    for piece in range(pieces):
        part = rows.where(f"pmod({BUCKET}, {pieces}) = {piece}").select(*wanted).toArrow()
        brought += part.num_rows
        con.register("plumbline_piece", part)
        con.execute(f"INSERT INTO {ident(table)} BY NAME FROM plumbline_piece")
        con.unregister("plumbline_piece")
    rows.unpersist()
    return brought


@contextmanager
def in_spark(spark: SparkSession) -> Iterator[None]:
    """The session with the settings that the digests rest on; what Spark stops at is an error that says what to do."""
    with settled(spark), _foreseen():
        yield


@contextmanager
def _foreseen() -> Iterator[None]:
    """What Spark stops at, as an error that says what to do."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        raise SetupError(
            f"Spark stopped the comparison: {first_line(error)}",
            next_step="check that both sides can be read from Spark and that its executors have memory and disk",
        ) from error
