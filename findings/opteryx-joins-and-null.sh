#!/usr/bin/env bash
# Opteryx 0.26.8, SQL over Parquet: `ON l.s = r.s AND l.id < r.rid` joins by s alone; a FULL JOIN puts a row whose key is NULL on
# the left beside one whose key is NULL on the right, as a pair; `i = 1 OR s IS NULL` loses the row where i is NULL. One
# NULL in a column of integers, and `i + 1` goes by way of doubles: NULL becomes -2^63, 9007199254740993 + 1 is ...992.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check opteryx==0.26.8 pyarrow==26.0.1 duckdb==2.0.1
venv/bin/python - 2>log <<'PY' | tee seen || { tail -5 log >&2; exit 1; }
import duckdb
import opteryx
import pyarrow as pa
import pyarrow.parquet as pq

left = {"id": [1, 2, 3], "i": [1, None, 9007199254740993], "s": ["a", None, "b"]}
right = {"rid": [1, 2, 3], "i": [1, None, 7], "s": ["a", "b", "b"]}
pq.write_table(pa.table(left), "l.parquet")
pq.write_table(pa.table(right), "r.parquet")
LEFT, RIGHT = "'l.parquet' AS l", "'r.parquet' AS r"


def rows(table):
    return sorted(zip(*[column.to_pylist() for column in table.columns]), key=str)


for sql in (
    f"SELECT l.id, r.rid FROM {LEFT} INNER JOIN {RIGHT} ON l.s = r.s AND l.id < r.rid",
    f"SELECT l.id, r.rid FROM {LEFT} FULL OUTER JOIN {RIGHT} ON l.i = r.i",
    f"SELECT id FROM {LEFT} WHERE i = 1 OR s IS NULL",
    f"SELECT id FROM {LEFT} WHERE i NOT IN (1, 2)",
    f"SELECT id, i + 1 FROM {LEFT}",
):
    print(sql.replace(LEFT, "l").replace(RIGHT, "r"))
    print("  opteryx", rows(opteryx.query_to_arrow(sql)))
    print("  duckdb ", rows(duckdb.sql(sql).to_arrow_table()))
PY
diff seen - <<'SEEN' && echo "as described"
SELECT l.id, r.rid FROM l INNER JOIN r ON l.s = r.s AND l.id < r.rid
  opteryx [(1, 1), (3, 2), (3, 3)]
  duckdb  []
SELECT l.id, r.rid FROM l FULL OUTER JOIN r ON l.i = r.i
  opteryx [(1, 1), (2, 2), (3, None), (None, 3)]
  duckdb  [(1, 1), (2, None), (3, None), (None, 2), (None, 3)]
SELECT id FROM l WHERE i = 1 OR s IS NULL
  opteryx [(1,)]
  duckdb  [(1,), (2,)]
SELECT id FROM l WHERE i NOT IN (1, 2)
  opteryx [(2,), (3,)]
  duckdb  [(3,)]
SELECT id, i + 1 FROM l
  opteryx [(1, 2), (2, -9223372036854775808), (3, 9007199254740992)]
  duckdb  [(1, 2), (2, None), (3, 9007199254740994)]
SEEN
