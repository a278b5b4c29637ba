#!/usr/bin/env bash
# PyIceberg 0.12.0: a filter whose number is beyond the range of its column's type becomes true or false for all rows, also
# for those that hold NULL: `i < 2147483648` on an int returns them, which `i < 2147483647` does not, and `delete` with
# it deletes them. Infinity is beyond the range of a float column: its own rows are not found, and `f < inf` returns them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "pyiceberg[sql-sqlite]==0.12.0" pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY' | tee "$work/seen"
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo, LessThan

catalog = SqlCatalog("lake", uri="sqlite:///lake.db", warehouse="lake")
catalog.create_namespace("db")
infinity = float("inf")
columns = {"i": pa.array([1, 2, None], pa.int32()), "f": pa.array([1.5, infinity, None], pa.float32())}
rows = pa.table({"id": ["one", "two", "null"], **columns})
table = catalog.create_table("db.t", schema=rows.schema)
table.append(rows)
asked = ["i < 2147483647", "i < 2147483648", "i != 2147483648", EqualTo("f", infinity), LessThan("f", infinity)]
for filter in asked:
    print(filter, table.scan(filter).to_arrow()["id"].to_pylist())
table.delete("i > 1 and i < 2147483648")
print("after delete(i > 1 and i < 2147483648):", table.scan().to_arrow()["id"].to_pylist())
table.delete("i < 2147483648")
print("after delete(i < 2147483648):", table.scan().to_arrow()["id"].to_pylist())
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
i < 2147483647 ['one', 'two']
i < 2147483648 ['one', 'two', 'null']
i != 2147483648 ['one', 'two', 'null']
EqualTo(term=Reference(name='f'), literal=DoubleLiteral(inf)) []
LessThan(term=Reference(name='f'), literal=DoubleLiteral(inf)) ['one', 'two', 'null']
after delete(i > 1 and i < 2147483648): ['one', 'null']
after delete(i < 2147483648): []
SEEN
