"""Which types the lineage columns of an output table have, in DuckDB and in Iceberg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from plumbline.contract.errors import UsageError
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, LINEAGE, REPLAY_ID

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake

LINEAGE_TYPES = dict(zip(LINEAGE, ("TIMESTAMPTZ", "INTEGER", "BIGINT", "INTEGER", "BIGINT", "VARCHAR"), strict=True))
"""As DuckDB has them."""

_HELD = {
    EVENT_TIME: ("timestamptz", "timestamp"),
    **dict.fromkeys(COORDINATES, ("long", "int")),
    REPLAY_ID: ("string",),
}


def column_types(lake: Lake, table: str) -> dict[str, str]:
    """The columns of a table with their Iceberg types."""
    return {field.name: str(field.field_type) for field in lake.load(table).schema().fields}


def refuse_other_lineage(table: str, kinds: Mapping[str, str]) -> None:
    """Raise UsageError for a column of a lineage column's name that holds something else (Iceberg's type names)."""
    for name, of_lineage in _HELD.items():
        if kinds.get(name, of_lineage[0]) not in of_lineage:
            raise UsageError(
                f"column {name} of {table} is {kinds[name]}; the jobs keep {of_lineage[0]} there",
                next_step="give that column another name; rows without lineage can be compared, other lineage not",
            )
