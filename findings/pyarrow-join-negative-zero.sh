#!/usr/bin/env bash
# pyarrow 26.0.1: Table.join compares the bytes of keys that are floats. 0.0 is not joined with -0.0, though `equal` says that
# they are, and NaN is joined with NaN, which `equal` says is not. DuckDB 2.0.1 and polars 2.1.0 join both pairs. A -0.0 comes
# of a rounding or a product. group_by, unique and is_in go by the bytes as well.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1 duckdb==2.0.1 polars==2.1.0
venv/bin/python - <<'PY' | tee seen
import math

import duckdb
import polars
import pyarrow as pa
import pyarrow.compute as pc

asked, given = pa.table({"key": [0.0, math.nan, 1.0]}), pa.table({"key": [-0.0, math.nan, 1.0], "found": ["zero", "NaN", "one"]})
print("equal:", pc.equal(asked["key"], given["key"]).to_pylist())
print("joined by pyarrow:", sorted(asked.join(given, "key", join_type="inner")["found"].to_pylist()))
print("joined by DuckDB:", sorted(row[0] for row in duckdb.sql("SELECT found FROM asked JOIN given USING (key)").fetchall()))
frames = polars.from_arrow(asked), polars.from_arrow(given)
print("joined by polars:", sorted(frames[0].join(frames[1], on="key")["found"].to_list()))
PY
diff seen - <<'SEEN' && echo "as described"
equal: [True, False, True]
joined by pyarrow: ['NaN', 'one']
joined by DuckDB: ['NaN', 'one', 'zero']
joined by polars: ['NaN', 'one', 'zero']
SEEN
