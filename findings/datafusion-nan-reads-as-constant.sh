#!/usr/bin/env bash
# DataFusion 55.0.0 reads a NaN in a Parquet file as the file's other value, without any condition. Where minimum and
# maximum of a column are equal and no value is NULL it does not read the column, and takes it for that constant. Arrow
# and DataFusion write bounds that leave NaN out; DuckDB and polars write none for a column with NaN. -0.0 beside 0.0 is
# read as it is, since Arrow writes the bounds -0.0 and 0.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check datafusion==55.0.0 pyarrow==26.0.1 polars==1.44.2 duckdb==2.0.1
cd "$work"
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import math
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import SessionContext

context = SessionContext()
rows = pa.table({"k": [1, 2, 3], "v": [1.5, math.nan, 1.5]})
zeros = pa.table({"k": [1, 2, 3], "v": [0.0, -0.0, 0.0]})
pq.write_table(rows, "Arrow.parquet")
context.from_arrow(rows).write_parquet("folder")
next(Path("folder").glob("*.parquet")).rename("DataFusion.parquet")
pl.from_arrow(rows).write_parquet("polars.parquet")
duckdb.sql("COPY rows TO 'DuckDB.parquet'")
pq.write_table(zeros, "zeros.parquet")
for name in ("Arrow", "DataFusion", "polars", "DuckDB", "zeros"):
    context.register_parquet("seen", f"{name}.parquet")
    found = context.sql("SELECT v FROM seen ORDER BY k").collect()
    context.deregister_table("seen")
    values = [row["v"] for batch in found for row in batch.to_pylist()]
    print(f"{name}: {values}, where Arrow reads {pq.read_table(f'{name}.parquet')['v'].to_pylist()}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
Arrow: [1.5, 1.5, 1.5], where Arrow reads [1.5, nan, 1.5]
DataFusion: [1.5, 1.5, 1.5], where Arrow reads [1.5, nan, 1.5]
polars: [1.5, nan, 1.5], where Arrow reads [1.5, nan, 1.5]
DuckDB: [1.5, nan, 1.5], where Arrow reads [1.5, nan, 1.5]
zeros: [0.0, -0.0, 0.0], where Arrow reads [0.0, -0.0, 0.0]
SEEN
