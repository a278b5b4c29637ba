#!/usr/bin/env bash
# Iceberg 1.12.0 (Java), S3FileIO: a store whose port refuses connections, as one that is being restarted does, is given
# up within seconds. The defaults are 5 retries (s3.retry.num-retries) and a least wait of 2,000 ms between them
# (s3.retry.min-wait-ms), which would be 10 s or more; but that wait is for throttled answers only (S3FileIOProperties.
# applyRetryConfigurations sets throttlingBackoffStrategy), and for a refused connection the AWS SDK waits a random part of
# 0.1 s, 0.2 s, 0.4 s, ... Twelve retries take half a minute. Nobody listens at port 9 here.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.1.4
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import time
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

jars = ("iceberg-spark-runtime-4.1_2.13:1.12.0", "iceberg-aws-bundle:1.12.0")
spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.jars.ivy", str(Path.cwd() / "ivy"))
    .config("spark.jars.packages", ",".join(f"org.apache.iceberg:{jar}" for jar in jars)).getOrCreate()
)
java = spark.sparkContext._jvm


def seconds(**more):
    properties = java.java.util.HashMap()
    store = {"s3.endpoint": "http://127.0.0.1:9", "s3.path-style-access": "true", "client.region": "us-east-1"}
    keys = {"s3.access-key-id": "a", "s3.secret-access-key": "a"}
    for name, value in {**store, **keys, **more}.items():
        properties.put(name, value)
    io = java.org.apache.iceberg.aws.s3.S3FileIO()
    io.initialize(properties)
    begun = time.monotonic()
    try:
        io.newInputFile("s3://lake/x").getLength()
    except Py4JJavaError as error:
        assert "refused" in str(error.java_exception), error
    return time.monotonic() - begun


print("default, quickest of five gave up within 5 s:", min(seconds() for _ in range(5)) < 5)
least = {"s3.retry.min-wait-ms": "5000"}
print("s3.retry.min-wait-ms=5000, quickest of five gave up within 5 s:", min(seconds(**least) for _ in range(5)) < 5)
print("s3.retry.num-retries=12, took more than 15 s:", seconds(**{"s3.retry.num-retries": "12"}) > 15)
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
default, quickest of five gave up within 5 s: True
s3.retry.min-wait-ms=5000, quickest of five gave up within 5 s: True
s3.retry.num-retries=12, took more than 15 s: True
SEEN
