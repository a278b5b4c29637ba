#!/usr/bin/env bash
# DuckDB 2.0.1 decides for each CSV file which date format fits all of its rows. Where month first and day first both fit,
# it takes day first: the first twelve days of January, cut from a file of the whole month, become the first of twelve
# months. Two files of one series may be read in two ways; no warning is given.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import duckdb
from pathlib import Path

Path("month.csv").write_text("day\n" + "".join(f"01/{day:02}/2024\n" for day in range(1, 32)))
Path("twelve_days.csv").write_text("day\n" + "".join(f"01/{day:02}/2024\n" for day in range(1, 13)))
for file in ("month.csv", "twelve_days.csv"):
    days = duckdb.sql(f"select min(day), max(day) from (select day from '{file}' limit 12)").fetchall()[0]
    print(f"{file}: the first twelve rows are {days[0]} to {days[1]}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
month.csv: the first twelve rows are 2024-01-01 to 2024-01-12
twelve_days.csv: the first twelve rows are 2024-01-01 to 2024-12-01
SEEN
