#!/usr/bin/env bash
# pyarrow 26.0.1: a dataset filter reads minimum = maximum of a row group as "every row has this value", but NaN is left
# out of both. In a file [1.0, NaN] is_nan(v), v != 1.0 and not (v <= 1.0) find nothing; on the same rows in memory, and
# in a file [1.0, NaN, 2.0], they find the NaN row.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import pyarrow as pa, pyarrow.compute as pc, pyarrow.dataset as ds, pyarrow.parquet as pq

v = pc.field("v")
for values in ([1.0, float("nan")], [1.0, float("nan"), 2.0]):
    table = pa.table({"v": values})
    pq.write_table(table, "rows.parquet")
    for name, where in (("is_nan", pc.is_nan(v)), ("!= 1", v != 1.0), ("not <= 2", ~(v <= 2.0))):
        file = ds.dataset("rows.parquet").to_table(filter=where).num_rows
        print(f"{values} {name}: {file} rows from the file, {table.filter(where).num_rows} in memory")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
[1.0, nan] is_nan: 0 rows from the file, 1 in memory
[1.0, nan] != 1: 0 rows from the file, 1 in memory
[1.0, nan] not <= 2: 0 rows from the file, 1 in memory
[1.0, nan, 2.0] is_nan: 1 rows from the file, 1 in memory
[1.0, nan, 2.0] != 1: 2 rows from the file, 2 in memory
[1.0, nan, 2.0] not <= 2: 0 rows from the file, 1 in memory
SEEN
