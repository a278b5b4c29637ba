#!/usr/bin/env bash
# DuckDB 2.0.1 prunes Parquet row groups by their minimum and maximum. Arrow and polars leave NaN out of these, as the
# Parquet format asks, and DuckDB sorts NaN above every number: so a row group that holds a NaN is skipped by v > 0.5,
# by isnan(v) and by max(v). The same rows in a table are found, and so is a NaN in a file that DuckDB wrote (it writes
# no statistics for such a column). `can_have_nan = true` of read_parquet gives the right rows. Known upstream as DuckDB issue 25521.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import duckdb, pyarrow as pa, pyarrow.parquet as pq

pq.write_table(pa.table({"id": [1, 2, 3], "v": [0.1, float("nan"), 0.2]}), "arrow.parquet")
con = duckdb.connect()
con.execute("create table t as from 'arrow.parquet'")
con.execute("copy t to 'duckdb.parquet'")
for name, source in (
    ("table", "t"),
    ("file by DuckDB", "'duckdb.parquet'"),
    ("file by Arrow", "'arrow.parquet'"),
    ("file by Arrow, can_have_nan", "read_parquet('arrow.parquet', can_have_nan = true)"),
):
    above = con.execute(f"select count(*) from {source} where v > 0.5").fetchone()[0]
    nans = con.execute(f"select count(*) from {source} where isnan(v)").fetchone()[0]
    most = con.execute(f"select max(v) from {source}").fetchone()[0]
    print(f"{name}: {above} above 0.5, {nans} NaN, max {most}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
table: 1 above 0.5, 1 NaN, max nan
file by DuckDB: 1 above 0.5, 1 NaN, max nan
file by Arrow: 0 above 0.5, 0 NaN, max 0.2
file by Arrow, can_have_nan: 1 above 0.5, 1 NaN, max nan
SEEN
