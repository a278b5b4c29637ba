#!/usr/bin/env bash
# Spark 4.1.4: from_json and a cast of the same text disagree on infinities and NaN ("INF", "inf", "nan": NULL by
# from_json). A JSON number 1.0 is NULL as BIGINT. What follows the first document is ignored without a word, and the
# last of a field given twice wins.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.1.4
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()

for text in ("Infinity", "+INF", "INF", "inf", "NaN", "nan"):
    row = spark.sql(f"""select from_json('{{"v":"{text}"}}', 'v double').v, try_cast('{text}' as double)""").first()
    print(f"{text}: from_json {row[0]}, cast {row[1]}")
for document in ('{"v":1.0}', '{"v":1}{"v":2}', '{"v":1} and more', '{"v":1,"v":2}'):
    row = spark.sql(f"select from_json('{document}', 'v bigint').v").first()
    print(f"{document}: {row[0]}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
Infinity: from_json inf, cast inf
+INF: from_json inf, cast inf
INF: from_json None, cast inf
inf: from_json None, cast inf
NaN: from_json nan, cast nan
nan: from_json None, cast nan
{"v":1.0}: None
{"v":1}{"v":2}: 1
{"v":1} and more: 1
{"v":1,"v":2}: 2
SEEN
