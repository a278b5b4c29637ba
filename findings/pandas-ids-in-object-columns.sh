#!/usr/bin/env bash
# pandas 3.0.6: assert_frame_equal compares integers exactly in an int64 or Int64 column, but with a relative tolerance of
# 1e-5 in an object column, which is what a column of ids with missing values is in many frames (rows of a database
# driver, of JSON, of an outer join of objects): two ids may be 10^13 apart. check_exact=True is exact; decimals are.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.0.6
cd "$work"
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
from decimal import Decimal

import pandas as pd
from pandas.testing import assert_frame_equal

one, other = 1790000000000000001, 1790009999999999999


def equal(left: list, right: list, dtype: str, **options: bool) -> bool:
    try:
        assert_frame_equal(*(pd.DataFrame({"id": pd.Series(side, dtype=dtype)}) for side in (left, right)), **options)
    except AssertionError:
        return False
    return True


print("int64:", equal([one], [other], "int64"))
print("Int64 with NA:", equal([one, None], [other, None], "Int64"))
print("object with None:", equal([one, None], [other, None], "object"))
print("object with None, check_exact:", equal([one, None], [other, None], "object", check_exact=True))
print("object, Decimal:", equal([Decimal(one)], [Decimal(other)], "object"))
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
int64: False
Int64 with NA: False
object with None: True
object with None, check_exact: False
object, Decimal: False
SEEN
