#!/usr/bin/env bash
# SQLMesh 0.236.4, table_diff (on DuckDB). A key of several columns is joined into one text with a comma, NULL as empty
# text: ("a,b", "c") and ("a", "b,c") are one key, so are NULL and "". Rows whose only key column is NULL are in none of
# the counts. A column whose type differs, such as INT against BIGINT, is not compared, and a row that differs there is a
# full match. Decimals are compared to three places too, not only floats; a NaN in either table is an error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check sqlmesh==0.236.4 duckdb==1.5.6
cd "$work"
"$work/venv/bin/python" - <<'PY' 2>/dev/null | tee "$work/seen"
import math

import duckdb
from sqlmesh.core.engine_adapter import DuckDBEngineAdapter
from sqlmesh.core.table_diff import TableDiff

connection = duckdb.connect()
adapter = DuckDBEngineAdapter(lambda: connection)


def told(what, on, columns, source, target, of_target=None):
    for name, declared, rows in (("a", columns, source), ("b", of_target or columns, target)):
        connection.execute(f"CREATE OR REPLACE TABLE {name} ({declared})")
        connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    try:
        found = TableDiff(adapter, "a", "b", on).row_diff()
    except duckdb.Error as error:
        print(f"{what}: {type(error).__name__}")
        return
    counts = (found.source_count, found.target_count, found.full_match_count, found.s_only_count, found.t_only_count)
    print(f"{what}: rows {counts[0]} and {counts[1]}, full matches {counts[2]}, only in one {counts[3]} and {counts[4]}")


two = "k TEXT, l TEXT, v INT"
told("('a,b', 'c') and ('a', 'b,c')", ["k", "l"], two, [("a,b", "c", 1)], [("a", "b,c", 1)])
told("(NULL, 'c') and ('', 'c')", ["k", "l"], two, [(None, "c", 1)], [("", "c", 1)])
told("two rows more without a key", ["k"], "k TEXT, v INT", [(None, 1), (None, 2), ("x", 1)], [("x", 1)])
told("INT 1 and BIGINT 2", ["k"], "k TEXT, v INT", [("x", 1)], [("x", 2)], "k TEXT, v BIGINT")
told("DECIMAL 1.0001 and 1.0004", ["k"], "k TEXT, v DECIMAL(18, 6)", [("x", 1.0001)], [("x", 1.0004)])
told("NaN and NaN", ["k"], "k TEXT, v DOUBLE", [("x", math.nan)], [("x", math.nan)])
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
('a,b', 'c') and ('a', 'b,c'): rows 1 and 1, full matches 0, only in one 0 and 0
(NULL, 'c') and ('', 'c'): rows 1 and 1, full matches 0, only in one 0 and 0
two rows more without a key: rows 1 and 1, full matches 1, only in one 0 and 0
INT 1 and BIGINT 2: rows 1 and 1, full matches 1, only in one 0 and 0
DECIMAL 1.0001 and 1.0004: rows 1 and 1, full matches 1, only in one 0 and 0
NaN and NaN: ConversionException
SEEN
