#!/usr/bin/env bash
# sqlframe 4.10.0, PySpark's interface on DuckDB 2.0.1: of result columns with one name, collect gives the first one's value for
# each, so that `SELECT a.v, b.v` of a join never shows a difference. Decimals come back as floats: two amounts that differ in
# the last cent are equal. `div` does not divide whole numbers of decimals, and dayofweek starts at 0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check sqlframe==4.10.0 duckdb==2.0.1
venv/bin/python - 2>log <<'PY' | tee seen || { cat log >&2; exit 1; }
import duckdb
from sqlframe.duckdb import DuckDBSession

connection = duckdb.connect()
spark = DuckDBSession(conn=connection)
pairs = "(SELECT 1 AS id, 10 AS v) a JOIN (SELECT 1 AS id, 99 AS v) b ON a.id = b.id"
print("by sqlframe:", [tuple(row) for row in spark.sql(f"SELECT a.v, b.v FROM {pairs}").collect()])
print("by DuckDB:", connection.sql(f"SELECT a.v, b.v FROM {pairs}").fetchall())
amounts = spark.sql("SELECT CAST(12345678901234567.89 AS DECIMAL(20, 2)) AS a, CAST(12345678901234567.90 AS DECIMAL(20, 2)) AS b")
row = amounts.collect()[0]
print("amounts a cent apart:", row["a"], row["b"], row["a"] == row["b"])
print("10.00 div 4:", spark.sql("SELECT CAST(10 AS DECIMAL(10, 2)) div 4 AS n").collect()[0]["n"])
print("dayofweek of a Sunday:", spark.sql("SELECT dayofweek(DATE '2024-03-31') AS d").collect()[0]["d"])
PY
diff seen - <<'SEEN' && echo "as described"
by sqlframe: [(10, 10)]
by DuckDB: [(10, 99)]
amounts a cent apart: 1.2345678901234568e+16 1.2345678901234568e+16 True
10.00 div 4: 2.5
dayofweek of a Sunday: 0
SEEN
