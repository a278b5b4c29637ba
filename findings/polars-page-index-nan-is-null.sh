#!/usr/bin/env bash
# polars 1.33.1: the page index of a Parquet file says of each page with a NaN that it holds nothing but NULL. Readers that
# skip pages by it lose all rows of the page below a condition: DuckDB 2.0.1 (parquet_use_page_index, on by default, also
# with can_have_nan) and Spark 4.1.4, where `v IS NOT NULL` finds none of three numbers. Arrow reads them. polars 2.1.0
# writes no such index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 1.33.1 2.1.0; do
  python3 -m venv "$work/$version"
  "$work/$version/bin/pip" install --quiet --disable-pip-version-check "polars==$version"
  "$work/$version/bin/python" -c "
import polars as pl
pl.DataFrame({'v': [1.5, float('nan'), 0.1]}).write_parquet('$work/$version.parquet')"
done
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pyspark==4.1.4 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()


def in_duckdb(file: str, index: str) -> int:
    duckdb.execute(f"SET parquet_use_page_index = {index}")
    rows = f"read_parquet('{file}', can_have_nan = true)"
    return duckdb.sql(f"SELECT count(*) FROM {rows} WHERE v = 1.5").fetchall()[0][0]


def in_spark(file: str, index: str) -> int:
    spark.conf.set("parquet.filter.columnindex.enabled", index)
    return spark.read.parquet(file).where("v IS NOT NULL").count()


for version in ("1.33.1", "2.1.0"):
    file = f"{version}.parquet"
    print(f"polars {version}, v = 1.5 in DuckDB:", in_duckdb(file, "true"), "without the index:", in_duckdb(file, "false"))
    print(f"polars {version}, not NULL in Spark:", in_spark(file, "true"), "without the index:", in_spark(file, "false"))
    print(f"polars {version}, v = 1.5 in Arrow:", pq.read_table(file, filters=pc.field("v") == 1.5).num_rows)
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
polars 1.33.1, v = 1.5 in DuckDB: 0 without the index: 1
polars 1.33.1, not NULL in Spark: 0 without the index: 3
polars 1.33.1, v = 1.5 in Arrow: 1
polars 2.1.0, v = 1.5 in DuckDB: 1 without the index: 1
polars 2.1.0, not NULL in Spark: 3 without the index: 3
polars 2.1.0, v = 1.5 in Arrow: 1
SEEN
