#!/usr/bin/env bash
# PySpark 4.1.4, Iceberg 1.12.0, DuckDB 2.0.1, pyarrow 26.0.1: a Parquet file that Spark wrote with
# datetimeRebaseModeInWrite=LEGACY, as all of Spark 2's are, counts days before 1582-10-15 by the Julian calendar, and a
# mark in its key-value metadata says so. Only Spark's own Parquet reader asks for the mark: the same Spark reads the same
# file as another day once `add_files` (as `migrate` and `snapshot` do) has made it part of an Iceberg table, and DuckDB
# and Arrow agree with that. Placeholders like 0001-01-01 shift, and no row is found by the day that was written.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.1.4 duckdb==2.0.1 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import glob
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

here = Path.cwd()
conf = {
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.jars.ivy": str(here / "ivy"),
    "spark.jars.packages": "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.lake.type": "hadoop",
    "spark.sql.catalog.lake.warehouse": str(here / "lake"),
    "spark.sql.parquet.datetimeRebaseModeInWrite": "LEGACY",
}
builder = SparkSession.builder.master("local[1]")
for name, value in conf.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sql("SELECT DATE '1500-01-01' AS d").coalesce(1).write.parquet("old")
file = glob.glob("old/*.parquet")[0]
print("marked:", b"org.apache.spark.legacyDateTime" in pq.read_metadata(file).metadata)
print("Spark, the file:", spark.read.parquet("old").collect()[0][0])
spark.sql("CREATE TABLE lake.db.t (d DATE) USING iceberg")
spark.sql(f"CALL lake.system.add_files(table => 'db.t', source_table => '`parquet`.`{here}/old`')")
print("Spark, the same file in an Iceberg table:", spark.table("lake.db.t").collect()[0][0])
print("rows of that table with d = 1500-01-01:", spark.table("lake.db.t").where("d = DATE '1500-01-01'").count())
print("DuckDB:", duckdb.sql(f"SELECT d::VARCHAR FROM '{file}'").fetchall()[0][0])
print("Arrow:", pq.read_table(file)["d"][0])
spark.stop()
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
marked: True
Spark, the file: 1500-01-01
Spark, the same file in an Iceberg table: 1500-01-10
rows of that table with d = 1500-01-01: 0
DuckDB: 1500-01-10
Arrow: 1500-01-10
SEEN
