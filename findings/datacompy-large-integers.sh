#!/usr/bin/env bash
# datacompy 1.1.0, with its default tolerances of zero: integers beyond 2^53 are compared as doubles, by PandasCompare and
# by PolarsCompare. Two rows whose ids of 64 bits (snowflake ids, hashes, nanoseconds)
# differ are a match, also in pandas' nullable Int64 and as decimals in pandas. Joined on such a column they stay apart.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check datacompy==1.1.0 pandas==3.0.6 polars==1.33.1
cd "$work"
"$work/venv/bin/python" - <<'PY' 2>/dev/null | tee "$work/seen"
from decimal import Decimal

import datacompy
import pandas as pd
import polars as pl

one, other = 1790000000000000001, 1790000000000000002
for what, left, right in (
    ("int64", [one], [other]),
    ("Int64 with NA", pd.array([one, None], "Int64"), pd.array([other, None], "Int64")),
    ("Decimal", [Decimal("9007199254740992.00")], [Decimal("9007199254740993.00")]),
):
    frames = [pd.DataFrame({"id": range(len(side)), "v": side}) for side in (left, right)]
    print("pandas,", what + ":", datacompy.PandasCompare(*frames, join_columns="id").matches())
frames = [pl.DataFrame({"id": [1], "v": [side]}) for side in (one, other)]
print("polars, int64:", datacompy.PolarsCompare(*frames, join_columns="id").matches())
frames = [pd.DataFrame({"id": [side], "v": [1]}) for side in (one, other)]
print("pandas, as the key:", datacompy.PandasCompare(*frames, join_columns="id").matches())
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
pandas, int64: True
pandas, Int64 with NA: True
pandas, Decimal: True
polars, int64: True
pandas, as the key: False
SEEN
