#!/usr/bin/env bash
# DuckDB 2.0.1: of several Parquet files without `union_by_name` the first one's types hold for all. Doubles behind a file
# with floats are rounded to floats and DECIMAL(9,3) behind DECIMAL(9,1) to one digit, without an error; which file is
# first decides. A bigint beyond an int is an error. Tables that widened a column (Iceberg, Delta) have such files.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

narrow = {"f": pa.array([1.5], pa.float32()), "d": pa.array([Decimal("1.5")], pa.decimal128(9, 1))}
wide = {"f": pa.array([0.1], pa.float64()), "d": pa.array([Decimal("0.149")], pa.decimal128(9, 3))}
pq.write_table(pa.table(narrow), "narrow.parquet")
pq.write_table(pa.table(wide), "wide.parquet")
for files in (["narrow", "wide"], ["wide", "narrow"]):
    listed = ", ".join(f"'{name}.parquet'" for name in files)
    for options in ("", ", union_by_name = true"):
        found = duckdb.sql(f"SELECT f, d FROM read_parquet([{listed}]{options}) ORDER BY f")
        print(f"{files}{options}:", *found.types, found.fetchall()[0])
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
['narrow', 'wide']: FLOAT DECIMAL(9,1) (0.10000000149011612, Decimal('0.1'))
['narrow', 'wide'], union_by_name = true: DOUBLE DECIMAL(11,3) (0.1, Decimal('0.149'))
['wide', 'narrow']: DOUBLE DECIMAL(9,3) (0.1, Decimal('0.149'))
['wide', 'narrow'], union_by_name = true: DOUBLE DECIMAL(11,3) (0.1, Decimal('0.149'))
SEEN
