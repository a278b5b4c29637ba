"""A table of format version 3 as Spark writes it: deletion vectors, defaults, row lineage; both engines agree on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import plumbline
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake

pytestmark = pytest.mark.spark

ROWS, T = 40, datetime(2024, 3, 1, tzinfo=UTC)
BEGIN = """
    CREATE TABLE lake.joined.t (k BIGINT, v DOUBLE, d DECIMAL(20,4), s STRING, at TIMESTAMP,
        n STRUCT<x: INT, y: STRING>, m MAP<STRING, INT>)
    USING iceberg PARTITIONED BY (truncate(1, s)) TBLPROPERTIES ('format-version' = '3',
        'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read',
        'write.merge.mode' = 'merge-on-read')
"""
GROWN = (
    "ALTER TABLE lake.joined.t ADD COLUMN w INT DEFAULT 7",
    "ALTER TABLE lake.joined.t ADD COLUMN w INT",
)
CHANGED = (
    "DELETE FROM lake.joined.t WHERE k % 10 = 3",
    "UPDATE lake.joined.t SET v = CAST('NaN' AS DOUBLE), n = named_struct('x', 1, 'y', NULL) WHERE k % 10 = 4",
    "DELETE FROM lake.joined.t WHERE k = 5",
    "ALTER TABLE lake.joined.t RENAME COLUMN s TO label",
    """MERGE INTO lake.joined.t t USING (SELECT explode(array(6L, 900L)) AS k) u ON t.k = u.k
       WHEN MATCHED THEN UPDATE SET d = 0.5 WHEN NOT MATCHED THEN INSERT (k, label) VALUES (u.k, 'new')""",
    "CALL lake.system.rewrite_data_files(table => 'joined.t', where => 'k < 12')",
    "DELETE FROM lake.joined.t WHERE k = 7",
)


def row(k: int) -> dict[str, Any]:
    return {
        "k": k, "v": k / 3, "d": Decimal(k) / 4, "label": "ab"[k % 2] + str(k), "at": T + timedelta(microseconds=k),
        "n": {"x": k, "y": None if k % 3 else "y"}, "m": [("a", k)],
    }  # fmt: skip


KINDS = pa.schema(
    {
        "k": pa.int64(), "v": pa.float64(), "d": pa.decimal128(20, 4), "label": pa.string(),
        "at": pa.timestamp("us", "UTC"), "n": pa.struct({"x": pa.int32(), "y": pa.string()}),
        "m": pa.map_(pa.string(), pa.int32()), "w": pa.int32(),
    }.items()
)  # fmt: skip


def expected(default: int | None) -> list[dict[str, Any]]:
    """What the statements leave, in plain Python."""
    rows = {k: row(k) | {"w": default} for k in range(ROWS) if k % 10 != 3 and k not in (5, 7)}
    for k, one in rows.items():
        one |= {"v": float("nan"), "n": {"x": 1, "y": None}} if k % 10 == 4 else {}
    rows[6]["d"] = Decimal("0.5")
    new = dict.fromkeys(KINDS.names) | {"k": 900, "label": "new", "w": default}
    return [*rows.values(), new]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> tuple[Home, int | None]:
    """A home with the table, and the value that its added column has in rows from before it."""
    from plumbline.connect.spark import session

    home = Home.resolve(tmp_path_factory.mktemp("v3"))
    lake = Lake.open(home)
    lake.catalog().create_namespace("joined")
    mine = session(home, lake, app="v3")
    mine.sql(BEGIN)
    rows = pa.Table.from_pylist([row(k) for k in range(ROWS)], schema=KINDS.remove(KINDS.get_field_index("w")))
    mine.createDataFrame(rows).withColumnRenamed("label", "s").repartition(2).writeTo("lake.joined.t").append()
    default = 7
    try:
        mine.sql(GROWN[0])
    except Exception:  # a Spark with Iceberg that writes no defaults
        mine.sql(GROWN[1])
        default = None
    for statement in CHANGED:
        mine.sql(statement)
    return home, default


def spoiled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row gone, one too many, one twice, and one that differs in its double, its struct and the added column."""
    changed = rows[1] | {"v": 0.25, "n": {"x": 0, "y": "z"}, "w": 8}
    return [changed, *rows[2:], rows[2], rows[3] | {"k": 5}]


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
@pytest.mark.parametrize("change", ["none", "some"])
def test_both_engines_give_the_right_verdict(engine: str, change: str, written: tuple[Home, int | None]) -> None:
    home, default = written
    lake, name = Lake.open(home), f"joined.{engine}_{change}"
    rows = expected(default) if change == "none" else spoiled(expected(default))
    lake.ensure_table(name, KINDS)
    lake.append(name, pa.Table.from_pylist(rows, schema=KINDS))
    found = plumbline.diff("joined.t", name, "k", engine=engine, home=home)
    summary = found.summary
    assert summary["engine"]["name"] == engine
    assert summary["schema"] == []
    whole = len(expected(default))
    counts = {"match": whole, "mismatch": 0, "missing": 0, "extra": 0, "duplicate": 0}
    if change == "some":
        counts = {"match": whole - 3, "mismatch": 1, "missing": 1, "extra": 1, "duplicate": 1}
        assert set(summary["columns"]) == {"v", "n", "w"}
    assert summary["counts"] == counts
    found.close()


def test_the_table_is_what_the_test_says_it_is(written: tuple[Home, int | None]) -> None:
    """Of version 3, with deletion vectors and row ids: else the verdicts above say nothing about them."""
    table = Lake.open(written[0]).load("joined.t")
    assert table.metadata.format_version == 3
    deletes = [file for task in table.scan().plan_files() for file in task.delete_files]
    assert {str(file.file_format.value).upper() for file in deletes} == {"PUFFIN"}
    assert getattr(table.metadata, "next_row_id", 0) > 0
