"""What came in a time, by the records' timestamps or by the live job's commits: the event times to replay for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import IncompleteError, SetupError, UsageError
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange, from_micros
from plumbline.contract.reach import output_range
from plumbline.replay import needs, recorded
from plumbline.replay.drift import APART
from plumbline.replay.looking import Look, Spans, look
from plumbline.replay.pieces import ARCHIVE, Piece, within
from plumbline.replay.settled import holding, refuse_unproven, refuse_unproven_epochs, settled_end, settled_us

if TYPE_CHECKING:
    from plumbline.connect.home import Home

EVENT, RECORD, COMMIT = "event", "record", "commit"
"""Bases of a time: when something happened, when Kafka got its record, when the live job committed what it read."""


def touched(contract: Contract, home: Home, asked: TimeRange, basis: str, door: str = "auto") -> list[TimeRange]:
    """The event times of the output rows that may be other for what came in `asked`: few ranges, oldest first.

    RECORD takes the records with a Kafka timestamp in `asked`; COMMIT those that the live job read in the epochs which
    it committed then, and the rows that these closed. They end where the live stream has closed at the latest. Event
    times stand in the archive's index alone: raises SetupError without one, IncompleteError when it lacks such records
    or the ledger has no such epochs, or not of a Spark whose rule says what they closed; UsageError for an open range.
    """
    from plumbline.connect.lake import Lake
    from plumbline.connect.pinned import connection

    if asked.is_open:
        raise UsageError("a replay needs both ends of its range", next_step="give --from and --to, or --date")
    lake = Lake.open(home, contract.catalog)
    if basis == COMMIT:
        refuse_unproven(lake, contract)
    con = connection(temp_dir=home.replays / "scratch")
    looks = {name: look(con, lake, home, contract, name, door) for name in contract.sources}
    for found in looks.values():
        _refuse_without_archive(found)
    if basis == RECORD:
        moments = [moment for found in looks.values() for moment in _recorded(found, asked)]
    else:
        if (held := holding(lake, contract)) is not None:
            raise IncompleteError(
                f"which rows the epochs committed in {asked} wrote is not known: {held} behind the join may hold rows "
                "back",
                where=contract.output.stream_table,
                next_step="give the range in event times (--time-basis event)",
            )
        epochs = recorded.read_recorded(lake, contract)
        if contract.join.keeps_left or contract.join.keeps_right:
            first, end = committed(epochs, asked)
            refuse_unproven_epochs(lake, contract, epochs[max(0, first - 1) : end], asked)
        moments = [moment for found in looks.values() for moment in _committed(found, epochs, asked)]
    settled = TimeRange(end=settled_end(lake, contract))
    cut = (found.intersect(settled) for found in merged(moments))
    return [found for found in cut if found is not None]


def merged(moments: Iterable[TimeRange]) -> list[TimeRange]:
    """The ranges in order; those less than APART from each other are one, as in `drift`."""
    whole: list[tuple[datetime, datetime]] = []
    for start, end in sorted((moment.start, moment.end) for moment in moments if moment.start and moment.end):
        if whole and start - whole[-1][1] < APART:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((start, end))
    return [TimeRange(start, end) for start, end in whole]


def committed(epochs: Sequence[recorded.Recorded], asked: TimeRange) -> tuple[int, int]:
    """Positions (first, after the last) of the epochs that may have been committed in `asked`.

    The ledger notes when an epoch was planned; it was committed before the next one was.
    """
    assert asked.start is not None
    assert asked.end is not None
    first = sum(epoch.planned_at <= asked.start for epoch in epochs)
    return max(0, first - 1), sum(epoch.planned_at < asked.end for epoch in epochs)


def _recorded(found: Look, asked: TimeRange) -> Iterator[TimeRange]:
    """Event times that records with a timestamp in `asked` touch."""
    for partition, start, end in found.unknown() if found.topic is not None else ():
        if found.gone:
            raise _unarchived(found, partition, start)
        for record in _in_topic(found, partition, (start, end)):
            if asked.contains(from_micros(record.timestamp()[1] * 1_000)):
                raise _unarchived(found, partition, record.offset())
    return _touched(found, asked.sql("kafka_timestamp"))


def _in_topic(found: Look, partition: int, span: tuple[int, int]) -> Iterator[Any]:
    """The records that the topic shows of these offsets (confluent_kafka.Message)."""
    from plumbline.connect.kafka_read import Reader

    with Reader(found.kafka) as reader:
        yield from reader.records(found.contract.sources[found.name].topic, {partition: span})


def _committed(found: Look, epochs: Sequence[recorded.Recorded], asked: TimeRange) -> Iterator[TimeRange]:
    """Event times that the epochs committed in `asked` touch: by what they read, and by the rows that they closed."""
    first, end = committed(epochs, asked)
    if first >= end:
        raise IncompleteError(
            f"the ledger records no epoch that was committed in {asked}",
            next_step="use --time-basis record, which needs no ledger",
        )
    spans = recorded.offsets(epochs[first:end], found.name)
    _refuse_unarchived(found, spans)
    read = within([Piece(ARCHIVE, partition, *span) for partition, span in spans.items()])
    join = found.contract.join
    alone = join.keeps_left if found.name == join.left else join.keeps_right
    if not alone:
        return _touched(found, read)
    before_ms = epochs[first - 1].evict_watermark_ms if first else 0
    low_us, high_us = (settled_us(found.contract, ms) for ms in (before_ms, epochs[end - 1].evict_watermark_ms))
    return _touched(found, f"({read}) OR (epoch_us(event_time) > {low_us} AND epoch_us(event_time) <= {high_us})")


def _touched(found: Look, condition: str) -> Iterator[TimeRange]:
    for start_us, last_us in needs.stretches(found.con, found.view, condition, APART):
        moments = TimeRange(from_micros(start_us), from_micros(last_us + 1))
        yield output_range(found.contract, found.name, moments)


def _refuse_unarchived(found: Look, spans: Spans) -> None:
    """Raise IncompleteError when the archive lacks a record of these offsets per partition."""
    told = found.topic is not None and not found.compacted and not found.gone
    for partition, start, end in found.unknown():
        low, high = spans.get(partition, (0, 0))
        low, high = max(low, start), min(high, end)
        if low < high and (not told or next(_in_topic(found, partition, (low, high)), None) is not None):
            raise _unarchived(found, partition, low)


def _refuse_without_archive(found: Look) -> None:
    if found.snapshot_id is None:
        raise SetupError(
            f"source {found.name!r} has no archive, which would have the event times of its records",
            where=found.contract.sources[found.name].archive,
            next_step="give the range in event times (--time-basis event)",
        )


def _unarchived(found: Look, partition: int, offset: int) -> IncompleteError:
    source = found.contract.sources[found.name]
    return IncompleteError(
        f"the archive of {found.name!r} lacks offset {offset} of partition {partition}, which arrived in that time",
        where=source.archive,
        next_step="wait until the archiver has read it, or give the range in event times (--time-basis event)",
    )
