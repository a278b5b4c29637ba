#!/usr/bin/env bash
# PySpark 4.1.4: GROUP BY a map makes 0 of a NULL among its values, 1970-01-01 of a NULL time, false of a NULL boolean.
# {'a': NULL} and {'a': 0} are one group then, and the key that is returned is {'a': 0} also where no row has one. NULL
# in text, decimals and arrays stays; so does every NULL where the map lies in an array, and in queries over literal
# rows, which the optimizer computes by other code.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyspark==4.1.4
venv/bin/python - 2>log <<'PY' | tee seen || { tail -5 log >&2; exit 1; }
from pyspark.sql import SparkSession

settings = {"spark.sql.session.timeZone": "UTC", "spark.ui.enabled": "false"}
local = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
spark = SparkSession.builder.master("local[1]").config(map={**settings, **local}).getOrCreate()

rows = [("a null", None), ("zero", 0), ("one", 1)]
table = spark.createDataFrame(rows, "id string, k int")
table.selectExpr("id", "map('a', k) AS m").write.parquet("maps")
spark.read.parquet("maps").createOrReplaceTempView("maps")
for row in spark.sql("SELECT CAST(m AS STRING) m, sort_array(collect_list(id)) ids FROM maps GROUP BY m ORDER BY m").collect():
    print(row.m, row.ids)
print("one row alone, by type of its NULL:")
for kind in ("int", "bigint", "double", "boolean", "date", "timestamp", "decimal(9,2)", "string", "array<int>"):
    spark.createDataFrame([(None,)], f"k {kind}").createOrReplaceTempView("one")
    print(f"  {kind}:", spark.sql("SELECT CAST(m AS STRING) FROM (SELECT map('a', k) m FROM one) GROUP BY m").first()[0])
PY
diff seen - <<'SEEN' && echo "as described"
{a -> 0} ['a null', 'zero']
{a -> 1} ['one']
one row alone, by type of its NULL:
  int: {a -> 0}
  bigint: {a -> 0}
  double: {a -> 0.0}
  boolean: {a -> false}
  date: {a -> 1970-01-01}
  timestamp: {a -> 1970-01-01 00:00:00}
  decimal(9,2): {a -> null}
  string: {a -> null}
  array<int>: {a -> null}
SEEN
