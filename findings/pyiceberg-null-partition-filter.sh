#!/usr/bin/env bash
# PyIceberg 0.12.0: `day > 7 or day is null` on a table partitioned by day ends with a TypeError where a row has NULL
# there: the residual of each file in range is made by comparing its partition's value with the bound.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyiceberg[sql-sqlite,pyarrow]==0.12.0' 'pyiceberg-core==0.11.0' pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import logging, warnings
warnings.filterwarnings("ignore")
from pathlib import Path
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

here = Path.cwd()
catalog = SqlCatalog("lake", uri=f"sqlite:///{here}/catalog.db", warehouse=here.as_uri())
catalog.create_namespace("n")

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField

schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "day", LongType()))
spec = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "day"))
table = catalog.create_table("n.t", schema, partition_spec=spec)
rows = pa.table({"id": pa.array([1, 2], pa.int64()), "day": pa.array([7, 8], pa.int64())})
table.append(rows)
print("without a NULL, day > 7:", table.scan("day > 7").to_arrow()["id"].to_pylist())
table.append(pa.table({"id": pa.array([3, 4], pa.int64()), "day": pa.array([None, 9], pa.int64())}))
print("with a NULL, day > 7:", sorted(table.scan("day > 7").to_arrow()["id"].to_pylist()))
try:
    print("day > 7 or day is null:", table.scan("day > 7 or day is null").to_arrow()["id"].to_pylist())
except TypeError as error:
    print(f"day > 7 or day is null: TypeError: {error}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
without a NULL, day > 7: [2]
with a NULL, day > 7: [2, 4]
day > 7 or day is null: TypeError: '>' not supported between instances of 'NoneType' and 'int'
SEEN
