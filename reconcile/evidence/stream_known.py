"""What the stream table holds of the records behind the differing rows, also those of its rows that stand elsewhere.

A row whose event time is NULL, or is not what the contract makes it, stands in no range that it belongs to, and yet it
is written: what it was made from is not lost.
"""

from __future__ import annotations

from plumbline.connect.sql_quoting import ident
from plumbline.connect.their_columns import their_columns
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, LEFT_OFFSET, RIGHT_OFFSET, SIDES
from plumbline.reconcile.evidence.recomputed_rows import left_key
from plumbline.reconcile.inputs.day_ranges import Elsewhere, Windows
from plumbline.reconcile.inputs.lineage_types import column_types
from plumbline.reconcile.inputs.pinned_views import Pins, output_view
from plumbline.reconcile.relations.evidence import ELSEWHERE, HELD_ELSEWHERE, MAYBE_HELD, STREAM_KNOWN
from plumbline.reconcile.relations.relation import Relation

_LACKING = "(class = 'missing' OR (class = 'mismatch' AND NOT same_lineage))"
"""The stream lacks the batch's row, as far as was read."""
_SOUGHT = f"({_LACKING} OR (class = 'extra' AND (left_offset IS NULL) <> (right_offset IS NULL)))"
"""And where it has an unmatched row instead of one that the batch has."""
_UNTOLD = f"s.{LEFT_OFFSET} IS NULL AND s.{RIGHT_OFFSET} IS NULL"


def stream_known(pins: Pins, inputs: Relation) -> Relation:
    """The view of the stream's rows that decide about those that are read. Fills MAYBE_HELD.

    Where the stream lacks rows of the batch's, those are looked for among all rows of the pinned snapshot, by their
    records, and a row that does not name its records by its key. Only these few are kept.
    """
    around, table = pins.around(pins.stream), pins.contract.output.stream_table
    MAYBE_HELD.fill(pins.con, _maybe_beside(pins, inputs))
    everything = pins.read_around.iceberg(EVENT_TIME) is None
    if everything or not inputs.any(pins.con, _SOUGHT) or not pins.has_moments(table):
        return around
    output_view(pins, ELSEWHERE, table, Elsewhere(pins.read_around, _places(pins, table, inputs)))
    held = HELD_ELSEWHERE.fill(pins.con, _held(pins, inputs))
    if not held.any(pins.con):
        return around
    if held.any(pins.con, f"{LEFT_OFFSET} IS NULL AND {RIGHT_OFFSET} IS NULL"):
        told = pins.stream_has_lineage
        maybe = _untold_of_key(pins, inputs) if told else _untold_of_event(pins, inputs)
        MAYBE_HELD.add(pins.con, f"SELECT DISTINCT i.id FROM {maybe}")
    return STREAM_KNOWN.fill(pins.con, f"FROM {around} UNION ALL BY NAME FROM {held}")


def _places(pins: Pins, table: str, inputs: Relation) -> str | None:
    """A PyIceberg filter that skips files without any of the missing rows' records; None where nothing skips them."""
    held = column_types(pins.lake, table)
    names = {name: name for name in held} | their_columns(pins.contract, table, held)
    if not set(COORDINATES) <= names.keys():
        return None
    found = []
    for side in SIDES:
        column = ident(names[f"_{side}_offset"])
        span = f"SELECT min({side}_offset), max({side}_offset) FROM {inputs} WHERE {_SOUGHT}"
        [(least, most)] = pins.con.execute(span).fetchall()
        if least is not None:
            found.append(f"({column} >= {least} and {column} <= {most})")
    return " or ".join([*found, f"({ident(names[LEFT_OFFSET])} is null and {ident(names[RIGHT_OFFSET])} is null)"])


def _held(pins: Pins, inputs: Relation) -> str:
    """Event time and coordinates of the rows that are looked for.

    A row that does not name its records, and has a missing row's key, may be that row: it stands for its event time.
    """
    sought = f"(SELECT * FROM {inputs} WHERE {_SOUGHT})"
    places = ", ".join(f"s.{name}" for name in COORDINATES)
    of_records = [
        f"SELECT s.{EVENT_TIME}, {places} FROM {ELSEWHERE} s SEMI JOIN {sought} i"
        f" ON i.{side}_partition = s._{side}_partition AND i.{side}_offset = s._{side}_offset"
        for side in SIDES
    ]
    untold = [
        f"SELECT s.{EVENT_TIME}, {places} FROM {ELSEWHERE} s WHERE {_UNTOLD} AND s.{EVENT_TIME} IS NULL",
        f"SELECT i.event_time, {places} FROM {_untold_of_key(pins, inputs)}",
    ]
    return " UNION ".join([*of_records, *untold])


def _untold_of_key(pins: Pins, inputs: Relation) -> str:
    """Rows elsewhere that do not name their records (s), beside the missing rows of their key (i)."""
    same = " AND ".join(
        f"i.key.{ident(name)} IS NOT DISTINCT FROM s.{ident(name)}" for name in pins.contract.output.key
    )
    return f"{ELSEWHERE} s JOIN (SELECT * FROM {inputs} WHERE {_LACKING}) i ON {same} WHERE {_UNTOLD}"


def _untold_of_event(pins: Pins, inputs: Relation) -> str:
    """Where no row names its records: rows elsewhere without an event time (s), beside the missing rows (i) whose left
    event has their columns of the key."""
    same = [f"i.key.{ident(name)} IS NOT DISTINCT FROM s.{ident(name)}" for name in left_key(pins)]
    on = " AND ".join([f"s.{EVENT_TIME} IS NULL", *same])
    return f"{ELSEWHERE} s JOIN (SELECT * FROM {inputs} WHERE {_LACKING}) i ON {on} WHERE {_UNTOLD}"


def _maybe_beside(pins: Pins, inputs: Relation) -> str:
    """Missing rows beside a difference whose stream row does not name its records, and may be of the same left event:
    by its columns of the key, and its time if it has one."""
    same = [f"i.key.{ident(name)} IS NOT DISTINCT FROM d.key.{ident(name)}" for name in left_key(pins)]
    same.append("coalesce(epoch_ms(d.stream_event_time) = epoch_ms(i.batch_event_time), true)")
    return f"""
        SELECT DISTINCT i.id FROM (SELECT * FROM {inputs} WHERE {_LACKING}) i
        JOIN (SELECT * FROM {inputs} WHERE stream_count > batch_count OR class = 'mismatch') d
            ON {" AND ".join(same)}
        WHERE NOT d.stream_named AND d.id <> i.id
    """


def days_of_rows_outside(pins: Pins, findings: Relation) -> str:
    """SQL: the days of findings whose batch row the stream table holds outside of the range, or may hold there."""
    table = pins.contract.output.stream_table
    output_view(pins, ELSEWHERE, table, Elsewhere(Windows((pins.time_range,)), _places(pins, table, findings)))
    row = " AND ".join(
        f"s._{side}_{part} IS NOT DISTINCT FROM CASE WHEN i.batch_has_{side} THEN i.{side}_{part} END"
        for side in SIDES
        for part in ("partition", "offset")
    )
    day, lacking = "SELECT date_trunc('day', i.event_time)", f"(SELECT * FROM {findings} WHERE {_LACKING})"
    return f"{day} FROM {ELSEWHERE} s JOIN {lacking} i ON {row} UNION {day} FROM {_untold_of_key(pins, findings)}"
