"""What a recovery reads: as much history as state can hold, from Kafka where it still has it, else from the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.connect.table_names import EPOCHS
from plumbline.contract.errors import IncompleteError
from plumbline.contract.generations import Ids, in_topic
from plumbline.contract.lateness import late_sql
from plumbline.contract.lineage import SIDES
from plumbline.contract.model import Contract, Source
from plumbline.contract.ranges import TimeRange, from_micros, spell_time
from plumbline.reconcile.inputs.reduced_times import judged_us
from plumbline.reconcile.relations.inputs import LEDGER
from plumbline.replay import needs
from plumbline.replay.pieces import Piece
from plumbline.replay.recover.border import Border, Ends
from plumbline.replay.recover.lines import reach_us, way_on
from plumbline.replay.recover.past import Past
from plumbline.stream_job import topics

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake


@dataclass(frozen=True)
class SourcePlan:
    """What is read of one source. `since_us`: rows with an older event time cannot matter any more.

    `rows` are those that the archive's index counts (None: it does not cover all of it), `late` how many of them the
    ledger says were dropped and are left out again.
    """

    name: str
    topic: str
    table: str
    snapshot_id: int | None
    since_us: int
    pieces: tuple[Piece, ...]
    rows: int | None
    late: int | None
    ids: Ids = (None,)

    def as_json(self) -> dict[str, Any]:
        pieces = [{"door": p.door, "partition": p.partition, "start": p.start, "end": p.end} for p in self.pieces]
        return {
            "topic": self.topic,
            "topic_ids": list(self.ids),
            "archive": self.table,
            "snapshot_id": self.snapshot_id,
            "since": spell_time(from_micros(max(0, self.since_us))),
            "pieces": pieces,
            "offsets": sum(piece.end - piece.start for piece in self.pieces),
            "rows": self.rows,
            "left_out": self.late,
        }


@dataclass(frozen=True)
class Reach:
    """What one partition's two doors hold. `archived` is (first, end) of the archive, `needed` its first row that
    matters; None: the archive holds nothing of it. `kafka` is (earliest, end) of the topic."""

    archived: tuple[int, int] | None
    needed: int | None
    kafka: tuple[int, int]
    reaches_back: bool


def make_plan(
    past: Past,
    border: Border,
    lake: Lake,
    contract: Contract,
    kafka: Mapping[str, str],
    ids: tuple[Ids, Ids],
    door: str,
    *,
    accept_gaps: bool = False,
) -> tuple[SourcePlan, SourcePlan]:
    """What is read of the left and the right source. Raises IncompleteError when offsets are gone from both doors."""
    since = reach_us(contract, border.late_watermark_ms)
    names = (contract.join.left, contract.join.right)
    left, right = (
        _plan_source(past, lake, contract, kafka, topic_ids, side, name, since_us, ends, door, accept_gaps)
        for topic_ids, side, name, since_us, ends in zip(ids, SIDES, names, since, border.ends, strict=True)
    )
    return left, right


def beginning(
    contract: Contract, kafka: Mapping[str, str], ids: tuple[Ids, Ids], border: Border, *, accept_gaps: bool
) -> Ends:
    """Where the new life goes on in the topics: at the border, or behind it when that is gone and gaps are accepted.

    Raises IncompleteError when records that the join has not read are gone from a topic.
    """
    begin = (dict(border.ends[0]), dict(border.ends[1]))
    for ends, source, topic_ids in zip(begin, (contract.left, contract.right), ids, strict=True):
        for partition, earliest in topics.reach(kafka, source.topic, topic_ids)[0].items():
            end = ends.get(str(partition), 0)
            if end and earliest > end:
                if not accept_gaps:
                    raise IncompleteError(
                        f"{source.topic} partition {partition}: offsets {end} to {earliest - 1} are gone from the "
                        "topic before the join read them",
                        next_step=way_on(
                            contract,
                            "add --accept-gaps to go on after them, then replay their time range if the archive "
                            f"{source.archive} has them",
                        ),
                    )
                ends[str(partition)] = earliest
    return begin


def pieces_of(partition: int, end: int, reach: Reach, door: str, *, accept_gaps: bool = False) -> list[Piece] | str:
    """How rows before offset `end` are read: archive below, Kafka above a seam. A text says what is gone.

    `auto` takes Kafka alone when it still has all that is needed. What the archive does not know may hold anything.
    """
    earliest, latest = reach.kafka
    if latest < end:
        return f"the topic ends at offset {latest}, the join had read up to {end}: it was recreated"
    if reach.archived is None:
        if earliest > 0 and not accept_gaps:
            return f"offsets 0 to {min(earliest, end) - 1} are gone from the topic, and the archive has none"
        return _whole([Piece("kafka", partition, earliest, end)])
    first, archived_to = reach.archived[0], min(reach.archived[1], end)
    if first > 0 and earliest > 0 and not reach.reaches_back and not accept_gaps:
        return f"offsets before {min(first, earliest)} are gone from both, and may still matter"
    start = archived_to if reach.needed is None else min(reach.needed, archived_to)
    if earliest < first and not reach.reaches_back:
        start = min(start, earliest)
    if door == "kafka" or (door == "auto" and earliest <= start):
        if earliest > start and not accept_gaps:
            return f"offsets {start} to {min(earliest, end) - 1} are gone from the topic; the archive has them"
        return _whole([Piece("kafka", partition, max(start, earliest), end)])
    if archived_to < end and earliest > archived_to and not accept_gaps:
        return f"offsets {archived_to} to {min(earliest, end) - 1} are gone from the topic, and not yet in the archive"
    return _whole(
        [
            Piece("kafka", partition, start, min(first, end)),
            Piece("archive", partition, max(start, first), archived_to),
            Piece("kafka", partition, max(archived_to, earliest), end),
        ]
    )


def _whole(pieces: list[Piece]) -> list[Piece]:
    return [piece for piece in pieces if piece.start < piece.end]


def _plan_source(
    past: Past,
    lake: Lake,
    contract: Contract,
    kafka: Mapping[str, str],
    ids: Ids,
    side: str,
    name: str,
    since_us: int,
    ends: Mapping[str, int],
    door: str,
    accept_gaps: bool,
) -> SourcePlan:
    source = contract.sources[name]
    snapshot_id = _index(past, lake, source.archive, side)
    earliest, latest = topics.reach(kafka, source.topic, ids)
    pieces: list[Piece] = []
    for partition, end in sorted((int(p), end) for p, end in ends.items() if end > 0):
        # Of a topic that was deleted Kafka holds nothing, up to where it was read.
        nothing = 0 if in_topic(partition, len(ids) - 1) is not None else end
        held = (earliest.get(partition, nothing), latest.get(partition, nothing))
        reach = _reach(past, side, partition, end, since_us, held)
        found = pieces_of(partition, end, reach, door, accept_gaps=accept_gaps)
        if isinstance(found, str):
            raise IncompleteError(
                f"{source.topic} partition {partition}: {found}",
                where=source.archive,
                next_step=_without_them(contract, door),
            )
        pieces += found
    _refuse_unrecorded(past, name, pieces)
    if not accept_gaps:
        _refuse_holes(past, kafka, side, contract, source, pieces, ids)
    rows, late = _count(past, side, since_us, pieces)
    return SourcePlan(name, source.topic, source.archive, snapshot_id, since_us, tuple(pieces), rows, late, ids)


def _without_them(contract: Contract, door: str) -> str:
    other = "" if door == "auto" else "leave out --source, or "
    accept = "add --accept-gaps if such old records cannot matter; what they would have matched is then lost"
    return other + way_on(contract, accept)


def _index(past: Past, lake: Lake, table: str, side: str) -> int | None:
    """Make the view `<side>_index` (partition, offset, event_time) over an archive; its snapshot."""
    from plumbline.connect.pinned import scan

    columns = ["partition", "offset", "event_time"]
    if lake.exists(table):
        return scan(past.con, lake, table, view=f"{side}_index", columns=columns, schema="archive").snapshot_id
    past.con.execute(
        f"""
        CREATE OR REPLACE VIEW {side}_index AS
        SELECT NULL::INTEGER AS partition, NULL::BIGINT AS "offset", NULL::TIMESTAMPTZ AS event_time WHERE false
        """
    )
    return None


def _reach(past: Past, side: str, partition: int, end: int, since_us: int, kafka: tuple[int, int]) -> Reach:
    found = past.con.execute(
        f"""
        SELECT min("offset"), max("offset") + 1, min("offset") FILTER (epoch_us(event_time) >= ? AND "offset" < ?),
            coalesce(bool_or(epoch_us(event_time) < ?), false)
        FROM {side}_index WHERE partition = ?
        """,
        [since_us, end, since_us, partition],
    ).fetchone()
    first, archived_to, needed, reaches_back = found or (None, None, None, False)
    archived = None if first is None else (int(first), int(archived_to))
    return Reach(archived, needed, kafka, bool(reaches_back))


def _refuse_unrecorded(past: Past, name: str, pieces: list[Piece]) -> None:
    """Raise IncompleteError when rows are needed from before the first epoch that any ledger knows: an earlier life."""
    found = past.con.execute(
        f"SELECT partition, min(start_offset) FROM {LEDGER} WHERE source = ? GROUP BY partition", [name]
    ).fetchall()
    begun = {int(partition): int(offset) for partition, offset in found}
    for piece in pieces:
        if piece.start < begun.get(piece.partition, 0):
            raise IncompleteError(
                f"the ledger begins at offset {begun[piece.partition]} of partition {piece.partition} of {name!r}, "
                f"and records from {piece.start} on may be in state",
                where=EPOCHS,
                next_step="restore the table from a backup: only it records what an earlier checkpoint dropped",
            )


def _refuse_holes(
    past: Past,
    kafka: Mapping[str, str],
    side: str,
    contract: Contract,
    source: Source,
    pieces: list[Piece],
    ids: Ids,
) -> None:
    """Raise IncompleteError for needed offsets that the archive lacks, unless the topic shows no record there either:
    the ends of transactions and aborted records take offsets too."""
    from plumbline.connect.kafka import compacted, earliest_offsets
    from plumbline.connect.kafka_read import Reader

    faults = needs.archive_faults(past.con, f"{side}_index")
    holes = [
        (p.partition, max(p.start, fault.run.start), min(p.end, fault.run.end))
        for p in pieces
        if p.door == "archive"
        for fault in faults.get(p.partition, ())
        if not fault.run.copies
    ]
    holes = [hole for hole in holes if hole[1] < hole[2]]
    if holes and not compacted(kafka, source.topic):
        begun = earliest_offsets(kafka, source.topic)
        with Reader(kafka) as reader:
            there = {partition: in_topic(partition, max(0, len(ids) - 1)) for partition, _, _ in holes}
            holes = [
                (partition, start, end)
                for partition, start, end in holes
                if (now := there[partition]) is None
                or start < begun.get(now, 0)
                or reader.shows(source.topic, now, start, end)
            ]
    for partition, start, end in holes:
        raise IncompleteError(
            f"the archive lacks offsets {start} to {end - 1} of partition {partition}",
            where=source.archive,
            next_step="use --source kafka if the topic still has them, or "
            + way_on(contract, "--accept-gaps if it never had"),
        )


def _count(past: Past, side: str, since_us: int, pieces: list[Piece]) -> tuple[int | None, int | None]:
    """Rows that matter in the pieces and how many of them were late, by the archive's index; None beyond it."""
    rows, late = 0, 0
    was_late = late_sql(judged_us(past.pins.contract, side, "epoch_us(event_time)"), "late_watermark_ms")
    for piece in pieces:
        found = past.con.execute(
            f"""
            SELECT coalesce(max("offset") + 1 >= ?, false) AND min("offset") <= ?,
                count(*) FILTER (WHERE event_time >= make_timestamptz(?::BIGINT)),
                count(*) FILTER (WHERE {was_late} AND i."offset" < end_offset
                    AND event_time >= make_timestamptz(?::BIGINT))
            FROM {side}_index i
            ASOF LEFT JOIN (SELECT * FROM epoch_spans WHERE side = '{side}') s
                ON s.partition = i.partition AND i."offset" >= s.start_offset
            WHERE i.partition = ? AND i."offset" >= ? AND i."offset" < ?
            """,
            [piece.end, piece.start, since_us, since_us, piece.partition, piece.start, piece.end],
        ).fetchone()
        if found is None or not found[0]:
            return None, None
        rows, late = rows + int(found[1]), late + int(found[2])
    return rows, late


def reach(plan: SourcePlan) -> TimeRange:
    """The event times that a plan reads."""
    return TimeRange(start=from_micros(plan.since_us)) if plan.since_us > 0 else TimeRange()
