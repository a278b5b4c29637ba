#!/usr/bin/env bash
# pyarrow 26.0.1, Table.join_asof with a key of integers or times (`by`): one row of the right table whose key is NULL, and no
# row finds its match any more, whatever its key; and NULL is joined with 0. Keys of text are joined rightly, as are integers
# without NULL. No error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
venv/bin/python - <<'PY' | tee seen
import pyarrow as pa


def joined(kind, left, right):
    """For each key of the left table, at 10, the price that was last before."""
    asked = pa.table({"at": [10] * len(left), "ad": pa.array(left, kind)})
    prices = pa.table({"at": range(1, len(right) + 1), "ad": pa.array(right, kind), "price": [f"of {ad}" for ad in right]})
    return asked.join_asof(prices, on="at", by="ad", tolerance=-10)["price"].to_pylist()


for kind, left, right in (
    (pa.int64(), [1, 2], [1, 2]), (pa.int64(), [1, 2], [1, 2, None]), (pa.int64(), [0], [None]),
    (pa.string(), ["1", "2"], ["1", "2", None]),
):
    print(f"{kind}, keys {left}, prices of {right}: {joined(kind, left, right)}")
PY
diff seen - <<'SEEN' && echo "as described"
int64, keys [1, 2], prices of [1, 2]: ['of 1', 'of 2']
int64, keys [1, 2], prices of [1, 2, None]: [None, None]
int64, keys [0], prices of [None]: ['of None']
string, keys ['1', '2'], prices of ['1', '2', None]: ['of 1', 'of 2']
SEEN
