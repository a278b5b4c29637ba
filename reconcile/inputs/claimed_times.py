"""Whether the column that a contract calls the event time of a foreign job's rows is that: the archive knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.errors import ContractError

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.pinned_views import Pins

SAMPLE = 200
"""Offsets that are looked at: one wrong row is drift, a wrong column is wrong in most of them."""


def refuse_other_times(pins: Pins, view: str) -> None:
    """Raise ContractError where most of some rows of the output view have another time than their left record."""
    job, source = pins.contract.job, pins.contract.left
    if job is None or job.event_time is None or pins.snapshots[source.archive] is None:
        return
    named = f"FROM {ident(view)} WHERE _left_offset IS NOT NULL AND _event_time IS NOT NULL"
    first = pins.con.execute(f"SELECT _left_partition, min(_left_offset) {named} GROUP BY 1 ORDER BY 1 LIMIT 1")
    place = first.fetchone()
    if place is None:
        return
    partition, low = place
    inside = f'partition = {partition} AND "offset" BETWEEN {low} AND {low + SAMPLE}'
    pinned.scan(
        pins.con,
        pins.lake,
        source.archive,
        pins.snapshots[source.archive],
        view="claimed_times",
        row_filter=f"partition == {partition} and offset >= {low} and offset <= {low + SAMPLE}",
        columns=("topic", "partition", "offset", "event_time"),
    )
    found = pins.con.execute(
        f"""
        SELECT count(*), count(*) FILTER (told // 1000 <> epoch_us(r.event_time) // 1000),
            min("offset") FILTER (told // 1000 <> epoch_us(r.event_time) // 1000)
        FROM (SELECT _left_offset AS o, epoch_us(_event_time) AS told {named} AND _left_partition = {partition}) s
        JOIN (FROM claimed_times WHERE topic = {text(source.topic)} AND {inside} AND event_time IS NOT NULL) r
            ON s.o = r."offset"
        """
    ).fetchone()
    if found is not None and found[1] * 2 > found[0]:
        raise ContractError(
            f"job.event_time names column {job.event_time!r} of {pins.contract.output.stream_table}, which is not the "
            f"left event's time: {found[1]} of {found[0]} rows have another one than their record in {source.archive}, "
            f"that of partition {partition} offset {found[2]} for example",
            where=pins.contract.place(("job", "event_time")) or "job.event_time",
            next_step=f"name the column that carries {pins.contract.join.left}.{source.event_time}",
        )
