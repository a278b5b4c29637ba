"""What the stream table holds of the records behind the differing rows, those rows among it that have no event time."""

from __future__ import annotations

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.inputs.day_ranges import Untimed
from plumbline.reconcile.inputs.pinned_views import STREAM, Pins, output_view

UNTIMED = "stream_rows_untimed"


def stream_known(pins: Pins) -> str:
    """The view of the stream's rows that decide about those that are read.

    A row whose event time is NULL is in no bounded range, and yet it is written: what it was made from is not lost.
    It is looked for where the stream lacks a row of the batch's.
    """
    around, table = pins.around(STREAM), pins.contract.output.stream_table
    lacks = pins.con.execute("SELECT 1 FROM inputs WHERE class = 'missing' LIMIT 1").fetchone() is not None
    if pins.time_range == TimeRange() or not lacks or not pins.has_moments(table):
        return around
    output_view(pins, UNTIMED, table, Untimed())
    view = f"{UNTIMED}_too"
    pins.con.execute(f"CREATE OR REPLACE VIEW {view} AS FROM {around} UNION ALL BY NAME FROM {UNTIMED}")
    return view
