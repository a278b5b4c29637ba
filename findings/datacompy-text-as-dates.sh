#!/usr/bin/env bash
# datacompy 1.1.0 compares a column of dates or times with a column of text (a table with its CSV) by reading the text as
# a date. PolarsCompare takes text that is none for NULL: "garbage" and the 45th of the 13th month match a row without a
# time. 01/02/2024 is the 2nd of January for PandasCompare and the 1st of February for PolarsCompare, so that of the same
# two tables one says that they match. Neither says that it has read text as dates.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check datacompy==1.1.0 pandas==3.0.6 polars==1.44.2
cd "$work"
"$work/venv/bin/python" - <<'PY' 2>/dev/null | tee "$work/seen"
from datetime import date, datetime

import datacompy
import pandas as pd
import polars as pl


def told(what, times, texts):
    tables = [{"k": [1, 2], "v": column} for column in (times, texts)]
    for compare, frame in ((datacompy.PandasCompare, pd.DataFrame), (datacompy.PolarsCompare, pl.DataFrame)):
        same = compare(*map(frame, tables), join_columns="k").matches()
        print(f"{what}: {compare.__name__} {'match' if same else 'differ'}")


ten = datetime(2024, 1, 1, 10)
told("no time, 'garbage'", [None, ten], ["garbage", "2024-01-01 10:00:00"])
told("no time, '2024-13-45'", [None, ten], ["2024-13-45", "2024-01-01 10:00:00"])
told("2 January, '01/02/2024'", [date(2024, 1, 2)] * 2, ["01/02/2024"] * 2)
told("1 February, '01/02/2024'", [date(2024, 2, 1)] * 2, ["01/02/2024"] * 2)
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
no time, 'garbage': PandasCompare differ
no time, 'garbage': PolarsCompare match
no time, '2024-13-45': PandasCompare differ
no time, '2024-13-45': PolarsCompare match
2 January, '01/02/2024': PandasCompare match
2 January, '01/02/2024': PolarsCompare differ
1 February, '01/02/2024': PandasCompare differ
1 February, '01/02/2024': PolarsCompare match
SEEN
