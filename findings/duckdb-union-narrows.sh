#!/usr/bin/env bash
# DuckDB 2.0.1: where files of one folder, or arms of a UNION, have several number types, the common type may hold less
# than either: BIGINT and FLOAT meet in FLOAT (16777217 becomes 16777216), DECIMAL(38,20) and DECIMAL(38,2) in
# DECIMAL(38,2) (twenty digits are rounded away).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import duckdb, pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path

Path("rows").mkdir()
pq.write_table(pa.table({"v": pa.array([16777217], pa.int64())}), "rows/a.parquet")
pq.write_table(pa.table({"v": pa.array([0.5], pa.float32())}), "rows/b.parquet")
con = duckdb.connect()
for value, kind in con.execute("select v, typeof(v) from read_parquet('rows/*.parquet', union_by_name = true)").fetchall():
    print(f"folder of BIGINT and FLOAT: {value} {kind}")
wide = "select 1.00000000000000000001::decimal(38, 20) as v union all select 2::decimal(38, 2)"
for value, kind in con.execute(f"select v, typeof(v) from ({wide}) order by v").fetchall():
    print(f"DECIMAL(38,20) and DECIMAL(38,2): {value} {kind}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
folder of BIGINT and FLOAT: 16777216.0 FLOAT
folder of BIGINT and FLOAT: 0.5 FLOAT
DECIMAL(38,20) and DECIMAL(38,2): 1.00 DECIMAL(38,2)
DECIMAL(38,20) and DECIMAL(38,2): 2.00 DECIMAL(38,2)
SEEN
