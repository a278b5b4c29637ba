#!/usr/bin/env bash
# PyIceberg 0.12.0: upsert compares rows with !=, and NaN differs from itself, so an upsert of rows that are there already
# rewrites each one with a NaN, every time. A NULL in a join column, alone or in a composite key, is a TypeError.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyiceberg[sql-sqlite,pyarrow]==0.12.0' pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import logging, warnings
warnings.filterwarnings("ignore")
from pathlib import Path
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

here = Path.cwd()
catalog = SqlCatalog("lake", uri=f"sqlite:///{here}/catalog.db", warehouse=here.as_uri())
catalog.create_namespace("n")

rows = pa.table({"id": pa.array([1, 2], pa.int64()), "v": [1.0, float("nan")]})
table = catalog.create_table("n.t", rows.schema)
table.append(rows)
for turn in (1, 2, 3):
    print(f"upsert {turn} of the same rows: {table.upsert(rows, join_cols=['id']).rows_updated} updated")

keys = pa.table({"k": pa.array(["a", None]), "id": pa.array([1, 2], pa.int64())})
table = catalog.create_table("n.k", keys.schema)
for join in (["k"], ["k", "id"]):
    try:
        table.upsert(keys, join_cols=join)
    except TypeError as error:
        print(f"upsert by {join}: {type(error).__name__}: {error}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
upsert 1 of the same rows: 1 updated
upsert 2 of the same rows: 1 updated
upsert 3 of the same rows: 1 updated
upsert by ['k']: TypeError: Invalid literal value: None
upsert by ['k', 'id']: TypeError: Invalid literal value: None
SEEN
