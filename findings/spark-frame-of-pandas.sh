#!/usr/bin/env bash
# Spark 4.1.4: what createDataFrame makes of a pandas frame depends on spark.sql.execution.arrow.pyspark.enabled. Without
# Arrow, the default: a missing text is the text 'nan', ids in a nullable Int64 column are rounded to doubles, and a uint64
# beyond a bigint is NULL. With Arrow: NaN is NULL. None of it is an error or a warning.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.1.4 pandas==2.3.3 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import pandas as pd
from pyspark.errors import PySparkTypeError
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.conf.set("spark.sql.execution.arrow.pyspark.fallback.enabled", "false")
print("arrow by default:", spark.conf.get("spark.sql.execution.arrow.pyspark.enabled"))
for name, column in {
    "text": pd.Series(["a", None, float("nan")], dtype="object"),
    "category": pd.Series(["a", None], dtype="category"),
    "Int64": pd.array([2**53 + 1, None], "Int64"),
    "float64": pd.Series([1.5, float("nan")]),
    "uint64": pd.Series([2**63 + 5], dtype="uint64"),
}.items():
    for arrow in ("false", "true"):
        spark.conf.set("spark.sql.execution.arrow.pyspark.enabled", arrow)
        try:
            rows = spark.createDataFrame(pd.DataFrame({"v": column})).selectExpr("cast(v as string)").collect()
            print(f"{name}, arrow {arrow}:", [row[0] for row in rows])
        except PySparkTypeError as error:
            print(f"{name}, arrow {arrow}:", error.getCondition())
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
arrow by default: false
text, arrow false: ['a', None, 'nan']
text, arrow true: ['a', None, None]
category, arrow false: ['a', 'nan']
category, arrow true: ['a', None]
Int64, arrow false: ['9.007199254740992E15', 'NaN']
Int64, arrow true: ['9007199254740993', None]
float64, arrow false: ['1.5', 'NaN']
float64, arrow true: ['1.5', None]
uint64, arrow false: [None]
uint64, arrow true: UNSUPPORTED_DATA_TYPE_FOR_ARROW_CONVERSION
SEEN
