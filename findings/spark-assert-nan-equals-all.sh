#!/usr/bin/env bash
# Spark 4.1.4: pyspark.testing.assertDataFrameEqual takes NaN for equal to every number and infinity for equal to minus
# infinity, also with rtol=0 and atol=0 and inside lists and structs: it fails where the distance is greater than the
# allowed one, and a distance of NaN is not. By default money is not exact either: decimals get the relative tolerance of
# 1e-5, 999,999.00 of 10^12.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.1.4 pandas==2.3.3 pyarrow==26.0.1 \
  grpcio==1.85.3 grpcio-status==1.85.3 googleapis-common-protos==1.76.0 zstandard==0.25.0
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
from decimal import Decimal

from pyspark.errors import PySparkAssertionError
from pyspark.sql import SparkSession
from pyspark.testing import assertDataFrameEqual

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
nan, inf = float("nan"), float("inf")


def equal(*frames, **tolerances) -> bool:
    try:
        assertDataFrameEqual(*frames, **tolerances)
    except PySparkAssertionError:
        return False
    return True


for kind, left, right in (
    ("double", nan, 1.0),
    ("array<double>", [nan], [1.0]),
    ("struct<v: double>", (nan,), (1.0,)),
    ("double", inf, -inf),
    ("decimal(20,2)", Decimal("1000000000000.00"), Decimal("1000000999999.00")),
    ("double", nan, None),
):
    frames = [spark.createDataFrame([(side,)], f"v {kind}") for side in (left, right)]
    print(f"{kind} {left} and {right}:", equal(*frames), "exact:", equal(*frames, rtol=0.0, atol=0.0))
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
double nan and 1.0: True exact: True
array<double> [nan] and [1.0]: True exact: True
struct<v: double> (nan,) and (1.0,): True exact: True
double inf and -inf: True exact: True
decimal(20,2) 1000000000000.00 and 1000000999999.00: True exact: False
double nan and None: False exact: False
SEEN
