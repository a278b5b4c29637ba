#!/usr/bin/env bash
# Sail 0.7.2, which serves PySpark's own client in the place of Spark: to_json drops the sign of decimals between -1 and 0,
# from_json reads decimals by way of a double, quotients have fewer digits than Spark's and are cut off, as averages are, where
# Spark rounds, and a sum beyond 38 digits is a decimal of 39, all without an error. Beside it PySpark 4.1.4 on the same statements.
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
spark.conf.set("spark.sql.ansi.enabled", "false")
amounts = "VALUES (1.00), (0.00), (1.00) AS t(d)"
wide = f"VALUES (CAST('{'9' * 38}' AS DECIMAL(38, 0))), (CAST(1 AS DECIMAL(38, 0))) AS t(d)"
for what, sql in {
    "to_json of -0.01": "SELECT to_json(struct(-0.01 AS d))",
    "to_json of 12345678901234567.89": "SELECT to_json(struct(12345678901234567.89 AS d))",
    "from_json of it": """SELECT from_json('{"d": 12345678901234567.89}', 'd DECIMAL(20, 2)').d""",
    "2.00 / 3.00": "SELECT CAST(2 AS DECIMAL(10, 2)) / CAST(3 AS DECIMAL(10, 2))",
    "avg(1.00, 0.00, 1.00)": f"SELECT avg(d) FROM {amounts}",
    "sum beyond 38 digits": f"SELECT sum(d) FROM {wide}",
}.items():
    print(f"{what}: {spark.sql(sql).first()[0]}", flush=True)
PY
for engine in sail spark; do
    echo "$engine"
    venv/bin/python run.py "$engine" 2>log || { cat log >&2; exit 1; }
done | tee seen
diff seen - <<'SEEN' && echo "as described"
sail
to_json of -0.01: {"d":0.01}
to_json of 12345678901234567.89: {"d":1.2345678901234568e+16}
from_json of it: 12345678901234568.00
2.00 / 3.00: 0.666666
avg(1.00, 0.00, 1.00): 0.666666
sum beyond 38 digits: 100000000000000000000000000000000000000
spark
to_json of -0.01: {"d":-0.01}
to_json of 12345678901234567.89: {"d":12345678901234567.89}
from_json of it: 12345678901234567.89
2.00 / 3.00: 0.6666666666667
avg(1.00, 0.00, 1.00): 0.666667
sum beyond 38 digits: None
SEEN
