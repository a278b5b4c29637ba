#!/usr/bin/env bash
# PyIceberg 0.12.0: a table that is partitioned by a float or double (identity). `append` of rows with 0.0 and -0.0 writes
# each of them twice, as it takes the rows of one partition by `=`, which holds both for either; the commit succeeds and
# the table has two rows more than were given. A row with NaN, of which `=` finds none, ends in a ZeroDivisionError.
# `overwrite` and `upsert` write by the same code.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "pyiceberg[sql-sqlite]==0.12.0" pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY' | tee "$work/seen"
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

catalog = SqlCatalog("lake", uri="sqlite:///lake.db", warehouse="lake")
catalog.create_namespace("db")


def appended(name, values):
    rows = pa.table({"id": range(len(values)), "v": pa.array(values, pa.float64())})
    table = catalog.create_table(f"db.{name}", schema=rows.schema)
    with table.update_spec() as spec:
        spec.add_identity("v")
    table.append(rows)
    return table.scan().to_arrow().sort_by("id")["v"].to_pylist()


given = [1.5, 0.0, -0.0, None]
print("appended", given, "read", appended("zeros", given))
try:
    print(appended("nan", [1.5, float("nan")]))
except ZeroDivisionError as error:
    print("appended [1.5, nan]: ZeroDivisionError:", error)
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
appended [1.5, 0.0, -0.0, None] read [1.5, 0.0, 0.0, -0.0, -0.0, None]
appended [1.5, nan]: ZeroDivisionError: division by zero
SEEN
