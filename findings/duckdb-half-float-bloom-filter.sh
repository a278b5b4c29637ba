#!/usr/bin/env bash
# DuckDB 2.0.1 reads a half float as a FLOAT and asks a Bloom filter of its Parquet file for the four bytes of that, where
# the filter holds the two of the half: `h = 1.5` finds nothing in a file of pyarrow's with bloom_filter_options.
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

for kind in (pa.float16(), pa.float32()):
    rows = pa.table({"v": pa.array([1.5, 1.5, 4.0], pa.float64()).cast(kind)})
    for filters in ({}, {"bloom_filter_options": {"v": True}}):
        pq.write_table(rows, "rows.parquet", **filters)
        found = duckdb.sql("SELECT count(*) FROM 'rows.parquet' WHERE v = 1.5").fetchall()[0][0]
        print(f"{kind}, {'with' if filters else 'without'} a Bloom filter: {found} rows of 1.5")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
halffloat, without a Bloom filter: 2 rows of 1.5
halffloat, with a Bloom filter: 0 rows of 1.5
float, without a Bloom filter: 2 rows of 1.5
float, with a Bloom filter: 2 rows of 1.5
SEEN
