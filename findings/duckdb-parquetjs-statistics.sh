#!/usr/bin/env bash
# @dsnp/parquetjs 1.8.8 (Node): minimum and maximum of a column are those of JavaScript's `<`: of text by UTF-16, where
# Parquet orders bytes, and of JSON by objects, of which none is less. It notes them in the old fields `min` and `max`,
# which parquet.thrift defines for signed comparison only. DuckDB 2.0.1 goes by them all the same: a rare Chinese
# character (U+20BB7) is beyond the maximum, a half-width kana, and is not found, nor is the second JSON value. Arrow
# 26.0.1 ignores them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1 duckdb==2.0.1
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @dsnp/parquetjs@1.8.8 2>log || { cat log >&2; exit 1; }
cat >write.mjs <<'JS'
import parquet from '@dsnp/parquetjs'

const columns = { name: { type: 'UTF8' }, detail: { type: 'JSON' } }
const writer = await parquet.ParquetWriter.openFile(new parquet.ParquetSchema(columns), 'names.parquet')
await writer.appendRow({ name: '\uFF71', detail: { a: 2 } })
await writer.appendRow({ name: '\u{20BB7}', detail: { a: 1 } })
await writer.close()
JS
node write.mjs
venv/bin/python - <<'PY' | tee seen
import duckdb
import pyarrow.parquet as pq

file = "names.parquet"
for column in (0, 1):
    print("minimum and maximum for Arrow:", pq.read_metadata(file).row_group(0).column(column).statistics.has_min_max)
for column, value in (("name", "\U00020bb7"), ("detail", '{"a":1}')):
    there = [str(text).replace(" ", "") for text in pq.read_table(file)[column].to_pylist()]
    found = duckdb.sql(f"SELECT count(*) FROM '{file}' WHERE {column} = $${value}$$").fetchall()
    print(column, "in Arrow:", there.count(value), "in DuckDB:", found)
PY
diff - seen <<'SEEN'
minimum and maximum for Arrow: False
minimum and maximum for Arrow: False
name in Arrow: 1 in DuckDB: [(0,)]
detail in Arrow: 1 in DuckDB: [(0,)]
SEEN
echo "still so"
