"""Arrow types as Iceberg types: the same as PyIceberg's own conversion."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest
from pyiceberg.io.pyarrow import UnsupportedPyArrowTypeException, _pyarrow_to_schema_without_ids
from pyiceberg.types import NestedField

from plumbline.connect.arrow_types import iceberg_fields
from plumbline.connect.tables import SCHEMAS
from plumbline.reconcile.judge.store import findings_schema, runs_schema

OTHER = pa.schema(
    [
        pa.field("small", pa.int8()),
        pa.field("wide", pa.large_string()),
        pa.field("ratio", pa.float32()),
        pa.field("price", pa.decimal128(12, 2)),
        pa.field("day", pa.date32()),
        pa.field("local", pa.timestamp("us")),
        pa.field("seconds", pa.timestamp("s", tz="UTC")),
        pa.field("needed", pa.int64(), nullable=False),
        pa.field("tags", pa.list_(pa.field("item", pa.string(), nullable=False))),
        pa.field("many", pa.large_list(pa.int32())),
        pa.field("deep", pa.list_(pa.struct([pa.field("a", pa.int16()), pa.field("b", pa.list_(pa.date32()))]))),
        pa.field("named", pa.map_(pa.string(), pa.struct([pa.field("x", pa.float64(), nullable=False)]))),
    ]
)
SCHEMES = {**SCHEMAS, "runs": runs_schema(), "findings": findings_schema(), "other": OTHER}

PROBE = """
import sys
from plumbline.connect.arrow_types import iceberg_fields
from plumbline.connect.tables import SCHEMAS
for schema in SCHEMAS.values():
    iceberg_fields(schema)
print("pyiceberg.io.pyarrow" in sys.modules)
"""


def _without_comment(field: NestedField) -> NestedField:
    return NestedField(field.field_id, field.name, field.field_type, required=field.required)


@pytest.mark.parametrize("schema", SCHEMES.values(), ids=SCHEMES)
def test_columns_are_converted_as_by_pyiceberg(schema: pa.Schema) -> None:
    expected = tuple(map(_without_comment, _pyarrow_to_schema_without_ids(schema).fields))
    assert iceberg_fields(schema) == expected


def test_the_jobs_own_tables_are_converted_without_arrows_file_systems() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_type_that_iceberg_does_not_have_is_refused_as_by_pyiceberg() -> None:
    with pytest.raises(UnsupportedPyArrowTypeException, match="Column 'span'"):
        iceberg_fields(pa.schema([pa.field("span", pa.duration("us"))]))
