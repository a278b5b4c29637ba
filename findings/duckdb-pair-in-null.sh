#!/usr/bin/env bash
# DuckDB 2.0.1: a row of NULLs is a value to IN and =. `NULL IN (SELECT 1)` is NULL, but `(NULL, NULL) IN (SELECT (1, 2))`
# is false, where the SQL standard has unknown: a key that is missing looks like a key that is not there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import duckdb

con = duckdb.connect()
for what in (
    "NULL::int IN (SELECT 1)",
    "(NULL::int, NULL::int) IN (SELECT (1, 2))",
    "(NULL::int, NULL::int) NOT IN (SELECT (1, 2))",
    "(1, NULL::int) = (1, 2)",
    "(NULL::int, NULL::int) IN (SELECT (NULL::int, NULL::int))",
):
    print(f"{what}: {con.execute('select ' + what).fetchone()[0]}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
NULL::int IN (SELECT 1): None
(NULL::int, NULL::int) IN (SELECT (1, 2)): False
(NULL::int, NULL::int) NOT IN (SELECT (1, 2)): True
(1, NULL::int) = (1, 2): False
(NULL::int, NULL::int) IN (SELECT (NULL::int, NULL::int)): True
SEEN
