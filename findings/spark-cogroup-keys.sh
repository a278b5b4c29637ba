#!/usr/bin/env bash
# PySpark 4.1.4: `groupBy(...).cogroup(...).applyInPandas(...)`, the way to join with a function of one's own, compares
# the keys of the two frames by their bytes, without the common type that a join finds first: 1 does not meet 1.0, 1.5 as
# DECIMAL(6,1) not 1.50 as DECIMAL(6,2), while 1 as INT meets 1 as BIGINT. Every group comes with an empty
# partner, as if the other frame had no such key. (Other pairs of types end in a bare "assertion failed".)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyspark==4.1.4 pandas==2.3.3 pyarrow==26.0.1
PYSPARK_PYTHON="$work/venv/bin/python" venv/bin/python - 2>log <<'PY' | tee seen || { tail -5 log >&2; exit 1; }
import pandas as pd
from pyspark.sql import SparkSession

settings = {"spark.sql.session.timeZone": "UTC", "spark.ui.enabled": "false"}
local = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
spark = SparkSession.builder.master("local[1]").config(map={**settings, **local}).getOrCreate()
spark.conf.set("spark.sql.shuffle.partitions", "2")


def sizes(left, right):
    return pd.DataFrame({"left": [len(left)], "right": [len(right)]})


def compared(key, left_type, right_type):
    left = spark.sql(f"SELECT CAST({key} AS {left_type}) k FROM range(1)")
    right = spark.sql(f"SELECT CAST({key} AS {right_type}) k FROM range(1)")
    joined = left.join(right, "k").count()
    groups = left.groupBy("k").cogroup(right.groupBy("k")).applyInPandas(sizes, "left int, right int")
    together = sorted((row.left, row.right) for row in groups.collect())
    print(f"{key} as {left_type} and {right_type}: join {joined} row, cogroup (rows left, right) {together}")


compared("1", "INT", "INT")
compared("1", "INT", "BIGINT")
compared("1", "INT", "DOUBLE")
compared("1.5", "FLOAT", "DOUBLE")
compared("1.5", "DECIMAL(6,1)", "DECIMAL(6,2)")
compared("'2026-01-01'", "DATE", "TIMESTAMP")
PY
diff seen - <<'SEEN' && echo "as described"
1 as INT and INT: join 1 row, cogroup (rows left, right) [(1, 1)]
1 as INT and BIGINT: join 1 row, cogroup (rows left, right) [(1, 1)]
1 as INT and DOUBLE: join 1 row, cogroup (rows left, right) [(0, 1), (1, 0)]
1.5 as FLOAT and DOUBLE: join 1 row, cogroup (rows left, right) [(0, 1), (1, 0)]
1.5 as DECIMAL(6,1) and DECIMAL(6,2): join 1 row, cogroup (rows left, right) [(0, 1), (1, 0)]
'2026-01-01' as DATE and TIMESTAMP: join 1 row, cogroup (rows left, right) [(0, 1), (1, 0)]
SEEN
