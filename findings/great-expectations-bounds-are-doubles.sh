#!/usr/bin/env bash
# Great Expectations 1.24.1: bounds become doubles when an expectation is made, those of whole numbers and decimals too.
# Above 2^53, where 64-bit ids and nanoseconds since 1970 lie, the bound is another number: "at least 2^53 + 1" passes
# 2^53, "at most 2^53" passes 2^53 + 1, and the stored suite says 9007199254740992.0. Sets keep whole numbers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check great_expectations==1.24.1
cd "$work"
GX_ANALYTICS_ENABLED=false "$work/venv/bin/python" -W ignore - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import great_expectations as gx
import pandas as pd
from great_expectations import expectations as expect

TOP = 2**53
source = gx.get_context(mode="ephemeral").data_sources.add_pandas("pandas")
batch = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all").get_batch(
    {"dataframe": pd.DataFrame({"id": [TOP, TOP + 1]})}
)  # fmt: skip
for asked in (
    expect.ExpectColumnValuesToBeBetween(column="id", min_value=TOP + 1),
    expect.ExpectColumnValuesToBeBetween(column="id", max_value=TOP, strict_max=False),
    expect.ExpectColumnMinToBeBetween(column="id", min_value=TOP + 1),
    expect.ExpectColumnValuesToBeInSet(column="id", value_set=[TOP + 1]),
):
    bounds = {k: v for k, v in asked.configuration.kwargs.items() if k in ("min_value", "max_value", "value_set")}
    print(asked.expectation_type, bounds, bool(batch.validate(asked).success))
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
expect_column_values_to_be_between {'min_value': 9007199254740992.0} True
expect_column_values_to_be_between {'max_value': 9007199254740992.0} True
expect_column_min_to_be_between {'min_value': 9007199254740992.0} True
expect_column_values_to_be_in_set {'value_set': [9007199254740993]} False
SEEN
