#!/usr/bin/env bash
# iceberg-go 0.7.0 (Go), a table that is partitioned by a text column: rows with NULL and rows with the text "null" go into
# one file, for partitions are told apart by their path. It has the partition of the text, and who asks for the rows with
# NULL does not find them. PyIceberg 0.12.0 reads here.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyiceberg==0.12.0 pyarrow==26.0.1
mkdir write
cat >write/go.mod <<'MOD'
module write

go 1.24
MOD
cat >write/main.go <<'GO'
package main

import (
	"context"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/hadoop"
	"github.com/apache/iceberg-go/table"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	lake := must(hadoop.NewCatalog("lake", "lake", nil))
	if err := lake.CreateNamespace(ctx, table.Identifier{"db"}, nil); err != nil {
		panic(err)
	}
	schema := iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "s", Type: iceberg.PrimitiveTypes.String})
	field := iceberg.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Transform: iceberg.IdentityTransform{}, Name: "s"}
	spec := iceberg.NewPartitionSpec(field)
	t := must(lake.CreateTable(ctx, table.Identifier{"db", "t"}, schema, catalog.WithPartitionSpec(&spec)))
	columns := arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	values, _, err := array.FromJSON(memory.DefaultAllocator, arrow.BinaryTypes.String, strings.NewReader(os.Args[1]))
	if err != nil {
		panic(err)
	}
	record := array.NewRecordBatch(columns, []arrow.Array{values}, int64(values.Len()))
	must(t.AppendTable(ctx, array.NewTableFromRecords(columns, []arrow.RecordBatch{record}), 10, nil))
}
GO
(cd write && export GOFLAGS=-mod=mod && go get github.com/apache/iceberg-go@v0.7.0 && go build -o ../writer .) >log 2>&1 || { cat log >&2; exit 1; }
./writer '["a", null, "null"]'
venv/bin/python - 2>>log <<'PY' | tee seen || { cat log >&2; exit 1; }
from pathlib import Path

from pyiceberg.table import StaticTable

table = StaticTable.from_metadata(str(max(Path("lake/db/t/metadata").glob("v*.metadata.json"))))
for task in sorted(table.scan().plan_files(), key=lambda task: task.file.record_count):
    print("partition", repr(task.file.partition[0]), "has rows:", task.file.record_count)
for condition in ("true", "s = 'null'", "s is null"):
    print(f"{condition}:", sorted(table.scan(condition).to_arrow()["s"].to_pylist(), key=str))
PY
diff seen - <<'SEEN' && echo "as described"
partition 'a' has rows: 1
partition 'null' has rows: 2
true: [None, 'a', 'null']
s = 'null': ['null']
s is null: []
SEEN
