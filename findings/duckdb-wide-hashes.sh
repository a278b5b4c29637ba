#!/usr/bin/env bash
# DuckDB 2.0.1: hash() of a 16-byte value is the XOR of the hashes of its two halves. Values with swapped halves share
# one, and so do all with equal halves: -1 and 0 of HUGEINT, -0.01 and 0.00 of DECIMAL(20, 2). Intervals that are not
# equal share one too. A digest of such a column has to hash its text or create_sort_key(column, 'ASC NULLS FIRST').
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import duckdb

con = duckdb.connect()
PAIRS = (
    ("0::HUGEINT", "(-1)::HUGEINT"),
    ("(1::HUGEINT << 64) + 2", "(2::HUGEINT << 64) + 1"),
    ("0.00::DECIMAL(20, 2)", "(-0.01)::DECIMAL(20, 2)"),
    ("0.00::DECIMAL(18, 2)", "(-0.01)::DECIMAL(18, 2)"),
    ("'80000000-0000-0001-0000-000000000002'::UUID", "'80000000-0000-0002-0000-000000000001'::UUID"),
    ("INTERVAL 1 DAY", "INTERVAL 24 HOUR"),
    ("INTERVAL 1 MONTH", "INTERVAL 1 DAY"),
    ("INTERVAL 1 MICROSECOND", "INTERVAL 1 DAY"),
)
for one, other in PAIRS:
    equal, hashed = con.execute(f"SELECT {one} = {other}, hash({one}) = hash({other})").fetchone()
    print(f"{one} and {other}: equal {equal}, one hash {hashed}")
twins = "(SELECT (i::HUGEINT << 64) + i AS v FROM range(1000) r(i))"
told = con.execute(f"SELECT count(DISTINCT v), count(DISTINCT hash(v)) FROM {twins}").fetchone()
print("values with equal halves: %d, their hashes: %d" % told)
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
0::HUGEINT and (-1)::HUGEINT: equal False, one hash True
(1::HUGEINT << 64) + 2 and (2::HUGEINT << 64) + 1: equal False, one hash True
0.00::DECIMAL(20, 2) and (-0.01)::DECIMAL(20, 2): equal False, one hash True
0.00::DECIMAL(18, 2) and (-0.01)::DECIMAL(18, 2): equal False, one hash False
'80000000-0000-0001-0000-000000000002'::UUID and '80000000-0000-0002-0000-000000000001'::UUID: equal False, one hash True
INTERVAL 1 DAY and INTERVAL 24 HOUR: equal True, one hash True
INTERVAL 1 MONTH and INTERVAL 1 DAY: equal False, one hash True
INTERVAL 1 MICROSECOND and INTERVAL 1 DAY: equal False, one hash True
values with equal halves: 1000, their hashes: 1
SEEN
