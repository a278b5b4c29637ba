"""Whether the archive has every record that the stream may have read: only then is what it lacks not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.archives import scan_archive
from plumbline.connect.sql_quoting import text
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.relations.implied import ARCHIVED
from plumbline.reconcile.relations.inputs import LEDGER

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.pinned_views import Pins


def is_whole(pins: Pins) -> bool:
    """Whether neither source's archive lacks an offset from the topic's first one, or the first that the ledger names,
    to the last that the stream can have read.

    Compacted and transactional topics leave offsets out, and what stood there nobody knows: such an archive is not
    whole. Without a ledger the archive must begin at offset 0 and reach beyond the stream table's newest commit, in
    every partition, by the time at which the broker took the records: a producer's clock may be ahead.
    """
    return all(_is_whole(pins, side) for side in SIDES)


def _is_whole(pins: Pins, side: str) -> bool:
    source = pins.contract.source_of(side)
    snapshot = pins.snapshots[source.archive]
    if snapshot is None:
        return False
    columns = ("topic", "partition", "offset", "kafka_timestamp", "kafka_timestamp_type")
    scan_archive(pins.con, pins.lake, source, snapshot, view=ARCHIVED[side].name, columns=columns)
    held = pins.con.execute(
        f"""
        SELECT partition, min("offset"), max("offset"), count(*), sum(hash("offset")::HUGEINT),
            epoch_ms(max(kafka_timestamp) FILTER (kafka_timestamp_type = 1))
        FROM {ARCHIVED[side]} WHERE topic = {text(source.topic)} GROUP BY partition
        """
    ).fetchall()
    if not held or not all(_without_holes(pins, *row[1:5]) for row in held):
        return False
    ends = {int(row[0]): (int(row[1]), int(row[2]), row[5]) for row in held}
    read = _read(pins, side)
    if read:
        return all(end <= start or _covers(ends.get(p), start, end, whole) for p, start, end, whole in read)
    table = pins.contract.output.stream_table
    newest = pins.lake.load(table).snapshot_by_id(pins.snapshots[table] or 0)
    return newest is not None and all(
        first == 0 and at is not None and at > newest.timestamp_ms for first, _, at in ends.values()
    )


def _covers(held: tuple[int, int, int | None] | None, start: int, end: int, whole: bool) -> bool:
    """Whether a partition's offsets reach from its first one, or the first ever read, to the end of what was read."""
    return held is not None and (held[0] == 0 or (whole and held[0] <= start)) and held[1] + 1 >= end


def _without_holes(pins: Pins, first: int, last: int, rows: int, hashes: int) -> bool:
    """Whether the offsets are all of a span, each once."""
    if last - first + 1 != rows:
        return False
    wanted = f"SELECT sum(hash(o)::HUGEINT) FROM range({int(first)}, {int(last) + 1}) t(o)"
    return bool(pins.con.execute(wanted).fetchall()[0][0] == hashes)


def _read(pins: Pins, side: str) -> list[tuple[int, int, int, bool]]:
    """Per partition the first offset that the ledger names, the end of the last, and whether nothing was read before:
    the ledger has one query, from its first epoch on."""
    source = pins.contract.join.left if side == "left" else pins.contract.join.right
    found = pins.con.execute(
        f"""
        SELECT partition, min(start_offset), max(end_offset),
            (SELECT min(epoch) = 0 AND count(DISTINCT query_id) = 1 FROM {LEDGER})
        FROM {LEDGER} WHERE source = {text(source)} GROUP BY partition
        """
    ).fetchall()
    return [(int(p), int(start), int(end), bool(whole)) for p, start, end, whole in found]
