"""The joined rows that a batch table was made from, which the batch keeps beside it: pinned, and held to the table."""

from __future__ import annotations

from dataclasses import replace

from plumbline.connect.rows_below import has_snapshot, rows_named
from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import rows_table
from plumbline.contract.errors import IncompleteError
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.inputs import BATCH


def with_rows_below(pins: Pins) -> Pins:
    """The pins with the snapshot of the joined rows that the newest batch run's commit names.

    Raises IncompleteError where it names none, or the snapshot is gone.
    """
    batch, table = pins.contract.output.batch_table, rows_table(pins.contract)
    named = rows_named(pins.lake.load(batch), pins.snapshots[batch])
    if named is None:
        raise _without_rows(f"{batch} does not say which joined rows it was made from", batch)
    if not has_snapshot(pins.lake, table, named):
        raise _without_rows(f"{table} lacks snapshot {named}, the joined rows that {batch} was made from", table)
    return replace(pins, snapshots={**pins.snapshots, table: named})


def refuse_other_rows(pins: Pins, wanted: str, what: str) -> None:
    """Raise IncompleteError where BATCH does not hold the rows that `wanted` (SQL) gives of the joined ones, each as
    often; `what` tells them, with a place for the joined rows' table."""
    listed = ", ".join(map(ident, pins.con.sql(f"FROM {BATCH} LIMIT 0").columns))
    [(held, due, others)] = pins.con.execute(
        f"""
        WITH wanted AS MATERIALIZED (SELECT {listed} FROM ({wanted}))
        SELECT (SELECT count(*) FROM {BATCH}), (SELECT count(*) FROM wanted),
            EXISTS (SELECT {listed} FROM {BATCH} EXCEPT ALL FROM wanted)
        """
    ).fetchall()
    if others or held != due:
        batch, told = pins.contract.output.batch_table, what.format(rows_table(pins.contract))
        raise IncompleteError(
            f"{batch} does not hold {told}: {held:,} against {due:,} rows, or others",
            where=batch,
            next_step="undo what wrote to it, or replace the range: `plumbline batch run CONTRACT`",
        )


def _without_rows(what: str, where: str) -> IncompleteError:
    step = "`plumbline batch run CONTRACT`, which keeps them beside the batch table"
    return IncompleteError(f"{what}: no difference could be explained", where=where, next_step=step)
