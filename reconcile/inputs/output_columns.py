"""The columns of an output table: which a reconcile needs, which tell event times, and how its rows are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.connect.their_columns import their_columns, under_our_names
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, LINEAGE
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.inputs.event_times import moment_columns, moment_sql
from plumbline.reconcile.inputs.lineage_types import LINEAGE_TYPES, column_types
from plumbline.reconcile.inputs.whole_coordinates import with_whole_coordinates

if TYPE_CHECKING:
    from plumbline.contract.model import Contract
    from plumbline.reconcile.inputs.day_ranges import Times
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation


def times_told_by(contract: Contract, table: str, held: Mapping[str, str]) -> tuple[str, ...]:
    """The columns, under our names, that tell the event times of the rows; `held` are the table's own."""
    theirs = their_columns(contract, table, held)
    return (EVENT_TIME,) if EVENT_TIME in theirs else moment_columns(contract, {*held, *theirs})


def time_columns(pins: Pins, table: str) -> list[str]:
    """The same by the table's own names."""
    held = column_types(pins.lake, table)
    theirs = their_columns(pins.contract, table, held)
    return [theirs.get(name, name) for name in times_told_by(pins.contract, table, held)]


def needed_columns(pins: Pins, table: str) -> list[str]:
    """The table's columns that are compared, identify a row, or say what it was made from and when."""
    held, contract = column_types(pins.lake, table), pins.contract
    theirs = their_columns(contract, table, held)
    ours = [name for name in LINEAGE if name not in theirs]
    wanted = {*contract.output.key, *contract.value_columns, *ours, *theirs.values(), *time_columns(pins, table)}
    return [name for name in held if name in wanted]


def files_filter(pins: Pins, table: str, times: Times) -> str | None:
    """A PyIceberg filter of the files that may hold rows with event times in `times`; None for all."""
    held = column_types(pins.lake, table)
    if times_told_by(pins.contract, table, held) != (EVENT_TIME,):
        return None
    [told] = time_columns(pins, table)
    return times.iceberg(ident(told)) if told == EVENT_TIME or held[told] == "timestamptz" else None


def shown_rows(pins: Pins, view: Relation, table: str, times: Times, held: Mapping[str, str]) -> str:
    """SQL of `output_rows`, where the view `view.pinned` is there; `held` are its columns with their Iceberg types."""
    contract, theirs = pins.contract, their_columns(pins.contract, table, held)
    has, columns = {*held, *theirs}, times_told_by(contract, table, held)
    in_range = times if columns else TimeRange()
    source = f"({under_our_names(view.pinned.name, theirs, held)})" if theirs else str(view.pinned)
    untold = has.intersection(COORDINATES) if not has.issuperset(COORDINATES) else set()
    derived = [] if columns == (EVENT_TIME,) else [f"{moment_sql(columns)} AS {EVENT_TIME}"]
    if columns != (EVENT_TIME,):
        untold |= {EVENT_TIME} & has
    given = f"* EXCLUDE ({', '.join(map(ident, sorted(untold)))})" if untold else "*"
    known = (has - untold) | {EVENT_TIME}
    absent = ", ".join(f"NULL::{kind} AS {ident(name)}" for name, kind in LINEAGE_TYPES.items() if name not in known)
    selected = ", ".join([given, *derived, *filter(None, [absent])])
    rows = f"SELECT * FROM (SELECT {selected} FROM {source}) WHERE {in_range.sql(ident(EVENT_TIME))}"
    return with_whole_coordinates(pins.con, contract.join, rows)
