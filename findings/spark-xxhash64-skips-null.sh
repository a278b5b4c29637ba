#!/usr/bin/env bash
# Spark 4.1.4: hash and xxhash64 leave NULL out, so ('a', NULL) and (NULL, 'a') have one hash, and so have arrays with a
# NULL at another place or one more of it. A digest of rows by these functions calls moved values equal.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.1.4
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()

for what in (
    "xxhash64('a', NULL) = xxhash64(NULL, 'a')",
    "hash('a', NULL) = hash(NULL, 'a')",
    "xxhash64(array('a', NULL)) = xxhash64(array(NULL, 'a'))",
    "xxhash64(array('a')) = xxhash64(array('a', NULL, NULL))",
    "xxhash64(named_struct('x', 1, 'y', NULL)) = xxhash64(named_struct('x', NULL, 'y', 1))",
):
    print(f"{what}: {spark.sql('select ' + what).first()[0]}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
xxhash64('a', NULL) = xxhash64(NULL, 'a'): True
hash('a', NULL) = hash(NULL, 'a'): True
xxhash64(array('a', NULL)) = xxhash64(array(NULL, 'a')): True
xxhash64(array('a')) = xxhash64(array('a', NULL, NULL)): True
xxhash64(named_struct('x', 1, 'y', NULL)) = xxhash64(named_struct('x', NULL, 'y', 1)): True
SEEN
