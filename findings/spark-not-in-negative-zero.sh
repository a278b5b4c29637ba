#!/usr/bin/env bash
# PySpark 4.1.4: `v NOT IN (SELECT w ...)` returns 0.0 where w holds -0.0, which `=`, IN, NOT EXISTS, EXCEPT and joins hold for
# equal; a NaN with other bits too. The values are looked up by their bytes in the join that knows NULL
# (spark.sql.optimizeNullAwareAntiJoin): with that off, the row is not returned.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyspark==4.1.4
cat >run.py <<'PY'
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.createDataFrame([(0.0,), (1.5,)], "v double").createOrReplaceTempView("a")
spark.createDataFrame([(-0.0,), (2.5,)], "w double").createOrReplaceTempView("b")


def values(sql):
    return sorted(row[0] for row in spark.sql(sql).collect())


print("IN:", values("SELECT v FROM a WHERE v IN (SELECT w FROM b)"))
print("NOT EXISTS:", values("SELECT v FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE v = w)"))
print("EXCEPT:", values("SELECT v FROM a EXCEPT SELECT w FROM b"))
print("NOT IN:", values("SELECT v FROM a WHERE v NOT IN (SELECT w FROM b)"))
spark.conf.set("spark.sql.optimizeNullAwareAntiJoin", "false")
print("NOT IN, as a plain join:", values("SELECT v FROM a WHERE v NOT IN (SELECT w FROM b)"))
PY
venv/bin/python run.py 2>log | tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
IN: [0.0]
NOT EXISTS: [1.5]
EXCEPT: [1.5]
NOT IN: [0.0, 1.5]
NOT IN, as a plain join: [1.5]
SEEN
