#!/usr/bin/env bash
# DuckDB 2.0.1 and pyarrow 26.0.1: Parquet has no type for durations, so that pyarrow keeps the unit of a duration in its
# own schema beside Parquet's. DuckDB takes the same Arrow table for intervals, and its file for bare BIGINTs: 1 s as
# 1,000 ms and as 1,000,000 us are two numbers, and 1,000 ms equals 1,000 us, in a join and below UNION ALL BY NAME.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

for unit, value in (("ms", 1_000), ("us", 1_000)):
    arrow = pa.table({"d": pa.array([value], pa.duration(unit))})
    pq.write_table(arrow, f"{unit}.parquet")
    in_table, in_file = duckdb.sql("FROM arrow"), duckdb.sql(f"FROM '{unit}.parquet'")
    for where, found in (("table", in_table), ("file", in_file)):
        print(f"{value} {unit}, {where}: {found.fetchall()[0][0]} {found.types[0]}")
print("rows that join:", duckdb.sql("FROM 'ms.parquet' JOIN 'us.parquet' USING (d)").fetchall())
print("pyarrow reads:", pq.read_schema("ms.parquet").field("d").type, pq.read_schema("us.parquet").field("d").type)
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
1000 ms, table: 0:00:01 INTERVAL
1000 ms, file: 1000 BIGINT
1000 us, table: 0:00:00.001000 INTERVAL
1000 us, file: 1000 BIGINT
rows that join: [(1000,)]
pyarrow reads: duration[ms] duration[us]
SEEN
