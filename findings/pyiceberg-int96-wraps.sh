#!/usr/bin/env bash
# PyIceberg 0.12.0, PySpark 4.1.4, Iceberg 1.12.0: Spark writes times to Parquet as INT96 by default, and `add_files` makes
# such files part of an Iceberg table. Spark reads them there as they are; PyIceberg takes Arrow's nanoseconds, which end
# in 2262: 9999-12-31, the usual end of what is valid, becomes 1816-03-29 and year 1 becomes 1754, with no more than a
# warning of a "downcast" in general. Arrow reads the file right in microseconds. Needs Java 17.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.1.4 pyiceberg==0.12.0 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" -W ignore - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
from pathlib import Path

import pyarrow.parquet as pq
from pyiceberg.table import StaticTable
from pyspark.sql import SparkSession

here = Path.cwd()
conf = {
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
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
days = "VALUES TIMESTAMP '0001-01-01', TIMESTAMP '2024-02-29', TIMESTAMP '9999-12-31' AS rows(until)"
spark.sql(f"SELECT * FROM {days}").coalesce(1).write.parquet("old")
spark.sql("CREATE TABLE lake.db.t (until TIMESTAMP) USING iceberg")
spark.sql(f"CALL lake.system.add_files(table => 'db.t', source_table => '`parquet`.`{here}/old`')")
print("Spark:", sorted(str(row[0]) for row in spark.sql("SELECT CAST(until AS STRING) FROM lake.db.t").collect()))
newest = max(Path("lake/db/t/metadata").glob("v*.metadata.json"))
table = StaticTable.from_metadata(f"file://{here}/{newest}")
print("PyIceberg:", [str(at) for at in table.scan().to_arrow()["until"].to_pylist()])
[file] = Path("old").glob("*.parquet")
print("Arrow:", [str(at) for at in pq.read_table(file, coerce_int96_timestamp_unit="us")["until"].to_pylist()])
spark.stop()
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
Spark: ['0001-01-01 00:00:00', '2024-02-29 00:00:00', '9999-12-31 00:00:00']
PyIceberg: ['1754-08-30 22:43:41.128655+00:00', '2024-02-29 00:00:00+00:00', '1816-03-29 05:56:08.066278+00:00']
Arrow: ['0001-01-01 00:00:00', '2024-02-29 00:00:00', '9999-12-31 00:00:00']
SEEN
