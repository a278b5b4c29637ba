"""Rows of a job's own table that no observed epoch wrote, where its commits name no epoch, as those of `foreachBatch`.

They are held back from the comparison, and counted with what has to be observed to judge them. A row that names an
offset which its topic does not hold is compared all the same: no epoch can ever have read that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from plumbline.connect.archives import scan_archive
from plumbline.contract.errors import SetupError
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, OTHER, REPLAY_ID, SIDES
from plumbline.contract.ranges import from_micros, spell_time
from plumbline.reconcile.inputs.observed import epochs_of_commits, told_by_rows
from plumbline.reconcile.inputs.pinned_views import Pins, output_rows
from plumbline.reconcile.relations.inputs import NEWEST_ARCHIVED, READ, UNOBSERVED

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.contract.model import Contract
    from plumbline.reconcile.inputs.epoch_spans import Progress
    from plumbline.reconcile.judge.document_types import Unobserved

TopicEnds = Callable[[str], Mapping[int, int] | None]
"""Topic to `{partition: offset that its next record will get}`; None where no broker answers."""
ASK_SECONDS = 2.0


def of_seen_epochs(pins: Pins, progress: Progress, topic_ends: TopicEnds) -> str:
    """SQL over rows of the stream table whose commits name no epoch: the row is compared, since an epoch of the ledger
    wrote it, or none can have. Fills UNOBSERVED with the others.

    A match is written with the later of its two records, an unmatched row when its window is closed: so each row tells
    its epoch. Empty where commits do, or no ledger is used. READ must be filled.
    """
    UNOBSERVED.fill(pins.con, UNOBSERVED.nothing)
    table = pins.contract.output.stream_table
    if progress.last_epoch is None or not told_by_rows(pins.contract):
        return ""
    if next(epochs_of_commits(pins.lake.load(table), pins.snapshots[table]), None) is not None:
        return ""
    later = f"coalesce({REPLAY_ID} IS NULL AND ({' OR '.join(_later(progress))}), false)"
    rows = output_rows(pins, UNOBSERVED, table, pins.read)
    UNOBSERVED.fill(pins.con, f"SELECT {', '.join((EVENT_TIME, *COORDINATES))} FROM ({rows}) WHERE {later}")
    beyond = " OR ".join(each for side in SIDES for each in _beyond(pins, side, topic_ends)) or "false"
    UNOBSERVED.fill(pins.con, f"FROM {UNOBSERVED} WHERE NOT coalesce({beyond}, false)")
    return f"NOT {later} OR coalesce({beyond}, false)"


def unobserved(pins: Pins, progress: Progress) -> Unobserved | None:
    """What was held back, as the document has it; None where nothing was."""
    [(rows, open_us)] = pins.con.execute(
        f"SELECT count(*), epoch_us(max({EVENT_TIME}) FILTER ({' OR '.join(_still_open(progress))})) FROM {UNOBSERVED}"
    ).fetchall()
    if not rows or progress.last_epoch is None:
        return None
    names = {"left": pins.contract.join.left, "right": pins.contract.join.right}
    return {
        "rows": int(rows),
        "last_epoch": progress.last_epoch,
        "offsets": [
            {"source": names[side], "partition": partition, "observed": observed, "needed": newest + 1}
            for side in SIDES
            for partition, observed, newest in _unread(pins, side)
        ],
        "closed_until": None if open_us is None else spell_time(from_micros(open_us)),
    }


def held_back(pins: Pins, condition: str) -> list[tuple[str | None, str | None]]:
    """The records (`source partition:offset`; left, right) of each row that was held back and fulfils a condition."""
    if not pins.seen:
        return []
    join, rows = pins.contract.join, output_rows(pins, UNOBSERVED, pins.contract.output.stream_table, pins.read)
    left, right = (
        f"'{name} ' || _{side}_partition || ':' || _{side}_offset"
        for side, name in zip(SIDES, (join.left, join.right), strict=True)
    )
    return pins.con.execute(
        f"SELECT {left}, {right} FROM ({rows}) WHERE ({condition}) AND NOT ({pins.seen}) ORDER BY ALL"
    ).fetchall()


def ends_of_topics(contract: Contract, home: Home) -> TopicEnds:
    """Asks the contract's broker, where one answers at once; looks for it only when it is asked for."""

    def ask(topic: str) -> Mapping[int, int] | None:
        from plumbline.connect import broker
        from plumbline.connect.kafka import end_offsets
        from plumbline.connect.kafka_config import ISOLATION, READ_UNCOMMITTED
        from plumbline.connect.kafka_topics import topic_ids

        there = None if contract.kafka else broker.status(home)
        kafka = dict(contract.kafka or ({"bootstrap.servers": there.bootstrap_servers} if there else {}))
        try:
            if not kafka or topic not in topic_ids(kafka, [topic], ASK_SECONDS):
                return None
            return end_offsets({**kafka, ISOLATION: READ_UNCOMMITTED}, topic)
        except SetupError:
            return None

    return ask


def _later(progress: Progress) -> list[str]:
    """SQL: what only an epoch after the ledger's newest can have written."""
    return [*map(_not_read, SIDES), *_still_open(progress)]


def _not_read(side: str) -> str:
    return f"""(_{side}_offset IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM {READ} n WHERE n.side = '{side}' AND n.partition = _{side}_partition
            AND n.end_offset > _{side}_offset))"""


def _still_open(progress: Progress) -> list[str]:
    closed = {"left": progress.closed_until_us, "right": progress.right_closed_until_us}
    return [
        f"(_{side}_offset IS NOT NULL AND _{OTHER[side]}_offset IS NULL AND epoch_us({EVENT_TIME}) > {us})"
        for side, us in closed.items()
        if us is not None
    ] or ["false"]


def _unread(pins: Pins, side: str) -> list[tuple[int, int, int]]:
    """(partition, first offset that was not observed, newest offset that rows of UNOBSERVED name)"""
    return pins.con.execute(
        f"""
        SELECT _{side}_partition, coalesce(any_value(end_offset), 0), max(_{side}_offset) FROM {UNOBSERVED}
        LEFT JOIN {READ} n ON n.side = '{side}' AND n.partition = _{side}_partition
        WHERE {_not_read(side)} GROUP BY 1 ORDER BY 1
        """
    ).fetchall()


def _beyond(pins: Pins, side: str, topic_ends: TopicEnds) -> list[str]:
    """SQL: the row names an offset behind its topic's end. The topic is asked of what the archive does not have."""
    source = pins.contract.source_of(side)
    unread = _unread(pins, side)
    archived = _newest_archived(pins, side) if unread else {}
    if all(newest <= archived.get(partition, -1) for partition, _, newest in unread):
        return []
    told = topic_ends(source.topic)
    if told is None:
        return []
    ends = {partition: max(told.get(partition, 0), archived.get(partition, -1) + 1) for partition, _, _ in unread}
    return [
        f"(_{side}_partition = {partition} AND _{side}_offset >= {ends[partition]})"
        for partition, _, newest in unread
        if newest >= ends[partition]
    ]


def _newest_archived(pins: Pins, side: str) -> dict[int, int]:
    source = pins.contract.source_of(side)
    snapshot, view = pins.snapshots[source.archive], NEWEST_ARCHIVED[side].pinned.name
    if snapshot is None:
        return {}
    scan_archive(pins.con, pins.lake, source, snapshot, view=view, columns=("partition", "offset"))
    return dict(pins.con.execute(f'SELECT partition, max("offset") FROM {view} GROUP BY 1').fetchall())
