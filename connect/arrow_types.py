"""Arrow types as Iceberg types.

PyIceberg's own conversion comes with pandas and Arrow's file systems, which cost more CPU than `explain` needs in all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.types import IcebergType, NestedField

NO_ID = -1
"""The id of a column that is in no table yet, as PyIceberg gives it."""


def iceberg_fields(schema: pa.Schema) -> tuple[NestedField, ...]:
    """The columns without their comments, none with an id. For what PyIceberg alone converts, its errors."""
    return tuple(map(_field, schema))


def _field(field: pa.Field) -> NestedField:
    from pyiceberg.types import NestedField

    kind = _converted(field.type) or _by_pyiceberg(field)
    return NestedField(NO_ID, field.name, kind, required=not field.nullable)


def _converted(kind: pa.DataType) -> IcebergType | None:
    """None for a type that the jobs' own tables do not have."""
    import pyarrow as pa
    from pyiceberg import types

    if pa.types.is_list(kind):
        element = _field(kind.value_field)
        return types.ListType(NO_ID, element.field_type, element_required=element.required)
    if pa.types.is_struct(kind):
        return types.StructType(*map(_field, kind))
    same: dict[pa.DataType, type[types.PrimitiveType]] = {
        pa.bool_(): types.BooleanType,
        pa.int32(): types.IntegerType,
        pa.int64(): types.LongType,
        pa.float64(): types.DoubleType,
        pa.string(): types.StringType,
        pa.binary(): types.BinaryType,
        pa.timestamp("us", tz="UTC"): types.TimestamptzType,
    }
    return same[kind]() if kind in same else None


def _by_pyiceberg(field: pa.Field) -> IcebergType:
    import pyarrow as pa
    from pyiceberg.io.pyarrow import _pyarrow_to_schema_without_ids

    return _pyarrow_to_schema_without_ids(pa.schema([field])).fields[0].field_type
