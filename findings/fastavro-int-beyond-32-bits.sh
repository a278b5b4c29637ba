#!/usr/bin/env bash
# fastavro 1.13.1, by which Confluent's Python serializer writes Avro: a number beyond 32 bits in a field of type int is
# written without an error, and read back by fastavro. PySpark 4.1.4 (Avro's Java library) takes the lowest 32 bits of it,
# without an error either: 4294967303 is 7. Only above five bytes it fails. 1.9 in an int or long is written as 1. In a
# union such as ["null", "int"] both are refused. Needs Java 17.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check fastavro==1.13.1 pyspark==4.1.4
cd "$work"
"$work/venv/bin/python" -W ignore - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import io
import json
from pathlib import Path

import fastavro
from pyspark.sql import SparkSession
from pyspark.sql.avro.functions import from_avro


def schema(kind):
    return {"type": "record", "name": "event", "fields": [{"name": "id", "type": kind}]}


def written(kind, id):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema(kind)), {"id": id})
    return out.getvalue()


def read(value):
    return fastavro.schemaless_reader(io.BytesIO(value), fastavro.parse_schema(schema("int")))["id"]


spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.jars.ivy", str(Path.cwd() / "ivy"))
    .config("spark.jars.packages", "org.apache.spark:spark-avro_2.13:4.1.1")
    .getOrCreate()
)
for id in (2**31 - 1, 2**31, 2**32 + 7, 2**40, 1.9):
    value = written("int", id)
    row = spark.createDataFrame([(bytearray(value),)], "v BINARY")
    [found] = row.select(from_avro("v", json.dumps(schema("int")), {"mode": "PERMISSIVE"}).id).first()
    print(f"{id} as int: fastavro reads {read(value)}, Spark {found}")
for id in (2**31, 1.9):
    try:
        written(["null", "int"], id)
    except ValueError as error:
        print(f"{id} as null or int: {type(error).__name__}")
spark.stop()
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
2147483647 as int: fastavro reads 2147483647, Spark 2147483647
2147483648 as int: fastavro reads 2147483648, Spark 0
4294967303 as int: fastavro reads 4294967303, Spark 7
1099511627776 as int: fastavro reads 1099511627776, Spark None
1.9 as int: fastavro reads 1, Spark 1
2147483648 as null or int: ValueError
1.9 as null or int: ValueError
SEEN
