#!/usr/bin/env bash
# Spark 4.1.4, Structured Streaming: what an epoch without data would have closed stays open after a restart until new
# data comes. Spark runs that epoch when the watermark has risen, and compares it with the plan of the epoch before; a
# query that was stopped after the commit of an epoch and before the plan of the next has none in memory, although the
# commit log holds the risen watermark (MicroBatchExecution.constructNextBatch). Here the first life ends there by
# spark.sql.streaming.noDataMicroBatches.enabled=false, which leaves the files that a kill at that moment leaves.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.1.4
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import json
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "1").getOrCreate()
)
closed = {}


def write(place, at):
    Path(place).mkdir(exist_ok=True)
    Path(place, f"{at[:2]}.json").write_text(json.dumps({"at": f"2024-03-01T{at}:00Z"}))


def life(place, epochs_without_data):
    spark.conf.set("spark.sql.streaming.noDataMicroBatches.enabled", str(epochs_without_data).lower())
    rows = spark.readStream.schema("at timestamp").option("maxFilesPerTrigger", 1).json(place)
    counted = rows.withWatermark("at", "0 seconds").groupBy(F.window("at", "1 hour")).count()
    keep = closed.setdefault(place, [])
    query = counted.writeStream.foreachBatch(
        lambda frame, _: keep.extend(f"{row['window'].start:%H}" for row in frame.collect())
    ).option("checkpointLocation", f"{place}-checkpoint").start()
    query.processAllAvailable()
    query.stop()


for place in ("uninterrupted", "restarted"):
    for at in ("10:30", "12:30"):
        write(place, at)
life("uninterrupted", True)
print("uninterrupted, closed hours:", *closed["uninterrupted"])
life("restarted", False)
commits = Path("restarted-checkpoint", "commits")
last = max(int(file.name) for file in commits.iterdir() if file.name.isdigit())
print("stopped after a commit, closed hours:", *closed["restarted"])
print("watermark in the commit log:", json.loads((commits / str(last)).read_text().splitlines()[1])["nextBatchWatermarkMs"])
life("restarted", True)
print("restarted without new data, closed hours:", *closed["restarted"])
write("restarted", "13:30")
life("restarted", True)
print("restarted with new data, closed hours:", *closed["restarted"])
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
uninterrupted, closed hours: 10
stopped after a commit, closed hours:
watermark in the commit log: 1709296200000
restarted without new data, closed hours:
restarted with new data, closed hours: 10 12
SEEN
