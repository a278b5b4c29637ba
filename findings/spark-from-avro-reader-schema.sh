#!/usr/bin/env bash
# PySpark 4.1.4, spark-avro 4.1.1: `from_avro(value, writer, {"avroSchema": reader})`, the documented way for schemas that evolve, takes
# the numbers by the writer's schema and what they mean by the reader's: after a change from milliseconds to microseconds a time of 2026
# is read as 1970, after one of a decimal's scale 1.50 is 0.0150, without an error. fastavro 1.13.1 and avro 1.12.2 for Python
# read both as they were written, and avro's own check calls each pair of schemas compatible. Needs Maven and Java 17.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyspark==4.1.4 fastavro==1.13.1 avro==1.12.2
mvn -q -B dependency:copy -Dartifact=org.apache.spark:spark-avro_2.13:4.1.1 -DoutputDirectory=. >log 2>&1 || { cat log >&2; exit 1; }
cat >run.py <<'PY'
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import avro.io
import avro.schema
import fastavro
from avro.compatibility import ReaderWriterCompatibilityChecker
from pyspark.sql import SparkSession
from pyspark.sql.avro.functions import from_avro

spark = SparkSession.builder.master("local[1]").config("spark.jars", "spark-avro_2.13-4.1.1.jar").getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "UTC")


def record(**type):
    return {"type": "record", "name": "Event", "fields": [{"name": "x", "type": type}]}


def decimal(scale):
    return record(type="bytes", logicalType="decimal", precision=9, scale=scale)


def time(unit):
    return record(type="long", logicalType=f"timestamp-{unit}")


for value, written, read in (
    (datetime(2026, 1, 1, tzinfo=UTC), time("millis"), time("micros")),
    (Decimal("1.50"), decimal(2), decimal(4)),
):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, written, {"x": value})
    raw = out.getvalue()
    frame = spark.createDataFrame([(bytearray(raw),)], "b binary")
    one = frame.select(from_avro("b", json.dumps(written), {"avroSchema": json.dumps(read)}).alias("r"))
    print("Spark:", one.selectExpr("CAST(r.x AS STRING)").first()[0])
    print("fastavro:", fastavro.schemaless_reader(io.BytesIO(raw), written, read)["x"])
    schemas = [avro.schema.parse(json.dumps(schema)) for schema in (written, read)]
    print("avro:", avro.io.DatumReader(*schemas).read(avro.io.BinaryDecoder(io.BytesIO(raw)))["x"])
    print("check:", ReaderWriterCompatibilityChecker().get_compatibility(*reversed(schemas)).compatibility.name)
PY
venv/bin/python run.py 2>log | tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
Spark: 1970-01-21 10:53:45.6
fastavro: 2026-01-01 00:00:00+00:00
avro: 2026-01-01 00:00:00+00:00
check: compatible
Spark: 0.0150
fastavro: 1.50
avro: 1.50
check: compatible
SEEN
