#!/usr/bin/env bash
# DuckDB 2.0.1: hash() of nested values collides by construction ([] and NULL, [0] and [0, 0]), combines columns so that
# bit_xor over swapped values cancels, and sum() of UHUGEINT, which would hold a sum of 64-bit hashes exactly, is a DOUBLE.
# A digest of rows has to write down lengths and NULLs and must not add up UHUGEINT.
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
    "hash([]::int[]) = hash(null::int[])",
    "hash([0]) = hash([0, 0])",
    "hash({'a': 1}) = hash(1)",
    "typeof(sum(1::uhugeint))",
    "sum(1152921504606846977::uhugeint)::hugeint",
):
    print(f"{what}: {con.execute('select ' + what).fetchone()[0]}")
swapped = "select bit_xor(hash(a, b)) from (values ({0}, {1}), ({2}, {3})) t(a, b)"
before = con.execute(swapped.format(1, 10, 2, 20)).fetchone()
print(f"bit_xor of hash(a, b) with b swapped between two rows is the same: {before == con.execute(swapped.format(1, 20, 2, 10)).fetchone()}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
hash([]::int[]) = hash(null::int[]): True
hash([0]) = hash([0, 0]): True
hash({'a': 1}) = hash(1): True
typeof(sum(1::uhugeint)): DOUBLE
sum(1152921504606846977::uhugeint)::hugeint: 1152921504606846976
bit_xor of hash(a, b) with b swapped between two rows is the same: True
SEEN
