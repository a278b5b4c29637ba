"""Whether the column that a contract calls the event time of a foreign job's rows is that: the archive knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import text
from plumbline.contract.errors import ContractError
from plumbline.reconcile.relations.inputs import CLAIMED

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation

SAMPLE = 200
"""Offsets that are looked at: one wrong row is drift, a wrong column is wrong in most of them."""


def refuse_other_times(pins: Pins, output: Relation) -> None:
    """Raise ContractError where most of some rows of the output have another time than their left record."""
    job, source = pins.contract.job, pins.contract.left
    if job is None or job.event_time is None or pins.snapshots[source.archive] is None:
        return
    partition, rows, other, example = _compared(pins, output)
    if other * 2 > rows:
        raise ContractError(
            f"job.event_time names column {job.event_time!r} of {pins.contract.output.stream_table}, which is not the "
            f"left event's time: {other} of {rows} rows have another one than their record in {source.archive}, "
            f"that of partition {partition} offset {example} for example",
            where=pins.contract.place(("job", "event_time")) or "job.event_time",
            next_step=f"name the column that carries {pins.contract.join.left}.{source.event_time}",
        )


def _compared(pins: Pins, output: Relation) -> tuple[int, int, int, int]:
    """Of a sample of records: their partition, how many rows they have, how many of those tell another time, the first
    such offset."""
    named = f"FROM {output} WHERE _left_offset IS NOT NULL AND _event_time IS NOT NULL"
    first = pins.con.execute(f"SELECT _left_partition, min(_left_offset) {named} GROUP BY 1 ORDER BY 1 LIMIT 1")
    place = first.fetchone()
    if place is None:
        return 0, 0, 0, 0
    partition, low = place
    _sample(pins, partition, low)
    [(rows, other, example)] = pins.con.execute(
        f"""
        SELECT count(*), count(*) FILTER (told // 1000 <> epoch_us(r.event_time) // 1000),
            min("offset") FILTER (told // 1000 <> epoch_us(r.event_time) // 1000)
        FROM (SELECT _left_offset AS o, epoch_us(_event_time) AS told {named} AND _left_partition = {partition}) s
        JOIN {CLAIMED} r ON s.o = r."offset"
        """
    ).fetchall()
    return partition, rows, other, example


def _sample(pins: Pins, partition: int, low: int) -> None:
    """Fill CLAIMED with SAMPLE records of a partition, from an offset on."""
    source, high = pins.contract.left, low + SAMPLE
    pinned.scan(
        pins.con,
        pins.lake,
        source.archive,
        pins.snapshots[source.archive],
        view=CLAIMED.pinned.name,
        row_filter=f"partition == {partition} and offset >= {low} and offset <= {high}",
        columns=("topic", "partition", "offset", "event_time"),
        schema="archive",
    )
    CLAIMED.fill(
        pins.con,
        f"""
        SELECT "offset", event_time FROM {CLAIMED.pinned}
        WHERE topic = {text(source.topic)} AND partition = {partition}
            AND "offset" BETWEEN {low} AND {high} AND event_time IS NOT NULL
        """,
    )
