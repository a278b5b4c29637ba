#!/usr/bin/env bash
# Great Expectations 1.24.1 with pandas and with PySpark 4.1.4: one suite judges the same rows otherwise by engine. NaN in
# a column of doubles is a missing value to the pandas engine (it fails "not null" and is in no other count) and the
# greatest number to the Spark engine (it passes "not null", fails "between" and makes maximum and mean NaN). And a set of
# numbers such as [0.1] has Decimal("0.10") in it for Spark, not for pandas. Needs Java 17.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check great_expectations==1.24.1 pyspark==4.1.4
cd "$work"
GX_ANALYTICS_ENABLED=false "$work/venv/bin/python" -W ignore - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
from decimal import Decimal

import great_expectations as gx
import pandas as pd
from great_expectations import expectations as expect
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
context = gx.get_context(mode="ephemeral")
sources = context.data_sources
engines = [source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all") for source in
           (sources.add_pandas("pandas"), sources.add_spark("spark"))]  # fmt: skip
doubles, decimals = [1.0, float("nan"), 2.0], [Decimal("0.10")]
for values, kind, asked in (
    (doubles, "double", expect.ExpectColumnValuesToNotBeNull(column="v")),
    (doubles, "double", expect.ExpectColumnValuesToBeBetween(column="v", min_value=0, max_value=10)),
    (doubles, "double", expect.ExpectColumnMaxToBeBetween(column="v", min_value=0, max_value=10)),
    (doubles, "double", expect.ExpectColumnMeanToBeBetween(column="v", min_value=0, max_value=10)),
    (decimals, "decimal(10,2)", expect.ExpectColumnValuesToBeInSet(column="v", value_set=[0.1])),
):
    frames = pd.DataFrame({"v": values}), spark.createDataFrame([(v,) for v in values], f"v {kind}")
    found = [bool(engine.get_batch({"dataframe": rows}).validate(asked).success)
             for engine, rows in zip(engines, frames, strict=True)]  # fmt: skip
    print(f"{asked.expectation_type}: pandas {found[0]}, spark {found[1]}")
spark.stop()
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
expect_column_values_to_not_be_null: pandas False, spark True
expect_column_values_to_be_between: pandas True, spark False
expect_column_max_to_be_between: pandas True, spark False
expect_column_mean_to_be_between: pandas True, spark False
expect_column_values_to_be_in_set: pandas False, spark True
SEEN
