"""Changing a table's columns, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.file_formats import refuse_unwritable
from plumbline.connect.table_schema import NOTHING, Growth, Lost, growth
from plumbline.contract.errors import SetupError, UsageError

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.connect.tables import OwnTable


def grown(table: Table, needed: Growth) -> Table:
    """The table after its change; as it was where none is needed. Raises UsageError for what it cannot take."""
    for lost in needed.lost:
        raise taken_away(lost, ".".join(table.name()))
    for column in needed.refused:
        raise UsageError(
            f"column {column.column} is {column.held} and cannot become {column.wanted}",
            where=f"table {'.'.join(table.name())}",
            next_step="change the contract back, give the column another name, or name a new table",
        )
    if needed.any:
        refuse_unwritable(table, f"a new column ({', '.join((*needed.added, *needed.widened))})")
        with table.update_schema() as change:
            for name, kind in needed.widened.items():
                change.update_column((name,), kind)
            for name, kind in needed.added.items():
                change.add_column((name,), kind)
    return table


def refuse_retyped(table: Table, own: OwnTable) -> None:
    """Raise SetupError when a table of the jobs has a column of another type than they give it, or has it no more."""
    from plumbline.connect.tables import SCHEMAS

    identifier = ".".join(table.name())
    held = growth(table.schema(), SCHEMAS[own], table.schemas())
    for lost in held.lost:
        raise SetupError(
            f"column {lost.column} of {identifier} was "
            f"{f'renamed to {lost.now}' if lost.now else 'dropped'} by another tool",
            where=f"table {identifier}",
            next_step="roll the table back, or name another one in the contract",
        )
    for column in held.refused:
        if column.wanted != NOTHING:
            raise SetupError(
                f"column {column.column} of {identifier} is {column.held}, where the jobs keep {column.wanted}",
                where=f"table {identifier}",
                next_step="another tool changed the table, or it is not one of the jobs' tables: roll the table back, "
                "or name another one in the contract",
            )


def taken_away(lost: Lost, table: str) -> UsageError:
    """The refusal of a column that another tool renamed or dropped."""
    if lost.now is not None:
        what, step = f"renamed to {lost.now}", f"ALTER TABLE {table} RENAME COLUMN {lost.now} TO {lost.column}"
    else:
        step = f"if that was meant: ALTER TABLE {table} ADD COLUMN {lost.column} {lost.kind}, then replay"
        what = "dropped"
    return UsageError(
        f"column {lost.column} of {table} was {what} by another tool: a second one would be empty in all earlier rows",
        where=f"table {table}",
        next_step=step,
    )
