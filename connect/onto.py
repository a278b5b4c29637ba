"""A commit onto exactly the state of a table that was looked at: what depends on what the table holds is done once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from plumbline.connect.lake import APPEND_ID, Lake, has_append

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

T = TypeVar("T")

ORDER = "commit_order"
"""Column of the tables of records: the sequence number of the commit that brought the row (Iceberg spec, Sequence
Numbers). Two commits never have the same one, and no clock goes into it; a rewrite of the files leaves it as it is."""


def append_onto(
    lake: Lake, identifier: str, rows_of: Callable[[Table], pa.Table | None], properties: Mapping[str, str]
) -> bool:
    """Append what `rows_of` makes of the table, in one commit onto the very state that it was shown; whether it did.

    `rows_of` gives None where the table holds all that is wanted. Another commit in between: it is asked again.
    """
    mark = {**properties, APPEND_ID: uuid.uuid4().hex}

    def appended(table: Table) -> bool:
        if has_append(table, mark[APPEND_ID]):
            return True
        rows = rows_of(table)
        if rows is not None:
            table.append(rows, snapshot_properties=mark)
        return rows is not None

    return commit_onto(lake, identifier, appended)


def commit_onto(lake: Lake, identifier: str, work: Callable[[Table], T]) -> T:
    """What `work` gives, whose commit to the table stands on the very state that it was shown.

    Another commit in between, or a locked catalog: it is called again with the state then; what it does must bear that.
    Raises UnreachableError after a minute of lost races.
    """
    return lake.until_won(lambda: work(exactly(lake.load_now(identifier))), f"the commit to {identifier}", pause=0.05)


def exactly(table: Table) -> Table:
    """The table, whose commits fail when another one came between.

    PyIceberg brings an append that lost a race onto the newer state by itself, where what it was made from may no
    longer hold. The setting is that of this object; the table in the catalog keeps its own.
    """
    properties = {**table.metadata.properties, "commit.retry.num-retries": "0"}
    table.metadata = table.metadata.model_copy(update={"properties": properties})
    return table


def in_order(row: Mapping[str, Any]) -> tuple[int, Any]:
    """Sort key of recorded rows, oldest commit first; those of earlier versions have no order and go by the clock."""
    return row.get(ORDER) or 0, row["recorded_at"]


def order_column() -> tuple[str, pa.DataType, str]:
    """Name, type and meaning of the column, for a schema."""
    import pyarrow as pa

    return (
        ORDER,
        pa.int64(),
        "sequence number of the commit of this row: which came later; null: written by an earlier version",
    )


def columns_of(table: Table, *names: str) -> tuple[str, ...]:
    """Of these columns those that the table has: one of an earlier version lacks some."""
    return tuple(name for name in names if name in table.schema().column_names)


def next_order(table: Table) -> int:
    """The sequence number that the next commit onto this state of the table has."""
    # Format version 1 numbers no commit.
    return int(getattr(table.metadata, "last_sequence_number", 0)) + 1
