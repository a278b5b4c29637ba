"""What the stream table holds of the records behind the differing rows, also those of its rows that stand elsewhere.

A row whose event time is NULL, or is not what the contract makes it, stands in no range that it belongs to, and yet it
is written: what it was made from is not lost.
"""

from __future__ import annotations

from plumbline.connect.sql_quoting import ident
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, LEFT_OFFSET, RIGHT_OFFSET, SIDES
from plumbline.reconcile.inputs.day_ranges import Elsewhere
from plumbline.reconcile.inputs.pinned_views import Pins, output_view
from plumbline.reconcile.relations.evidence import ELSEWHERE, HELD_ELSEWHERE, STREAM_KNOWN
from plumbline.reconcile.relations.relation import Relation

_MISSING = "class = 'missing'"
_UNTOLD = f"s.{LEFT_OFFSET} IS NULL AND s.{RIGHT_OFFSET} IS NULL"


def stream_known(pins: Pins, inputs: Relation) -> Relation:
    """The view of the stream's rows that decide about those that are read.

    Where the stream lacks rows of the batch's, those are looked for among all rows of the pinned snapshot, by their
    records, and a row that does not name its records by its key. Only these few are kept.
    """
    around, table = pins.around(pins.stream), pins.contract.output.stream_table
    everything = pins.read_around.iceberg(EVENT_TIME) is None
    if everything or not inputs.any(pins.con, _MISSING) or not pins.has_moments(table):
        return around
    output_view(pins, ELSEWHERE, table, Elsewhere(pins.read_around, _places(pins, table, inputs)))
    held = HELD_ELSEWHERE.fill(pins.con, _held(pins, inputs))
    if not held.any(pins.con):
        return around
    return STREAM_KNOWN.fill(pins.con, f"FROM {around} UNION ALL BY NAME FROM {held}")


def _places(pins: Pins, table: str, inputs: Relation) -> str | None:
    """A PyIceberg filter that skips files without any of the missing rows' records; None where nothing skips them."""
    if not set(COORDINATES) <= set(pins.lake.load(table).schema().column_names):
        return None
    found = []
    for side in SIDES:
        column = f"_{side}_offset"
        span = f"SELECT min({side}_offset), max({side}_offset) FROM {inputs} WHERE {_MISSING}"
        [(least, most)] = pins.con.execute(span).fetchall()
        if least is not None:
            found.append(f"({column} >= {least} and {column} <= {most})")
    return " or ".join([*found, f"({LEFT_OFFSET} is null and {RIGHT_OFFSET} is null)"])


def _held(pins: Pins, inputs: Relation) -> str:
    """Event time and coordinates of the rows that are looked for.

    A row that does not name its records, and has a missing row's key, may be that row: it stands for its event time.
    """
    missing = f"(SELECT * FROM {inputs} WHERE {_MISSING})"
    places = ", ".join(f"s.{name}" for name in COORDINATES)
    same = " AND ".join(
        f"i.key.{ident(name)} IS NOT DISTINCT FROM s.{ident(name)}" for name in pins.contract.output.key
    )
    of_records = [
        f"SELECT s.{EVENT_TIME}, {places} FROM {ELSEWHERE} s SEMI JOIN {missing} i"
        f" ON i.{side}_partition = s._{side}_partition AND i.{side}_offset = s._{side}_offset"
        for side in SIDES
    ]
    untold = [
        f"SELECT s.{EVENT_TIME}, {places} FROM {ELSEWHERE} s WHERE {_UNTOLD} AND s.{EVENT_TIME} IS NULL",
        f"SELECT i.event_time, {places} FROM {ELSEWHERE} s JOIN {missing} i ON {same} WHERE {_UNTOLD}",
    ]
    return " UNION ".join([*of_records, *untold])
