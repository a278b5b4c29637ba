#!/usr/bin/env bash
# Iceberg 1.12.0 on PySpark 4.1.4: conditions that Spark hands to Iceberg follow Iceberg's rules, not SQL's. A file is
# dropped whole where its bounds say that all of its rows match, and in Iceberg NULL <> 1 is true: `DELETE WHERE v <> 1`
# takes the rows with NULL of a file whose other values all go, and leaves them in any other file; `NOT IN (1, 2)` never
# takes them. NaN is in no bounds: `WHERE v > 5` does not find it in a file of smaller values, where Spark says that NaN is
# greater than all numbers (`v + 0 > 5` finds it). `max(v)` is answered from the bounds, and is not NaN where nobody has
# counted NaN, as in files that Arrow wrote and `add_files` added; they lose NaN to `DELETE WHERE v <= 5` too. Needs Java 17.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.1.4 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" -W ignore - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

here = Path.cwd()
conf = {
    "spark.ui.enabled": "false",
    "spark.jars.ivy": str(here / "ivy"),
    "spark.jars.packages": "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.lake.type": "hadoop",
    "spark.sql.catalog.lake.warehouse": str(here / "lake"),
}
builder = SparkSession.builder.master("local[1]")
for name, value in conf.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()


def one_file(table, rows):
    spark.sql(f"CREATE OR REPLACE TABLE lake.db.{table} (k INT, v DOUBLE) USING iceberg")
    spark.sql(f"SELECT * FROM VALUES {rows} AS r(k, v)").coalesce(1).writeTo(f"lake.db.{table}").append()


def seen(sql):
    print(f"{sql}: {[tuple(row) for row in spark.sql(sql).collect()]}")


for rows in ("(1, NULL), (2, 9D)", "(1, NULL), (2, 9D), (3, 1D)"):
    for condition in ("v <> 1", "v NOT IN (1, 2)"):
        one_file("t", rows)
        spark.sql(f"DELETE FROM lake.db.t WHERE {condition}")
        print(f"{rows} without {condition}: {sorted(row.k for row in spark.table('lake.db.t').collect())}")
one_file("u", "(1, 1D), (2, double('NaN'))")
seen("SELECT k FROM lake.db.u WHERE v > 5")
seen("SELECT k FROM lake.db.u WHERE v + 0 > 5")
seen("SELECT max(v) FROM lake.db.u")
Path("plain").mkdir()
pq.write_table(pa.table({"k": pa.array([1, 2], pa.int32()), "v": [1.0, float("nan")]}), "plain/one.parquet")
spark.sql("CREATE TABLE lake.db.w (k INT, v DOUBLE) USING iceberg")
spark.sql(f"CALL lake.system.add_files(table => 'db.w', source_table => '`parquet`.`{here}/plain`')")
seen("SELECT max(v) FROM lake.db.w")
seen("SELECT max(v + 0) FROM lake.db.w")
spark.sql("DELETE FROM lake.db.w WHERE v <= 5")
seen("SELECT k FROM lake.db.w")
spark.stop()
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
(1, NULL), (2, 9D) without v <> 1: []
(1, NULL), (2, 9D) without v NOT IN (1, 2): [1]
(1, NULL), (2, 9D), (3, 1D) without v <> 1: [1, 3]
(1, NULL), (2, 9D), (3, 1D) without v NOT IN (1, 2): [1, 3]
SELECT k FROM lake.db.u WHERE v > 5: []
SELECT k FROM lake.db.u WHERE v + 0 > 5: [(2,)]
SELECT max(v) FROM lake.db.u: [(nan,)]
SELECT max(v) FROM lake.db.w: [(1.0,)]
SELECT max(v + 0) FROM lake.db.w: [(nan,)]
SELECT k FROM lake.db.w: []
SEEN
