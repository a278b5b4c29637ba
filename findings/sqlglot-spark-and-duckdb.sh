#!/usr/bin/env bash
# sqlglot 30.31.0: SQL that is translated between Spark and DuckDB runs and has other values, without a warning.
# to_utc_timestamp goes the wrong way round the clock, in both directions; a difference in hours is one in days, cut to 0;
# `unix_seconds` rounds half a second up; a pattern for milliseconds becomes the text "SSS"; DuckDB's `log` (base 10)
# becomes Spark's (base e), and the ISO number of Wednesday, 3, is 5. Spark counts whole units between two times,
# DuckDB the borders between them: 61 minutes are 1 hour or 2.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check sqlglot==30.31.0 duckdb==2.0.1 pyspark==4.1.4 pytz==2026.1
venv/bin/python - 2>log <<'PY' | tee seen || { tail -5 log >&2; exit 1; }
import duckdb
import sqlglot
from pyspark.sql import SparkSession

settings = {"spark.sql.session.timeZone": "UTC", "spark.ui.enabled": "false"}
local = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
spark = SparkSession.builder.master("local[1]").config(map={**settings, **local}).getOrCreate()
duck = duckdb.connect()
duck.execute("SET timezone = 'UTC'")


def spark_says(sql):
    return spark.sql(f"SELECT CAST(({sql}) AS STRING)").first()[0]


def duck_says(sql):
    return str(duck.execute(f"SELECT CAST(({sql}) AS VARCHAR)").fetchone()[0]).removesuffix("+00")


def translated(expression, read, write):
    return sqlglot.transpile(f"SELECT {expression}", read=read, write=write)[0].removeprefix("SELECT ")


FROM_SPARK = """to_utc_timestamp(timestamp'2026-02-18 00:00:00', 'America/New_York')
datediff(HOUR, timestamp'2026-02-18 00:59:00', timestamp'2026-02-18 02:00:00')
timestampdiff(HOUR, timestamp'2026-02-18 00:59:00', timestamp'2026-02-18 02:00:00')
unix_seconds(timestamp'2026-02-18 01:02:03.9')
date_format(timestamp'2026-02-18 01:02:03.456', 'HH:mm:ss.SSS')
weekday(date'2026-02-18')
cast(2.5 as int)
format_string('%05d', 5)"""
FROM_DUCKDB = """timestamp '2026-02-18 00:00:00' at time zone 'America/New_York'
date_diff('day', timestamp '2026-02-18 23:00:00', timestamp '2026-02-19 01:00:00')
epoch(timestamp '2026-02-18 01:02:03.9')
log(100)
isodow(date '2026-02-18')
regexp_replace('a1b22', '[0-9]+', '#')"""
for one in FROM_SPARK.splitlines():
    print(f"{one}: {spark_says(one)}, in DuckDB {duck_says(translated(one, 'spark', 'duckdb'))}")
for one in FROM_DUCKDB.splitlines():
    print(f"{one}: {duck_says(one)}, in Spark {spark_says(translated(one, 'duckdb', 'spark'))}")
PY
diff seen - <<'SEEN' && echo "as described"
to_utc_timestamp(timestamp'2026-02-18 00:00:00', 'America/New_York'): 2026-02-18 05:00:00, in DuckDB 2026-02-17 19:00:00
datediff(HOUR, timestamp'2026-02-18 00:59:00', timestamp'2026-02-18 02:00:00'): 1, in DuckDB 0
timestampdiff(HOUR, timestamp'2026-02-18 00:59:00', timestamp'2026-02-18 02:00:00'): 1, in DuckDB 2
unix_seconds(timestamp'2026-02-18 01:02:03.9'): 1771376523, in DuckDB 1771376524
date_format(timestamp'2026-02-18 01:02:03.456', 'HH:mm:ss.SSS'): 01:02:03.456, in DuckDB 01:02:03.SSS
weekday(date'2026-02-18'): 2, in DuckDB 3
cast(2.5 as int): 2, in DuckDB 3
format_string('%05d', 5): 00005, in DuckDB %05d
timestamp '2026-02-18 00:00:00' at time zone 'America/New_York': 2026-02-18 05:00:00, in Spark 2026-02-17 19:00:00
date_diff('day', timestamp '2026-02-18 23:00:00', timestamp '2026-02-19 01:00:00'): 1, in Spark 0
epoch(timestamp '2026-02-18 01:02:03.9'): 1771376523.9, in Spark 1771376523
log(100): 2.0, in Spark 4.605170185988092
isodow(date '2026-02-18'): 3, in Spark 5
regexp_replace('a1b22', '[0-9]+', '#'): a#b22, in Spark a#b#
SEEN
