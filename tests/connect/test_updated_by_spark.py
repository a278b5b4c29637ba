"""Tables that are updated, as Spark reads them and as Spark writes them: DuckDB sees the same rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

import plumbline
from plumbline.connect import pinned
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.spark import session
from tests.support.updated_histories import RandomHistory, spelled

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.slow]
HISTORIES = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.resolve(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def lake(home: Home) -> Lake:
    return Lake.open(home)


@pytest.fixture(scope="module")
def spark(home: Home, lake: Lake) -> SparkSession:
    return session(home, lake, app="updated")


def counted(rows: pa.Table) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(spelled(row[name]) for name in rows.column_names) for row in rows.to_pylist())


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_spark_reads_a_random_history_as_the_model_says(lake: Lake, spark: SparkSession, seed: int) -> None:
    history = RandomHistory(lake, f"joined.t{seed}", Random(seed))
    assert counted(spark.table(f"lake.joined.t{seed}").toArrow()) == history.current.rows()


@pytest.mark.parametrize("version", [2, 3])
def test_rows_that_spark_merged_are_seen_by_both_engines(
    home: Home, lake: Lake, spark: SparkSession, version: int, tmp_path: Path
) -> None:
    """Position deletes of version 2, deletion vectors of version 3; some merged twice, some inserted again."""
    name = f"joined.merged{version}"
    spark.sql(f"""CREATE TABLE lake.{name} (k BIGINT, v STRING) USING iceberg PARTITIONED BY (truncate(4, k))
        TBLPROPERTIES ('format-version' = '{version}', 'write.delete.mode' = 'merge-on-read',
            'write.update.mode' = 'merge-on-read', 'write.merge.mode' = 'merge-on-read')""")
    spark.sql(f"INSERT INTO lake.{name} SELECT id, 'first' FROM range(40)")
    held = dict.fromkeys(range(40), "first")
    for step in (3, 5):
        spark.sql(f"""MERGE INTO lake.{name} t USING (SELECT id * {step} AS k FROM range(12)) u ON t.k = u.k
            WHEN MATCHED AND t.k % 4 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'step {step}'
            WHEN NOT MATCHED THEN INSERT (k, v) VALUES (u.k, 'new {step}')""")
        for k in (n * step for n in range(12)):
            if k not in held:
                held[k] = f"new {step}"
            elif k % 4 == 0:
                del held[k]
            else:
                held[k] = f"step {step}"
    expected = pa.table({"k": list(held), "v": list(held.values())})
    con = pinned.connection()
    pinned.scan(con, lake, name, view="v", schema=None)
    assert counted(con.sql("SELECT k, v FROM v").to_arrow_table()) == counted(expected)
    for engine in ("duckdb", "spark"):
        found = plumbline.diff(name, expected, "k", engine=engine, home=home)
        assert found.summary["counts"]["match"] == sum(found.summary["counts"].values()) == len(held)
        found.close()
