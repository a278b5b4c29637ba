#!/usr/bin/env bash
# DuckDB 2.0.1: a CSV file with a header and a thousand rows, followed by a row with one field more, is read from that
# row on: header and rows before it are gone, the columns are called column0 to column2, and there is no error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import duckdb
from pathlib import Path

rows = "".join(f"{number},a\n" for number in range(1000))
Path("good.csv").write_text("id,v\n" + rows)
Path("wide.csv").write_text("id,v\n" + rows + "1000,b,c\n")
con = duckdb.connect()
for file in ("good.csv", "wide.csv"):
    names = [name for name, *_ in con.execute(f"describe from '{file}'").fetchall()]
    count = con.execute(f"select count(*) from '{file}'").fetchone()[0]
    print(f"{file}: {count} rows, columns {names}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
good.csv: 1000 rows, columns ['id', 'v']
wide.csv: 1 rows, columns ['column0', 'column1', 'column2']
SEEN
