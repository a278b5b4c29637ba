#!/usr/bin/env bash
# xitongsys/parquet-go 1.6.2 (Go): the number of NULLs that it notes for a column is wrong. Of an optional column with
# a dictionary it is often that of all rows: of ten titles, every second one set, it says ten are NULL. DuckDB 2.0.1 then
# reads nothing but NULL, without any condition; Arrow 26.0.1 and polars 2.1.0 read the column, but below a condition on
# it find nothing. Plain columns count too few. Each field has the field id 0.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1 duckdb==2.0.1 polars==2.1.0
mkdir write
cat >write/go.mod <<'MOD'
module write

go 1.24
MOD
cat >write/main.go <<'GO'
package main

import (
	"github.com/xitongsys/parquet-go-source/local"
	"github.com/xitongsys/parquet-go/writer"
)

type show struct {
	ID    int64   `parquet:"name=id, type=INT64"`
	Title *string `parquet:"name=title, type=BYTE_ARRAY, convertedtype=UTF8, repetitiontype=OPTIONAL, encoding=PLAIN_DICTIONARY"`
}

func main() {
	file, err := local.NewLocalFileWriter("../shows.parquet")
	if err != nil {
		panic(err)
	}
	w, err := writer.NewParquetWriter(file, new(show), 1)
	if err != nil {
		panic(err)
	}
	title := "news"
	for n := int64(0); n < 10; n++ {
		row := show{ID: n}
		if n%2 == 1 {
			row.Title = &title
		}
		if err := w.Write(row); err != nil {
			panic(err)
		}
	}
	if err := w.WriteStop(); err != nil {
		panic(err)
	}
	if err := file.Close(); err != nil {
		panic(err)
	}
}
GO
(
  cd write
  export GOFLAGS=-mod=mod GOPATH="$work/go"
  go get github.com/xitongsys/parquet-go/writer@v1.6.2 \
    github.com/xitongsys/parquet-go-source/local@v0.0.0-20241021075129-b732d2ac9c9b && go run .
) 2>log || { cat log >&2; exit 1; }
venv/bin/python - <<'PY' | tee seen
import duckdb
import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq

file = "shows.parquet"
notes = pq.read_metadata(file)
print("rows", notes.num_rows, "noted as NULL", notes.row_group(0).column(1).statistics.null_count)
print("DuckDB", duckdb.sql(f"SELECT count(title) FROM '{file}'").fetchall())
titles = pq.read_table(file)["title"]
print("Arrow", 10 - titles.null_count, "of them news", pq.read_table(file, filters=pc.field("title") == "news").num_rows)
rows = pl.scan_parquet(file)
print("polars", rows.collect()["title"].count(), "of them news", rows.filter(pl.col("title") == "news").collect().height)
PY
diff - seen <<'SEEN'
rows 10 noted as NULL 10
DuckDB [(0,)]
Arrow 5 of them news 0
polars 5 of them news 0
SEEN
echo "still so"
