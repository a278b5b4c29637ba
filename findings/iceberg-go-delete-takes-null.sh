#!/usr/bin/env bash
# iceberg-go 0.7.0 (Go): Delete rewrites a file with the rows for which the negated filter is true, so that the rows go for
# which the filter is neither true nor false: Delete(x = 1) takes away NULL, which no scan with that filter returns. A file
# of which the minimum says that x > 0.5 holds goes as a whole, with its NaN.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
mkdir write
cat >write/go.mod <<'MOD'
module write

go 1.24
MOD
cat >write/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog/hadoop"
	"github.com/apache/iceberg-go/table"
)

var ctx = context.Background()

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func rows(scan *table.Scan) string {
	read := must(scan.ToArrowTable(ctx))
	var values []string
	for _, chunk := range read.Column(0).Data().Chunks() {
		for i := range chunk.Len() {
			values = append(values, chunk.ValueStr(i))
		}
	}
	return "[" + strings.Join(values, ", ") + "]"
}

func main() {
	catalog := must(hadoop.NewCatalog("lake", "lake", nil))
	if err := catalog.CreateNamespace(ctx, table.Identifier{"db"}, nil); err != nil {
		panic(err)
	}
	x := iceberg.Reference("x")
	schema := iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "x", Type: iceberg.PrimitiveTypes.Float64})
	columns := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Float64, Nullable: true}}, nil)
	filters := []iceberg.BooleanExpression{iceberg.EqualTo(x, 1.0), iceberg.GreaterThan(x, 0.5)}
	for i, json := range []string{`[1, 2, null]`, `[1, "NaN"]`, `[null]`} {
		for j, filter := range filters {
			values, _, err := array.FromJSON(memory.DefaultAllocator, arrow.PrimitiveTypes.Float64, strings.NewReader(json))
			if err != nil {
				panic(err)
			}
			record := array.NewRecordBatch(columns, []arrow.Array{values}, int64(values.Len()))
			name := table.Identifier{"db", fmt.Sprintf("t%d%d", i, j)}
			t := must(catalog.CreateTable(ctx, name, schema))
			t = must(t.AppendTable(ctx, array.NewTableFromRecords(columns, []arrow.RecordBatch{record}), 10, nil))
			all, found := rows(t.Scan()), rows(t.Scan(table.WithRowFilter(filter)))
			t = must(t.Delete(ctx, filter, nil))
			fmt.Printf("%s: x %s returns %s, its delete leaves %s\n", all, []string{"= 1", "> 0.5"}[j], found, rows(t.Scan()))
		}
	}
}
GO
(cd write && export GOFLAGS=-mod=mod && go get github.com/apache/iceberg-go@v0.7.0 && go build -o ../writer .) >log 2>&1 || { cat log >&2; exit 1; }
./writer 2>>log | tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
[1, 2, (null)]: x = 1 returns [1], its delete leaves [2]
[1, 2, (null)]: x > 0.5 returns [1, 2], its delete leaves []
[1, NaN]: x = 1 returns [1], its delete leaves [NaN]
[1, NaN]: x > 0.5 returns [1], its delete leaves []
[(null)]: x = 1 returns [], its delete leaves [(null)]
[(null)]: x > 0.5 returns [], its delete leaves [(null)]
SEEN
