#!/usr/bin/env bash
# PySpark 4.1.4: of a time before 1970 with a part of a second `unix_timestamp` is one more than `unix_seconds` and than the cast
# to BIGINT: it cuts towards 1970 where they cut towards the past. What groups by one and joins by the other misses such rows.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyspark==4.1.4
cat >run.py <<'PY'
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "UTC")
spark.sql("SELECT timestamp'1955-11-05 06:15:00.25' AS t").write.parquet("times")
times = spark.read.parquet("times")
for sql in (
    "unix_timestamp(t)",
    "unix_seconds(t)",
    "CAST(t AS BIGINT)",
    "from_unixtime(unix_timestamp(t))",
    "date_trunc('second', t)",
):
    print(f"{sql}: {times.selectExpr(sql).first()[0]}")
PY
TZ=UTC venv/bin/python run.py 2>log | tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
unix_timestamp(t): -446751899
unix_seconds(t): -446751900
CAST(t AS BIGINT): -446751900
from_unixtime(unix_timestamp(t)): 1955-11-05 06:15:01
date_trunc('second', t): 1955-11-05 06:15:00
SEEN
