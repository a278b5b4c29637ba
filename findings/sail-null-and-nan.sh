#!/usr/bin/env bash
# Sail 0.7.2, which serves PySpark's own client in the place of Spark: isnan(NULL) is NULL, so that `NOT isnan(v)` loses the
# NULL rows; the greatest struct is one with NULL, which Spark holds for the smallest value; half a second before 1970 is
# second 0 and not -1. Beside it PySpark 4.1.4 on the same statements.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "pyspark[connect]==4.1.4" pysail==0.7.2
cat >run.py <<'PY'
import sys

from pyspark.sql import SparkSession

if sys.argv[1] == "sail":
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(port=0)
    server.start(background=True)
    spark = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
else:
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "UTC")
rows = "VALUES (1, 1.5D), (2, double('NaN')), (3, NULL) AS t(k, v)"
for what, sql in {
    "rows with NOT isnan(v)": f"SELECT collect_list(k) FROM {rows} WHERE NOT isnan(v)",
    "row of max(struct(v, k))": f"SELECT max(struct(v, k)).k FROM {rows}",
    "row of min(struct(v, k))": f"SELECT min(struct(v, k)).k FROM {rows}",
    "second of 1969-12-31 23:59:59.5": "SELECT CAST(timestamp'1969-12-31 23:59:59.5' AS BIGINT)",
}.items():
    print(f"{what}: {spark.sql(sql).first()[0]}", flush=True)
PY
for engine in sail spark; do
    echo "$engine"
    venv/bin/python run.py "$engine" 2>log || { cat log >&2; exit 1; }
done | tee seen
diff seen - <<'SEEN' && echo "as described"
sail
rows with NOT isnan(v): [1]
row of max(struct(v, k)): 3
row of min(struct(v, k)): 1
second of 1969-12-31 23:59:59.5: 0
spark
rows with NOT isnan(v): [1, 3]
row of max(struct(v, k)): 2
row of min(struct(v, k)): 3
second of 1969-12-31 23:59:59.5: -1
SEEN
