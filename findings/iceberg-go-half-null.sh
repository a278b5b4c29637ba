#!/usr/bin/env bash
# iceberg-go 0.7.0 (Go): a scan with a filter skips each Parquet row group in which as many rows are NULL in the filtered
# column as are not: [1, NULL] and [1, 2, 3, NULL, NULL, NULL] are empty below x = 1, x < 9 and x IS NOT NULL, without an
# error. The row group's number of values, which counts no NULL in Arrow's Go library, is compared with that of its NULLs to
# see whether it has only these (table/evaluators.go). Files of PyIceberg 0.12.0 here; PyIceberg itself finds all rows.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "pyiceberg[sql-sqlite]==0.12.0" pyarrow==26.0.1
mkdir read lake
cat >read/go.mod <<'MOD'
module read

go 1.24
MOD
cat >read/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
)

func main() {
	ctx := context.Background()
	t, err := table.NewFromLocation(ctx, table.Identifier{"db", "t"}, os.Args[1], io.LoadFSFunc(nil, os.Args[1]), nil)
	if err != nil {
		panic(err)
	}
	x := iceberg.Reference("x")
	for _, filter := range []iceberg.BooleanExpression{
		iceberg.AlwaysTrue{}, iceberg.EqualTo(x, int64(1)), iceberg.LessThan(x, int64(9)), iceberg.NotNull(x),
	} {
		rows, err := t.Scan(table.WithRowFilter(filter)).ToArrowTable(ctx)
		if err != nil {
			panic(err)
		}
		fmt.Print(" ", rows.NumRows())
	}
	fmt.Println()
}
GO
(cd read && export GOFLAGS=-mod=mod && go get github.com/apache/iceberg-go@v0.7.0 && go build -o ../reader .) >log 2>&1 || { cat log >&2; exit 1; }
cat >write.py <<'PY'
import subprocess

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

catalog = SqlCatalog("c", uri="sqlite:///lake/c.db", warehouse="lake")
catalog.create_namespace("db")
for values in ([1, None], [1, 2, 3, None, None, None], [1, 2, None]):
    rows = pa.table({"x": pa.array(values, pa.int64())})
    table = catalog.create_table(f"db.t{len(values)}", rows.schema)
    table.append(rows)
    scans = (table.scan(), *(table.scan(condition) for condition in ("x = 1", "x < 9", "x IS NOT NULL")))
    print(values, "has rows, by PyIceberg:", *(len(scan.to_arrow()) for scan in scans), end="; by iceberg-go:", flush=True)
    subprocess.run(["./reader", table.metadata_location], check=True)
PY
venv/bin/python write.py 2>>log | tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
[1, None] has rows, by PyIceberg: 2 1 1 1; by iceberg-go: 2 0 0 0
[1, 2, 3, None, None, None] has rows, by PyIceberg: 6 1 3 3; by iceberg-go: 6 0 0 0
[1, 2, None] has rows, by PyIceberg: 3 1 2 2; by iceberg-go: 3 1 2 2
SEEN
