#!/usr/bin/env bash
# dask 2026.8.0 with pandas 3.1.1: a merge by times of two units, such as microseconds of one file and nanoseconds of another, loses
# most partners as soon as the frames have several partitions, where pandas finds all: rows are sent to partitions by the integers below
# the times. A left or outer merge gives rows without a match, without an error. Decimals become text: 1.5 and 1.50 are two groups.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "dask[dataframe]==2026.8.0" pandas==3.1.1 pyarrow==26.0.1
venv/bin/python - 2>log <<'PY' | tee seen || { cat log >&2; exit 1; }
from decimal import Decimal

import dask
import dask.dataframe as dd
import pandas as pd

dask.config.set(scheduler="sync")
days = pd.date_range("2024-01-01", periods=100)
left = pd.DataFrame({"t": days.as_unit("us"), "a": range(100)})
right = pd.DataFrame({"t": days.as_unit("ns"), "b": range(100)})
print("pandas:", len(left.merge(right, on="t")), "of 100 joined")
for parts in (1, 4):
    pair = (dd.from_pandas(frame, npartitions=parts, sort=False) for frame in (left, right))
    joined = dd.merge(*pair, on="t", how="left").compute()
    print(f"dask, {parts} partitions: {joined.b.count()} of {len(joined)} joined")
amounts = pd.DataFrame({"amount": [Decimal("1.5"), Decimal("1.50")], "n": [1, 1]})
print("groups by pandas:", amounts.groupby("amount").n.sum().tolist())
groups = dd.from_pandas(amounts, npartitions=1).groupby("amount").n.sum().compute()
print("groups by dask:", groups.index.tolist(), groups.tolist())
PY
diff seen - <<'SEEN' && echo "as described"
pandas: 100 of 100 joined
dask, 1 partitions: 100 of 100 joined
dask, 4 partitions: 14 of 100 joined
groups by pandas: [2]
groups by dask: ['1.5', '1.50'] [1, 1]
SEEN
