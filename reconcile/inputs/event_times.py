"""Which column of an output table has the rows' event time: tables of a team's own need not call it `_event_time`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.lineage import EVENT_TIME

if TYPE_CHECKING:
    from plumbline.contract.model import Contract


def moment_columns(contract: Contract, has: Collection[str]) -> tuple[str, ...]:
    """The columns, the first that is not NULL counts; none where no column of the table says it.

    `output.event_time` of the contract, else `_event_time`, else the output columns that carry the left event time and,
    for rows without a left side, the right one.
    """
    for name in (contract.output.event_time, EVENT_TIME):
        if name is not None and name in has:
            return (name,)
    join = contract.join
    carried = {(column.source, column.field): column.name for column in contract.output_columns if column.field}
    left = carried.get((join.left, contract.left.event_time))
    right = carried.get((join.right, contract.right.event_time)) if join.keeps_right else None
    if left not in has or (join.keeps_right and right not in has):
        return ()
    return tuple(name for name in (left, right) if name is not None)


def moment_sql(columns: Collection[str]) -> str:
    """SQL of the event time of a row; NULL without a column. A timestamp without a zone is taken as UTC."""
    told = ", ".join(f"TRY_CAST({ident(name)} AS TIMESTAMPTZ)" for name in columns)
    return f"coalesce({told})" if told else "NULL::TIMESTAMPTZ"
