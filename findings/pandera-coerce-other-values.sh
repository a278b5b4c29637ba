#!/usr/bin/env bash
# pandera 0.35.0 with pandas 2.3.3: `coerce=True` makes other values of some, and the schema holds. Text as "bool" is true where
# it is not empty, "False" too; integers as "datetime64[ms]" are taken for nanoseconds, so that a time of 2026 is 1970; 1.9 as
# "int64" is 1, where a number beyond the type is refused. With polars the time is right and text is refused.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "pandera[pandas,polars]==0.35.0" pandas==2.3.3 polars==2.1.0
venv/bin/python - 2>log <<'PY' | tee seen || { tail -5 log >&2; exit 1; }
import pandas as pd
import pandera.pandas as for_pandas
import pandera.polars as for_polars
import polars as pl


def coerced(values, pandas_type, polars_type):
    def told(work):
        try:
            return [str(one) for one in work()]
        except Exception as refused:
            return "refused" if "oerc" in str(refused) else repr(refused)

    by_pandas = for_pandas.DataFrameSchema({"a": for_pandas.Column(pandas_type, coerce=True)})
    by_polars = for_polars.DataFrameSchema({"a": for_polars.Column(polars_type, coerce=True)})
    pandas_says = told(lambda: by_pandas.validate(pd.DataFrame({"a": values}))["a"])
    polars_says = told(lambda: by_polars.validate(pl.DataFrame({"a": values}))["a"])
    print(f"{values} as {pandas_type}: pandas {pandas_says}, polars {polars_says}")


coerced(["False", "true", ""], "bool", pl.Boolean)
coerced([1767225600123, -1], "datetime64[ms]", pl.Datetime("ms"))
coerced([1.9, -1.9], "int64", pl.Int64)
coerced([4294967303], "int32", pl.Int32)
PY
diff seen - <<'SEEN' && echo "as described"
['False', 'true', ''] as bool: pandas ['True', 'True', 'False'], polars refused
[1767225600123, -1] as datetime64[ms]: pandas ['1970-01-01 00:29:27.225600123', '1969-12-31 23:59:59.999999999'], polars ['2026-01-01 00:00:00.123000', '1969-12-31 23:59:59.999000']
[1.9, -1.9] as int64: pandas ['1', '-1'], polars ['1', '-1']
[4294967303] as int32: pandas refused, polars refused
SEEN
