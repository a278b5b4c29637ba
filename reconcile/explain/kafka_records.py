"""The Kafka records behind one output key: by the lineage of its rows, and by searching the archive for the key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from plumbline.connect.archives import scan_archive
from plumbline.connect.json_fields import TEXT_OF_VALUE, field_text, readable
from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.lineage import SIDES
from plumbline.contract.ranges import TimeRange, from_micros
from plumbline.reconcile.explain.story import Delivered
from plumbline.reconcile.inputs.epoch_spans import Progress
from plumbline.reconcile.inputs.pinned_views import ARCHIVE_COLUMNS, Pins
from plumbline.reconcile.inputs.row_commits import commit_of
from plumbline.reconcile.relations.evidence import REASONS
from plumbline.reconcile.relations.inputs import COPIES, LEDGER, READ, SPANS
from plumbline.reconcile.relations.judge import RECORDS_OF_KEY, VALUES
from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    from plumbline.contract.model import Source

SLACK = timedelta(days=1)
"""How far from the rows' event times another delivery of the same key is looked for."""


def find_records(pins: Pins, key: Mapping[str, str | None], progress: Progress) -> tuple[Delivered, ...]:
    """Left records first, then right ones, each in order of delivery. `pins`' output views show the key's rows only.

    Records that no row was made from are found by the key's fields in the archived values (JSON): all records where
    no row is known, else those within a day of the rows.
    """
    near = _near(pins)
    fields = {
        column.field: key[column.name]
        for column in pins.contract.output_columns
        if column.name in key and column.source == pins.contract.join.left and column.field
    }
    _collect(pins, "left", [fields] if fields and None not in fields.values() else [], near)
    pairs = pins.contract.join.pairs
    if readable(pins.contract.left):
        read = partial(field_text, pins.contract.left, value=TEXT_OF_VALUE)
        values = ", ".join(f"{read(left)} AS {ident(right)}" for left, right in pairs)
        cursor = pins.con.execute(f"SELECT DISTINCT {values} FROM {RECORDS_OF_KEY['left']}")
        wanted = [dict(zip((right for _, right in pairs), row, strict=True)) for row in cursor.fetchall()]
    else:
        wanted = []
    low, high = pins.contract.join.within
    _collect(pins, "right", [fields for fields in wanted if None not in fields.values()], near, (low, high))
    known = progress.last_epoch is not None
    return (*_delivered(pins, "left", known), *_delivered(pins, "right", known))


def records_of_rows(pins: Pins, progress: Progress) -> tuple[Delivered, ...]:
    """The records that the rows of `pins` name: left ones first, each side in order of delivery."""
    for side in SIDES:
        _collect(pins, side, [], TimeRange())
    known = progress.last_epoch is not None
    return (*_delivered(pins, "left", known), *_delivered(pins, "right", known))


def _near(pins: Pins) -> TimeRange:
    """Around the left event times of the key's rows; everything when there is no row."""
    found = pins.con.execute(
        f"""
        SELECT epoch_us(min(_event_time)), epoch_us(max(_event_time))
        FROM (SELECT _event_time FROM {pins.batch} UNION ALL SELECT _event_time FROM {pins.stream})
        """
    ).fetchone()
    if found is None or found[0] is None:
        return TimeRange()
    return TimeRange(from_micros(found[0]) - SLACK, from_micros(found[1]) + SLACK)


def _collect(
    pins: Pins,
    side: str,
    wanted: Iterable[Mapping[str, Any]],
    near: TimeRange,
    within: tuple[timedelta, timedelta] = (timedelta(), timedelta()),
) -> None:
    """Fill RECORDS_OF_KEY of one side: records that the rows name, or whose fields hold one of `wanted`."""
    source = pins.contract.source_of(side)
    reach = near.widened(*within)
    coordinates = " UNION ".join(
        f'SELECT _{side}_partition AS partition, _{side}_offset AS "offset" FROM {rows}'
        for rows in (pins.batch, pins.stream)
    )
    read = partial(field_text, source, value=TEXT_OF_VALUE)
    alike = " OR ".join(
        "(" + " AND ".join(f"{read(name)} = {text(str(value))}" for name, value in fields.items()) + ")"
        for fields in wanted
    )
    found = f"{reach.sql('event_time')} AND ({alike})" if alike and readable(source) else "false"
    RECORDS_OF_KEY[side].fill(
        pins.con,
        f"""
        SELECT DISTINCT ON (partition, "offset") {", ".join(ident(name) for name in ARCHIVE_COLUMNS)}, value
        FROM {_archive(pins, side, source)}
        WHERE topic = {text(source.topic)}
            AND ((partition, "offset") IN (FROM ({coordinates}) SELECT (partition, "offset")) OR ({found}))
        """,
    )


def _archive(pins: Pins, side: str, source: Source) -> Relation:
    """The archive with the records' bytes."""
    archive, snapshot = VALUES[side], pins.snapshots[source.archive]
    if snapshot is None:
        return archive.fill(pins.con, archive.nothing)
    columns = (*ARCHIVE_COLUMNS, "value")
    scan_archive(pins.con, pins.lake, source, snapshot, view=archive.name, columns=columns)
    return archive


def _delivered(pins: Pins, side: str, ledger: bool) -> Iterable[Delivered]:
    """The collected records of one side with the epoch that read them and the commit that archived them."""
    contract = pins.contract
    name, source = (contract.join.left, contract.left) if side == "left" else (contract.join.right, contract.right)
    found = pins.con.execute(_read_in(pins, side, name)).fetchall()
    for partition, offset, event_us, kafka_us, epoch, watermark_ms, planned_us, read, written, reason in found:
        event_time = _moment(event_us)
        archived = None
        if event_time is not None and source.archive_columns is None:
            where = f'partition = {partition} AND "offset" = {offset}'
            table, snapshot = pins.lake.load(source.archive), pins.snapshots[source.archive]
            archived = commit_of(pins.con, table, snapshot, event_time, "event_time", where)
        yield Delivered(
            source=name,
            topic=source.topic,
            partition=partition,
            offset=offset,
            event_time=event_time,
            event_us=event_us,
            kafka_time=_moment(kafka_us),
            epoch=epoch,
            planned_at=_moment(planned_us),
            late_watermark_ms=watermark_ms,
            read=read if ledger else None,
            proven=not pins.unproven_spark and not pins.contradicted,
            written=written,
            reason=reason if contract.job is None else None,
            theirs=contract.job is not None,
            archived_at=archived.at if archived else None,
            archive_snapshot=archived.snapshot_id if archived else None,
        )


def _read_in(pins: Pins, side: str, source: str) -> str:
    """The collected records of one side beside the epoch that read them: its number, late watermark and planning.

    Whether the stream holds a row of it is told of events with one delivery: rows name each event's first.
    """
    return f"""
        WITH spans AS (SELECT * FROM {SPANS} WHERE side = '{side}'),
        planned AS (
            SELECT epoch, start_offset, partition, any_value(planned_at) AS planned_at
            FROM {LEDGER} WHERE source = {text(source)} GROUP BY ALL
        ),
        written AS (
            SELECT DISTINCT _{side}_partition AS partition, _{side}_offset AS "offset"
            FROM {pins.stream} WHERE _replay_id IS NULL
        )
        SELECT r.partition, r."offset", epoch_us(r.event_time), epoch_us(r.kafka_timestamp),
            CASE WHEN r."offset" < s.end_offset THEN s.epoch END,
            CASE WHEN r."offset" < s.end_offset THEN s.late_watermark_ms END,
            CASE WHEN r."offset" < s.end_offset THEN epoch_us(p.planned_at) END,
            r."offset" < coalesce(n.end_offset, 0), w."offset" IS NOT NULL AND c."offset" IS NULL,
            (SELECT any_value(reason) FROM {REASONS[side]} q
                WHERE q.partition = r.partition AND q."offset" = r."offset")
        FROM {RECORDS_OF_KEY[side]} r
        ASOF LEFT JOIN spans s ON r.partition = s.partition AND r."offset" >= s.start_offset
        LEFT JOIN planned p ON p.epoch = s.epoch AND p.partition = s.partition AND p.start_offset = s.start_offset
        LEFT JOIN {READ} n ON n.side = '{side}' AND n.partition = r.partition
        LEFT JOIN written w ON w.partition = r.partition AND w."offset" = r."offset"
        LEFT JOIN {COPIES[side]} c ON c.partition = r.partition AND c."offset" = r."offset"
        ORDER BY r.kafka_timestamp, r.partition, r."offset"
    """


def _moment(us: int | None) -> datetime | None:
    return None if us is None else from_micros(us)
