"""Whether the column that a contract calls the event time of a foreign job's rows is that: the archive knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.archives import scan_archive
from plumbline.connect.sql_quoting import text
from plumbline.contract.errors import ContractError
from plumbline.contract.lineage import EVENT_TIME
from plumbline.reconcile.relations.inputs import CLAIMED

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation

SAMPLE = 200
"""Offsets that are looked at: one wrong row is drift, a wrong column is wrong in most of them."""


def refuse_other_times(pins: Pins, output: Relation) -> None:
    """Raise ContractError where most of some rows of the output have another time than their left record.

    Which of the two columns is wrong, that of the job or that of another tool's archive, nobody can say.
    """
    job, source, name = pins.contract.job, pins.contract.left, pins.contract.join.left
    theirs = source.archive_columns
    claimed = job is not None and (job.event_time is not None or theirs is not None)
    _refuse_apart(pins, output)
    if not claimed or pins.snapshots[source.archive] is None:
        return
    partition, rows, other, example = _compared(pins, output, "left", _OTHER)
    if other * 2 <= rows:
        return
    column, table = (job and job.event_time) or EVENT_TIME, pins.contract.output.stream_table
    found = (
        f"{other} of {rows} rows have another one than their record in {source.archive}, that of partition {partition} "
        f"offset {example} for example"
    )
    if theirs is None:
        raise ContractError(
            f"job.event_time names column {column!r} of {table}, which is not the left event's time: {found}",
            where=pins.contract.place(("job", "event_time")) or "job.event_time",
            next_step=f"name the column that carries {name}.{source.event_time}",
        )
    raise ContractError(
        f"column {column!r} of {table} and {theirs.event_time!r} of {source.archive} are not both the time of "
        f"{name}: {found}",
        where=pins.contract.place(("sources", name, "archive_columns", "event_time")) or f"sources.{name}",
        next_step=f"name the columns that carry {name}.{source.event_time}, in archive_columns and job.event_time",
    )


_OTHER = "told // 1000 <> epoch_us(r.event_time) // 1000"


def _refuse_apart(pins: Pins, output: Relation) -> None:
    """Raise ContractError where another tool archives right records, and most of some pairs lie too far apart by it."""
    source, name = pins.contract.right, pins.contract.join.right
    theirs = source.archive_columns
    if theirs is None or pins.snapshots[source.archive] is None:
        return
    low, high = pins.within_ms
    wrong = f"epoch_us(r.event_time) // 1000 - told // 1000 NOT BETWEEN {low} AND {high}"
    partition, rows, other, example = _compared(pins, output, "right", wrong)
    if other * 2 > rows:
        raise ContractError(
            f"{theirs.event_time!r} of {source.archive} is not the time of {name} that the job joins by: {other} of "
            f"{rows} rows lie further from it than join.within, that of partition {partition} offset {example} for "
            "example",
            where=pins.contract.place(("sources", name, "archive_columns", "event_time")) or f"sources.{name}",
            next_step=f"name the column that carries {name}.{source.event_time}; or correct join.within",
        )


def _compared(pins: Pins, output: Relation, side: str, wrong: str) -> tuple[int, int, int, int]:
    """Of a sample of records of one side: their partition, how many rows they have, of how many of those `wrong` holds
    (SQL over the row's time `told` and the record `r`), the first such offset. Rows are looked at that have a left
    record, whose time they tell."""
    named = f"FROM {output} WHERE _left_offset IS NOT NULL AND _event_time IS NOT NULL AND _{side}_offset IS NOT NULL"
    first = pins.con.execute(f"SELECT _{side}_partition, min(_{side}_offset) {named} GROUP BY 1 ORDER BY 1 LIMIT 1")
    place = first.fetchone()
    if place is None:
        return 0, 0, 0, 0
    partition, low = place
    _sample(pins, side, partition, low)
    [(rows, other, example)] = pins.con.execute(
        f"""
        SELECT count(*), count(*) FILTER ({wrong}), min("offset") FILTER ({wrong})
        FROM (SELECT _{side}_offset AS o, epoch_us(_event_time) AS told {named} AND _{side}_partition = {partition}) s
        JOIN {CLAIMED} r ON s.o = r."offset"
        """
    ).fetchall()
    return partition, rows, other, example


def _sample(pins: Pins, side: str, partition: int, low: int) -> None:
    """Fill CLAIMED with SAMPLE records of a partition, from an offset on."""
    source, high = pins.contract.source_of(side), low + SAMPLE
    scan_archive(
        pins.con,
        pins.lake,
        source,
        pins.snapshots[source.archive],
        view=CLAIMED.pinned.name,
        row_filter=f"partition == {partition} and offset >= {low} and offset <= {high}",
        columns=("topic", "partition", "offset", "event_time"),
    )
    CLAIMED.fill(
        pins.con,
        f"""
        SELECT "offset", event_time FROM {CLAIMED.pinned}
        WHERE topic = {text(source.topic)} AND partition = {partition}
            AND "offset" BETWEEN {low} AND {high} AND event_time IS NOT NULL
        """,
    )


def refuse_unknown_moment(pins: Pins) -> None:
    """Raise ContractError where neither output table has the column that output.event_time names."""
    output, column = pins.contract.output, pins.contract.output.event_time
    tables = (output.stream_table, output.batch_table)
    if column is not None and not any(column in pins.lake.load(table).schema().column_names for table in tables):
        raise ContractError(
            f"output.event_time names column {column!r}, which neither {tables[0]} nor {tables[1]} has",
            where=pins.contract.place(("output", "event_time")),
            next_step="name the column of your table that has the rows' event time",
        )
