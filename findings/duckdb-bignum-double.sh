#!/usr/bin/env bash
# DuckDB 2.0.1: BIGNUM holds integers of any size and adds, subtracts and sums them exactly, but its `*` and `abs` are
# those of DOUBLE, without an error: above 2^53 the result is another number, which compares as equal to the right one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import duckdb

con = duckdb.connect()
n = "9007199254740993::BIGNUM"
for what in (
    f"{n} + 0::BIGNUM",
    f"{n} * 1::BIGNUM",
    f"abs({n})",
    f"sum({n})",
    f"typeof({n} * 1::BIGNUM)",
    f"typeof(abs({n}))",
    f"abs({n})::BIGINT",
    f"abs({n}) = {n}",
):
    print(f"{what}: {con.execute('SELECT ' + what).fetchone()[0]}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
9007199254740993::BIGNUM + 0::BIGNUM: 9007199254740993
9007199254740993::BIGNUM * 1::BIGNUM: 9007199254740992.0
abs(9007199254740993::BIGNUM): 9007199254740992.0
sum(9007199254740993::BIGNUM): 9007199254740993
typeof(9007199254740993::BIGNUM * 1::BIGNUM): DOUBLE
typeof(abs(9007199254740993::BIGNUM)): DOUBLE
abs(9007199254740993::BIGNUM)::BIGINT: 9007199254740992
abs(9007199254740993::BIGNUM) = 9007199254740993::BIGNUM: True
SEEN
