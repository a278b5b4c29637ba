#!/usr/bin/env bash
# PyIceberg 0.12.0 (as Iceberg's own library): columns whose names Avro does not allow are called otherwise in Parquet
# files, where no such rule holds. A reader that goes by names, as DuckDB and pyarrow do, finds no column `x-y` in the
# files of a table that has one; the field ids still tell it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "pyiceberg[sql-sqlite]==0.12.0" duckdb==2.0.1 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog

here = Path.cwd()
catalog = SqlCatalog("c", uri=f"sqlite:///{here}/c.db", warehouse=f"file://{here}/lake")
catalog.create_namespace("x")
rows = pa.table({"x-y": [1], "a$b": [2], "1st": [3], "two words": [4], "a.b": [5], "s": [{"k-1": 6}]})
table = catalog.create_table("x.t", rows.schema)
table.append(rows)
(file,) = here.glob("lake/**/*.parquet")
print("table:", *(field.name for field in table.schema().fields), sep=" | ")
print("DuckDB:", *duckdb.sql(f"FROM '{file}'").columns, sep=" | ")
schema = pq.read_schema(file)
print("pyarrow:", *schema.names, sep=" | ")
print("inside the struct:", schema.field("s").type.field(0).name)
print("field ids:", *(schema.field(n).metadata[b"PARQUET:field_id"].decode() for n in range(6)))
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
table: | x-y | a$b | 1st | two words | a.b | s
DuckDB: | x_x2Dy | a_x24b | _1st | two_x20words | a_x2Eb | s
pyarrow: | x_x2Dy | a_x24b | _1st | two_x20words | a_x2Eb | s
inside the struct: k_x2D1
field ids: 1 2 3 4 5 6
SEEN
