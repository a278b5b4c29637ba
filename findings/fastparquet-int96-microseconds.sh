#!/usr/bin/env bash
# fastparquet 2026.9.0 with pandas 3.1.1: `times="int96"`, the form that Hive and Impala read, takes each moment for
# nanoseconds. pandas 3 makes microseconds (`to_datetime` of text, Arrow, most readers): 2024-02-29 is written as
# 1970-01-20, without an error, and read back as such by fastparquet itself and by Arrow. The default, `times="int64"`,
# is right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check fastparquet==2026.9.0 pandas==3.1.1 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import fastparquet
import pandas as pd
import pyarrow.parquet as pq

frame = pd.DataFrame({"at": pd.to_datetime(["2024-02-29 01:02:03"])})
for unit in (None, "ms", "us", "ns"):
    given = frame if unit is None else frame.astype({"at": f"datetime64[{unit}]"})
    for times in ("int96", "int64"):
        fastparquet.write("at.parquet", given, times=times)
        own = fastparquet.ParquetFile("at.parquet").to_pandas()["at"][0]
        arrow = pq.read_table("at.parquet")["at"].to_pandas()[0]
        print(given.dtypes["at"], times, "fastparquet:", own, "arrow:", arrow)
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
datetime64[us] int96 fastparquet: 1970-01-20 18:46:08.523000 arrow: 1970-01-20 18:46:08.523000
datetime64[us] int64 fastparquet: 2024-02-29 01:02:03 arrow: 2024-02-29 01:02:03
datetime64[ms] int96 fastparquet: 1970-01-01 00:28:29.168523 arrow: 1970-01-01 00:28:29.168523
datetime64[ms] int64 fastparquet: 2024-02-29 01:02:03 arrow: 2024-02-29 01:02:03
datetime64[us] int96 fastparquet: 1970-01-20 18:46:08.523000 arrow: 1970-01-20 18:46:08.523000
datetime64[us] int64 fastparquet: 2024-02-29 01:02:03 arrow: 2024-02-29 01:02:03
datetime64[ns] int96 fastparquet: 2024-02-29 01:02:03 arrow: 2024-02-29 01:02:03
datetime64[ns] int64 fastparquet: 2024-02-29 01:02:03 arrow: 2024-02-29 01:02:03
SEEN
