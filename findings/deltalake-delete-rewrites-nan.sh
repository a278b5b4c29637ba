#!/usr/bin/env bash
# deltalake 1.6.6 (delta-rs): a delete or update whose condition names a float column writes other rows' NaN back as the
# file's other value, on disk. It reads the file that it rewrites through DataFusion, which takes a column for a constant
# where its bounds, which leave NaN out, are equal. So delete("v > 0.5 and k = 1") keeps row 2 with 1.5 in place of NaN,
# and delete("v = 1.5") takes it away. Conditions that do not name the column leave NaN as it is.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import math

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake


def told(what, change):
    write_deltalake("table", pa.table({"k": [1, 2, 3], "v": [1.5, math.nan, 1.5]}), mode="overwrite")
    change(DeltaTable("table"))
    rows = sorted((row["k"], row["v"]) for row in DeltaTable("table").to_pyarrow_table().to_pylist())
    print(f"{what}: {rows}")


told("untouched", lambda table: None)
told("delete k = 1", lambda table: table.delete("k = 1"))
told("delete v > 0.5 and k = 1", lambda table: table.delete("v > 0.5 and k = 1"))
told("delete v = 1.5", lambda table: table.delete("v = 1.5"))
told("update of v > 0.5 and k = 1", lambda table: table.update(updates={"k": "k + 10"}, predicate="v > 0.5 and k = 1"))
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
untouched: [(1, 1.5), (2, nan), (3, 1.5)]
delete k = 1: [(2, nan), (3, 1.5)]
delete v > 0.5 and k = 1: [(2, 1.5), (3, 1.5)]
delete v = 1.5: []
update of v > 0.5 and k = 1: [(2, 1.5), (3, 1.5), (11, 1.5)]
SEEN
