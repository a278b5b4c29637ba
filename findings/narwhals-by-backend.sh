#!/usr/bin/env bash
# narwhals 2.29.0: one expression, another value by what the frame is made of. A frame of polars, of pyarrow and of DuckDB with
# the same rows: the maximum beside a NaN, a median by group (pyarrow's is an approximation: of 1 and 2 it is 1), -2.5
# rounded, NaN > 1, the number of distinct values and the rows of a join where one side has -0.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check narwhals==2.29.0 polars==2.1.0 pyarrow==26.0.1 duckdb==2.0.1
venv/bin/python - 2>log <<'PY' | tee seen || { tail -5 log >&2; exit 1; }
import duckdb
import narwhals as nw
import polars as pl
import pyarrow as pa

nan = float("nan")
rows = pa.table({"g": ["x", "x"], "i": [1, 2], "f": [0.0, -0.0], "v": [1.5, nan], "w": [1.5, -2.5]})
duck = duckdb.connect()
duck.register("rows", rows)
frames = {"polars": pl.from_arrow(rows), "pyarrow": rows, "duckdb": duck.table("rows")}
column = nw.col


def listed(frame):
    frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return sorted((tuple(row.values()) for row in frame.to_arrow().to_pylist()), key=str)


def compared(name, question):
    seen = {kind: listed(question(nw.from_native(frame))) for kind, frame in frames.items()}
    told = {kind: [row[0] if len(row) == 1 else row for row in found] for kind, found in seen.items()}
    print(f"{name}:", ", ".join(f"{kind} {found}" for kind, found in told.items()))


compared("maximum of 1.5 and NaN", lambda frame: frame.select(column("v").max()))
compared("NaN > 1", lambda frame: frame.filter(column("i") == 2).select(column("v") > 1))
compared("median by group of 1 and 2", lambda frame: frame.group_by("g").agg(column("i").median()).select("i"))
compared("-2.5 rounded", lambda frame: frame.filter(column("i") == 2).select(column("w").round(0)))
compared("distinct values of 0.0 and -0.0", lambda frame: frame.select(column("f").n_unique()))
compared("0.0 and -0.0 joined with 0.0", lambda frame: frame.join(
    frame.filter(column("i") == 1).select("f"), on="f", how="inner").select("i"))
PY
diff seen - <<'SEEN' && echo "as described"
maximum of 1.5 and NaN: polars [1.5], pyarrow [1.5], duckdb [nan]
NaN > 1: polars [True], pyarrow [False], duckdb [True]
median by group of 1 and 2: polars [1.5], pyarrow [1.0], duckdb [1.5]
-2.5 rounded: polars [-2.0], pyarrow [-3.0], duckdb [-3.0]
distinct values of 0.0 and -0.0: polars [1], pyarrow [2], duckdb [1]
0.0 and -0.0 joined with 0.0: polars [1, 2], pyarrow [1], duckdb [1, 2]
SEEN
