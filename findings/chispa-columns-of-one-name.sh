#!/usr/bin/env bash
# chispa 0.12.0 (PySpark 4.1.4): of columns with one name, as a join leaves them, assert_approx_df_equality and
# assert_df_equality(allow_nan_equality=True) compare the last one only: frames that differ in each row of the first pass.
# Without allow_nan_equality assert_df_equality sees it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check chispa==0.12.0 pyspark==4.1.4
cat >run.py <<'PY'
from chispa import assert_approx_df_equality, assert_df_equality
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.sql.shuffle.partitions", "1").getOrCreate()


def told(what, check, *frames, **how):
    try:
        check(*frames, **how)
        print(f"{what}: equal")
    except Exception as error:
        print(f"{what}: {type(error).__name__}")


def joined(amount):
    right = spark.createDataFrame([(1, 7.0)], "id int, amount double")
    return spark.createDataFrame([(1, amount)], "id int, amount double").join(right, "id")


pair = joined(1.0), joined(1000.0)
told("1.0 and 1000.0 in the first amount", assert_df_equality, *pair)
told("the same, allow_nan_equality", assert_df_equality, *pair, allow_nan_equality=True)
told("the same, approximately", assert_approx_df_equality, *pair, precision=0.01)
PY
venv/bin/python run.py 2>log | tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
1.0 and 1000.0 in the first amount: DataFramesNotEqualError
the same, allow_nan_equality: equal
the same, approximately: equal
SEEN
