"""Small tables for the diff's tests, and one way to compare them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from plumbline.connect.pinned import connection
from plumbline.contract.equality import Tolerance
from plumbline.reconcile.diff.engine.budget import Budget
from plumbline.reconcile.diff.engine.compare import Comparison, compare
from plumbline.reconcile.diff.engine.rules import Rules

ONE_PIECE = Budget.of("512MB")
SMALL_PIECES = Budget(duckdb_bytes=200 * 10**6, group_rows=50, batch_rows=20, block_rows=40)
"""So small that a few hundred rows are partitioned, grouped and compared in many pieces."""


def differing(con: duckdb.DuckDBPyConnection, key: str = "k") -> dict[Any, str]:
    """Key to class of all drift rows; every key is there once."""
    rows = con.execute(f"SELECT {key}, class FROM drift").fetchall()
    found = {row[0] if len(row) == 2 else row[:-1]: row[-1] for row in rows}
    assert len(found) == len(rows)
    return found


def compare_values(left: str, right: str, tolerance: Tolerance | None = None) -> Comparison:
    """Compare two one-row tables whose column `v` is the SQL expression given, beside the key 1."""
    con = connection()
    con.execute(f"CREATE VIEW ours AS SELECT 1 AS k, {left} AS v")
    con.execute(f"CREATE VIEW theirs AS SELECT 1 AS k, {right} AS v")
    return compare(con, "ours", "theirs", ["k"], Rules(tolerances={"v": tolerance} if tolerance else {}))


IN_SPARK = """
import sys
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.spark import session
home = Home.resolve(sys.argv[1])
spark = session(home, Lake.open(home), app="statements")
for statement in sys.argv[2:]:
    spark.sql(statement)
"""


def run_in_spark(home: Path, statements: Sequence[str]) -> None:
    """Run SQL on the lake of `home` in a Spark of its own: a session beside the shared one would become the active one,
    with other settings, for the tests that follow."""
    subprocess.run([sys.executable, "-c", IN_SPARK, str(home), *statements], check=True, capture_output=True)
