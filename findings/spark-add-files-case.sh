#!/usr/bin/env bash
# Iceberg 1.12.0 on PySpark 4.1.4: `add_files` of Parquet files whose columns are called `Id` and `Amount` to a table with
# `id` and `amount`, as Hive's metastore has them: the files are added, the rows are counted, and every value is NULL.
# Spark reads the same files by the table's names without regard to case (`spark.sql.caseSensitive` is false), and Iceberg's
# name mapping, by which columns without field ids are found, regards it. Needs Java 17.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.1.4
cd "$work"
"$work/venv/bin/python" -W ignore - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
from pathlib import Path

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
spark.sql("SELECT id AS Id, id * 10 AS Amount FROM range(1, 3)").coalesce(1).write.parquet("old")
print("files:", spark.read.schema("id BIGINT, amount BIGINT").parquet("old").collect())
spark.sql("CREATE TABLE lake.db.t (id BIGINT, amount BIGINT) USING iceberg")
spark.sql(f"CALL lake.system.add_files(table => 'db.t', source_table => '`parquet`.`{here}/old`')")
print("table:", spark.table("lake.db.t").collect())
spark.stop()
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
files: [Row(id=1, amount=10), Row(id=2, amount=20)]
table: [Row(id=None, amount=None), Row(id=None, amount=None)]
SEEN
