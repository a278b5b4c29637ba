#!/usr/bin/env bash
# parquet-go 0.32.0 (Go): of a float column with a dictionary (tag `dict`) the row group's minimum is that of the values
# after a NaN only: 5, -7, NaN, 3, 4 has the minimum 3. Readers that skip row groups by it find nothing below 0: Arrow
# 26.0.1, DataFusion 55.0.0, DuckDB 2.0.1 (with can_have_nan too) and polars 2.1.0. Without `dict` the minimum is right.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1 duckdb==2.0.1 datafusion==55.0.0 polars==2.1.0
mkdir write
cat >write/go.mod <<'MOD'
module write

go 1.24
MOD
cat >write/main.go <<'GO'
package main

import (
	"math"

	"github.com/parquet-go/parquet-go"
)

type plain struct {
	Value float64 `parquet:"v"`
}

type dictionary struct {
	Value float64 `parquet:"v,dict"`
}

func main() {
	values := []float64{5, -7, math.NaN(), 3, 4}
	var plains []plain
	var dictionaries []dictionary
	for _, value := range values {
		plains = append(plains, plain{value})
		dictionaries = append(dictionaries, dictionary{value})
	}
	if err := parquet.WriteFile("../plain.parquet", plains); err != nil {
		panic(err)
	}
	if err := parquet.WriteFile("../dict.parquet", dictionaries); err != nil {
		panic(err)
	}
}
GO
(cd write && export GOFLAGS=-mod=mod GOPATH="$work/go" && go get github.com/parquet-go/parquet-go@v0.32.0 && go run .) 2>log || { cat log >&2; exit 1; }
venv/bin/python - <<'PY' | tee seen
import datafusion
import duckdb
import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq

for name in ("plain", "dict"):
    file = f"{name}.parquet"
    notes = pq.ParquetFile(file).metadata.row_group(0).column(0).statistics
    context = datafusion.SessionContext()
    context.register_parquet("t", file)
    below = {
        "arrow": pq.read_table(file, filters=pc.field("v") < 0).num_rows,
        "datafusion": context.sql("SELECT v FROM t WHERE v < 0").count(),
        "duckdb": duckdb.sql(f"FROM read_parquet('{file}') WHERE v < 0").fetchall(),
        "can_have_nan": duckdb.sql(f"FROM read_parquet('{file}', can_have_nan = true) WHERE v < 0").fetchall(),
        "polars": pl.scan_parquet(file).filter(pl.col("v") < 0).collect().height,
    }
    print(name, notes.min, notes.max, below)
PY
diff - seen <<'SEEN'
plain -7.0 5.0 {'arrow': 1, 'datafusion': 1, 'duckdb': [(-7.0,)], 'can_have_nan': [(-7.0,)], 'polars': 1}
dict 3.0 5.0 {'arrow': 0, 'datafusion': 0, 'duckdb': [], 'can_have_nan': [], 'polars': 0}
SEEN
echo "still so"
