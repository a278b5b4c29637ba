"""Records that the stream has in its join and of which the batch knows no row: rows of theirs may stand among others.

They came after the batch run, or a reference of a team's own left them out. A record that the batch run has seen, and
whose kind has no unmatched row, may have no row at all: where it saw every partner that the stream has read, it is not
unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.archives import scan_archive
from plumbline.connect.json_fields import readable
from plumbline.connect.sql_quoting import text
from plumbline.contract.archive_columns import archives_of_theirs
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.evidence.batch_visibility import note_unmatched
from plumbline.reconcile.evidence.implied_candidates import is_text, spelled
from plumbline.reconcile.relations.implied import GROUPS, UNKNOWN, UNKNOWN_KEYS, UNKNOWN_RECORDS, UNKNOWN_VALUES
from plumbline.reconcile.relations.inputs import ARCHIVES, COPIES
from plumbline.reconcile.relations.judge import FATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plumbline.reconcile.inputs.pinned_views import Pins


def fill_unknown(pins: Pins, key: Sequence[str], *, timed: bool) -> None:
    """Fill UNKNOWN: those of GROUPS that may have rows of an unknown record.

    A group is the values of the columns `key`, and a time; a stream table that is not `timed` has none.
    """
    UNKNOWN.fill(pins.con, UNKNOWN.nothing)
    join = pins.contract.join
    for side in SIDES if join.keeps_right else ("left",):  # else all rows are those of left records
        found = UNKNOWN_RECORDS[side].fill(pins.con, _unknown(pins, side, timed=timed))
        if not found.any(pins.con):
            continue
        rest = f"(FROM {found})"
        if side == "left" and not join.keeps_left:
            alone = note_unmatched(pins, found)
            same = 'a.partition = u.partition AND a."offset" = u."offset"'
            rest = f"(SELECT u.* FROM {found} u ANTI JOIN {alone} a ON {same})"
        UNKNOWN.add(pins.con, _of_times(rest) if timed else _of_keys(pins, side, key, rest))


def _unknown(pins: Pins, side: str, *, timed: bool) -> str:
    """The records of one side of the groups' times that are in the stream's join and have no row in the batch."""
    wanted = f"epoch_ms(event_time)::VARCHAR IN (SELECT plumbline_group[-1] FROM {GROUPS})" if timed else "true"
    return f"""
        SELECT DISTINCT event_time, partition, "offset" FROM (
            SELECT event_time, coalesce(first_partition, a.partition) AS partition,
                coalesce(first_offset, a."offset") AS "offset"
            FROM {ARCHIVES[side]} a
            LEFT JOIN {COPIES[side]} c ON c.partition = a.partition AND c."offset" = a."offset"
            WHERE {wanted}
        ) r
        ANTI JOIN {FATE[side]} f ON f.partition = r.partition AND f."offset" = r."offset"
        ANTI JOIN {pins.around(pins.batch)} b ON b._{side}_partition = r.partition AND b._{side}_offset = r."offset"
    """


def _of_times(records: str) -> str:
    """The groups of the records' times."""
    times = f"SELECT epoch_ms(event_time)::VARCHAR FROM {records}"
    return f"SELECT plumbline_group FROM {GROUPS} WHERE plumbline_group[-1] IN ({times})"


def _of_keys(pins: Pins, side: str, key: Sequence[str], records: str) -> str:
    """The groups of the records' keys, where the archive tells these; else all."""
    fields = _fields(pins, side, key)
    source = pins.contract.source_of(side)
    snapshot = pins.snapshots[source.archive]
    if fields is None or snapshot is None:
        return f"SELECT plumbline_group FROM {GROUPS} WHERE EXISTS {records}"
    view = UNKNOWN_VALUES[side]
    scan_archive(
        pins.con, pins.lake, source, snapshot, view=view.name, columns=("topic", "partition", "offset", "value")
    )
    told = ", ".join("NULL::VARCHAR" if field is None else spelled(source, field) for field in fields)
    lacks = " OR ".join(["false", *(f"{spelled(source, field)} IS NULL" for field in fields if field is not None)])
    keys = UNKNOWN_KEYS[side].fill(
        pins.con,
        f"""
        SELECT [{told}{", " if told else ""}NULL::VARCHAR] AS plumbline_group, {lacks} AS untold
        FROM (SELECT partition, "offset", TRY(decode(value)) AS value FROM {view} WHERE topic = {text(source.topic)}) a
        SEMI JOIN {records} u ON u.partition = a.partition AND u."offset" = a."offset"
        """,
    )
    return f"""
        SELECT g.plumbline_group FROM {GROUPS} g SEMI JOIN {keys} k ON k.plumbline_group = g.plumbline_group
        UNION SELECT plumbline_group FROM {GROUPS} WHERE (SELECT bool_or(untold) FROM {keys})
    """


def _fields(pins: Pins, side: str, key: Sequence[str]) -> list[str | None] | None:
    """The record's field behind each column of the key, None where its unmatched row has none; None where the archive
    does not tell them."""
    source, other = pins.contract.left, pins.contract.join.pairs
    if side == "right":
        source = pins.contract.right
    found: list[str | None] = []
    for column in (c for name in key for c in pins.contract.output_columns if c.name == name):
        field = column.field
        if side == "right":
            field = next(
                (right for left, right in other if column.sql is not None and column.field in (left, right)), None
            )
        found.append(field)
    ours = readable(source) and not archives_of_theirs(pins.contract)
    return found if ours and all(field is None or is_text(source, field) for field in found) else None
