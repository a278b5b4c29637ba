"""The rows of the batch that the stream table should hold, or has a newer one in their place.

A table of `output.mode: upsert` holds the newest row of its key. So of a key whose rows differ, each row of the batch
that is not older than the stream's should have taken its place, and each of them needs a cause for which it did not; a
row that is older says nothing. The stream's row must be one of the batch's, or needs a cause of its own. With these
rows in the place of the batch table's the comparison is one of rows, and what proves a cause there proves it here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import rows_table
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, RIGHT_EVENT_TIME
from plumbline.contract.upsert import newness, state_columns
from plumbline.reconcile.diff.engine.columns import drift_names
from plumbline.reconcile.evidence.differing_rows import compare_rows
from plumbline.reconcile.inputs.pinned_views import Pins, output_view
from plumbline.reconcile.inputs.rows_below import refuse_other_rows, with_rows_below
from plumbline.reconcile.relations.diff import DRIFT
from plumbline.reconcile.relations.inputs import AROUND, BATCH, RIGHT_ARCHIVE, STREAM, beside
from plumbline.reconcile.relations.upserts import (
    ALL_ROWS,
    DIFFERING_STATES,
    DOUBLED_STATES,
    DUE,
    DUE_ROWS,
    STREAM_STATES,
)

if TYPE_CHECKING:
    from plumbline.reconcile.relations.relation import Relation


def with_due_rows(pins: Pins) -> Pins:
    """The pins with the due rows as those of the batch, where the contract upserts; else they stay as they are.

    Raises IncompleteError where all rows of the batch are not there, or the batch table does not hold the newest.
    """
    if not pins.contract.output.is_upsert:
        return pins
    pins = _with_all_rows(pins)
    _refuse_others_than_the_newest(pins)
    compare_rows(pins, BATCH, STREAM, state_columns(pins.contract), ())
    DIFFERING_STATES.fill(pins.con, _differing(pins))
    DOUBLED_STATES.fill(pins.con, _doubled(pins))
    STREAM_STATES.fill(pins.con, _stream_states(pins))
    DUE_ROWS.fill(pins.con, _due(pins))
    DUE.fill(pins.con, _with_due(pins, BATCH))
    if pins.around(BATCH) != BATCH:
        beside(DUE).fill(pins.con, _with_due(pins, AROUND[BATCH]))
    return replace(pins, batch=DUE)


def _with_all_rows(pins: Pins) -> Pins:
    """The pins with the joined rows that the batch table was made from. Fills ALL_ROWS."""
    pins = with_rows_below(pins)
    output_view(pins, ALL_ROWS, rows_table(pins.contract), pins.read)
    return pins


def _refuse_others_than_the_newest(pins: Pins) -> None:
    """Raise IncompleteError where the batch table does not hold the newest of all rows: what is compared is neither."""
    state = ", ".join(map(ident, state_columns(pins.contract)))
    order = ", ".join(f"{ident(name)} DESC NULLS LAST" for name in newness(pins.contract))
    newest = f"FROM {ALL_ROWS} QUALIFY row_number() OVER (PARTITION BY {state} ORDER BY {order}) = 1"
    refuse_other_rows(pins, newest, "the newest rows of {} in the range")


def _differing(pins: Pins) -> str:
    names = drift_names(state_columns(pins.contract))
    return f"SELECT {', '.join(f'{ident(new)} AS {ident(name)}' for name, new in names.items())} FROM {DRIFT}"


def _doubled(pins: Pins) -> str:
    state = ", ".join(f"s.{ident(name)}" for name in state_columns(pins.contract))
    return f"""
        SELECT {state} FROM {STREAM} s SEMI JOIN {DIFFERING_STATES} d ON {_same(pins, "s", "d")}
        GROUP BY ALL HAVING count(*) > 1
    """


def _stream_states(pins: Pins) -> str:
    """Of a row that the batch has too its columns there say how new it is; of another the archive knows the time."""
    state = ", ".join(f"s.{ident(name)}" for name in (*state_columns(pins.contract), *COORDINATES))
    made = " AND ".join(f"b.{name} IS NOT DISTINCT FROM s.{name}" for name in COORDINATES)
    own = {name: f"s.{ident(name)}" for name in newness(pins.contract)}
    own[RIGHT_EVENT_TIME] = f"coalesce(a.event_time, {own[RIGHT_EVENT_TIME]})"
    order = ", ".join(
        f"CASE WHEN b.{EVENT_TIME} IS NOT NULL THEN b.{ident(name)} ELSE {sql} END AS {ident(_order(name))}"
        for name, sql in own.items()
    )
    newest = ", ".join(f"{ident(_order(name))} DESC NULLS LAST" for name in newness(pins.contract))
    parted = ", ".join(map(ident, state_columns(pins.contract)))
    return f"""
        SELECT *, row_number() OVER (PARTITION BY {parted} ORDER BY {newest}) AS place FROM (
            SELECT {state}, {order} FROM {STREAM} s SEMI JOIN {DIFFERING_STATES} d ON {_same(pins, "s", "d")}
            LEFT JOIN {ALL_ROWS} b ON {_same(pins, "b", "s")} AND {made}
            LEFT JOIN (
                SELECT partition, "offset", any_value(event_time) AS event_time FROM {RIGHT_ARCHIVE} GROUP BY ALL
            ) a ON a.partition = s._right_partition AND a."offset" = s._right_offset
        )
    """


def _due(pins: Pins) -> str:
    made = " AND ".join(f"b.{name} IS NOT DISTINCT FROM s.{name}" for name in COORDINATES)
    return f"""
        SELECT b.* FROM {ALL_ROWS} b SEMI JOIN {DIFFERING_STATES} d ON {_same(pins, "b", "d")}
        LEFT JOIN (FROM {STREAM_STATES} WHERE place = 1) s ON {_same(pins, "b", "s")}
        WHERE s.place IS NULL OR ({made}) OR NOT {_older(newness(pins.contract))}
    """


def _with_due(pins: Pins, rows: Relation) -> str:
    """The rows of agreeing states, and those that are due of the others."""
    return f"""
        SELECT r.* FROM {rows} r ANTI JOIN {DIFFERING_STATES} d ON {_same(pins, "r", "d")}
        UNION ALL BY NAME FROM {DUE_ROWS}
    """


def _older(columns: tuple[str, ...]) -> str:
    """SQL: the batch's row `b` is older than the stream's `s`, by the first column that differs; NULL is the oldest."""
    first, *rest = columns
    mine, other = f"b.{ident(first)}", f"s.{ident(_order(first))}"
    older = f"({other} IS NOT NULL AND ({mine} IS NULL OR {mine} < {other}))"
    if not rest:
        return older
    return f"({older} OR ({mine} IS NOT DISTINCT FROM {other} AND {_older(tuple(rest))}))"


def _order(name: str) -> str:
    return f"order${name}"


def _same(pins: Pins, one: str, other: str) -> str:
    """SQL: rows of two aliases are of one state."""
    names = map(ident, state_columns(pins.contract))
    return " AND ".join(f"{one}.{name} IS NOT DISTINCT FROM {other}.{name}" for name in names)
