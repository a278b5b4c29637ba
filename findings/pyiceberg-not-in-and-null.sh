#!/usr/bin/env bash
# PyIceberg 0.12.0: NotIn with one value becomes NotEqualTo, which does not return rows where the column is NULL (as in
# SQL); NotIn with two values returns them. A list of excluded values that shrinks to one changes which rows come.
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

from pyiceberg.expressions import In, Not, NotIn

rows = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "s": ["a", None, "b"]})
table = catalog.create_table("n.t", rows.schema)
table.append(rows)
for where in (NotIn("s", ["a"]), NotIn("s", ["a", "z"]), Not(In("s", ["a"])), Not(In("s", ["a", "z"]))):
    print(f"{type(where).__name__}: ids {sorted(table.scan(where).to_arrow()['id'].to_pylist())}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
NotEqualTo: ids [3]
NotIn: ids [2, 3]
Not: ids [3]
Not: ids [2, 3]
SEEN
