#!/usr/bin/env bash
# PySpark 4.1.4: of 0.0 and -0.0, which SQL holds for equal, dropDuplicates keeps one in a batch and both in a stream, with
# and without a watermark, and so does dropDuplicatesWithinWatermark: the state is looked up by the value's bytes. Joins and
# aggregations of a stream take them for one, as those of a batch do. The same of NaN with other bits (SPARK-56280).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyspark==4.1.4
mkdir in
printf '%s\n' '{"k": 0.0, "t": "2026-01-01T00:00:00Z", "n": 1}' '{"k": -0.0, "t": "2026-01-01T00:00:00Z", "n": 2}' >in/events.json
cat >run.py <<'PY'
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.builder.master("local[1]").config("spark.sql.shuffle.partitions", "1").getOrCreate()


def events(reader):
    return reader.schema("k double, t timestamp, n int").json("in")


def streamed(name, rows, mode="append"):
    to = rows.writeStream.format("memory").queryName(name).outputMode(mode).option("checkpointLocation", f"ck/{name}")
    to.trigger(availableNow=True).start().awaitTermination()
    return spark.table(name).count()


timed = events(spark.readStream).withWatermark("t", "1 hour")
print("batch, dropDuplicates:", events(spark.read).dropDuplicates(["k", "t"]).count())
print("stream, dropDuplicates:", streamed("plain", events(spark.readStream).dropDuplicates(["k", "t"])))
print("stream with watermark, dropDuplicates:", streamed("timed", timed.dropDuplicates(["k", "t"])))
print("stream, dropDuplicatesWithinWatermark:", streamed("within", timed.dropDuplicatesWithinWatermark(["k"])))
print("stream, groups:", streamed("groups", events(spark.readStream).groupBy("k").count(), "complete"))
pairs = timed.alias("a").join(timed.alias("b"), F.expr("a.k = b.k AND a.t = b.t"))
print("stream, pairs of a join with itself:", streamed("pairs", pairs.select("a.n")))
PY
venv/bin/python run.py 2>log | tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
batch, dropDuplicates: 1
stream, dropDuplicates: 2
stream with watermark, dropDuplicates: 2
stream, dropDuplicatesWithinWatermark: 2
stream, groups: 1
stream, pairs of a join with itself: 4
SEEN
