"""How a table's columns may follow the rows that are written to it: Iceberg spec, "Schema evolution". Pure.

Columns are only ever added at the end or given a wider type. What is no longer written stays, and is null from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType


NOTHING = "nothing"
"""What is to be written, in a `Refused`, to a column that must not be null."""


@dataclass(frozen=True)
class Refused:
    """A column that the table cannot take: its type there, and the type that is to be written."""

    column: str
    held: str
    wanted: str


@dataclass(frozen=True)
class Lost:
    """A column that the table once had under this name: what it is called `now`, None where it was dropped.

    Nothing here renames or drops one: another tool did. `kind` is the type that it is to be written with.
    """

    column: str
    now: str | None
    kind: str


@dataclass(frozen=True)
class Growth:
    """What a table needs before it can take rows of a schema. Column names as the table has them, types as wanted."""

    added: dict[str, IcebergType]
    widened: dict[str, IcebergType]
    refused: tuple[Refused, ...]
    lost: tuple[Lost, ...] = ()

    @property
    def any(self) -> bool:
        """Whether the table must change."""
        return bool(self.added or self.widened)


def growth(held: Schema, wanted: pa.Schema, earlier: Mapping[int, Schema] | None = None) -> Growth:
    """How the table's schema `held` must grow to take rows of `wanted`. Names are compared without case, as Spark does.

    `earlier` are the table's schemas by id: of a name to be added they tell whether a column had it before.
    A column that is required in the table and not written is refused, with `nothing` as the wanted type.
    """
    from plumbline.connect.arrow_types import iceberg_fields

    there = {field.name.lower(): field for field in held.fields}
    added: dict[str, IcebergType] = {}
    widened: dict[str, IcebergType] = {}
    refused = []
    for field in iceberg_fields(wanted):
        known = there.pop(field.name.lower(), None)
        if known is None:
            added[field.name] = field.field_type
        elif widens(known.field_type, field.field_type):
            widened[known.name] = field.field_type
        elif not _takes(known.field_type, field.field_type):
            refused.append(Refused(known.name, str(known.field_type), str(field.field_type)))
    refused += [
        Refused(field.name, f"required {field.field_type}", NOTHING) for field in there.values() if field.required
    ]
    lost = [found for name, kind in added.items() if (found := _lost(name, kind, held, earlier or {})) is not None]
    return Growth(added, widened, tuple(refused), tuple(lost))


def _lost(name: str, kind: IcebergType, held: Schema, earlier: Mapping[int, Schema]) -> Lost | None:
    """What became of the column that had this name last; None where none ever had it.

    A column is its id, whatever it is called (Iceberg spec, "Column projection").
    """
    names = {field.field_id: field.name for field in held.fields}
    for schema_id in sorted(earlier, reverse=True):
        for field in earlier[schema_id].fields:
            if field.name.lower() == name.lower():
                return Lost(name, names.get(field.field_id), str(kind))
    return None


def widens(held: IcebergType, wanted: IcebergType) -> bool:
    """Whether `held` can be promoted to `wanted`: int to long, float to double, a decimal to more digits."""
    from pyiceberg.types import DecimalType, DoubleType, FloatType, IntegerType, LongType

    if isinstance(held, DecimalType) and isinstance(wanted, DecimalType):
        return bool(held.scale == wanted.scale and held.precision < wanted.precision)
    return (type(held), type(wanted)) in {(IntegerType, LongType), (FloatType, DoubleType)}


def _takes(held: IcebergType, wanted: IcebergType) -> bool:
    """Whether a column takes values of a type as they are: of its own, or of one that it is wider than."""
    if held.is_primitive and wanted.is_primitive:
        return bool(held == wanted) or widens(wanted, held)
    return type(held) is type(wanted)
