"""What the stream rows that do not name their records can have been made from, as the archive tells it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.reconcile.evidence.archive_whole import is_whole
from plumbline.reconcile.evidence.implied_candidates import can_tell
from plumbline.reconcile.evidence.implied_lineage import choices, numbered, with_implied
from plumbline.reconcile.explain.story import UNTOLD, made_from
from plumbline.reconcile.relations.implied import NAMED, NAMED_DELIVERIES

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.pinned_views import Pins

SHOWN = 5
"""Choices of records that a story lists of one row."""


@dataclass(frozen=True)
class Implied:
    """`pins` with the rows named whose records the archive implies, `rows` the SQL of the stream's rows with
    `plumbline_row`, and what is said of each such row."""

    pins: Pins
    rows: str
    made: Mapping[int, str]


def find_implied(pins: Pins) -> Implied:
    """What the archive tells of every row of the stream's view, whether or not it differs. For when the findings are
    made: it looks anew for the records behind rows."""
    untold = f"SELECT *, NULL::BIGINT AS plumbline_row FROM {pins.stream}"
    unnamed = "_left_offset IS NULL AND _right_offset IS NULL"
    if pins.contract.job is None or not can_tell(pins) or not pins.stream.any(pins.con, unnamed):
        return Implied(pins, untold, {})
    named = with_implied(pins, every=True)
    return Implied(named, numbered(pins, pins.stream), _made(pins))


def _made(pins: Pins) -> dict[int, str]:
    places = "plumbline_row, _left_partition, _left_offset, _right_partition, _right_offset"
    found = defaultdict(list)
    order = "rank, _left_partition, _left_offset, _right_partition NULLS LAST, _right_offset"
    for row, *place in pins.con.execute(f"SELECT {places} FROM ({choices()}) ORDER BY {order}").fetchall():
        found[row].append(_made_from(pins, *place))
    sure = {}
    if NAMED.any(pins.con):
        for row, *place in pins.con.execute(f"SELECT {places} FROM {NAMED_DELIVERIES}").fetchall():
            sure[row] = _made_from(pins, *place)
    lacking = "" if is_whole(pins) else ", but the archive may lack some that the stream read"
    none = f"{UNTOLD}: no archived records can make it{lacking}"
    told: dict[int, str] = defaultdict(lambda: none)
    told |= {row: f"{UNTOLD}: {_listed(every)}" for row, every in found.items()}
    return told | {
        row: f"{made} (implied: no other archived records can make it{lacking})" for row, made in sure.items()
    }


def _listed(every: list[str]) -> str:
    more = f"; {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return f"{len(every)} choices of archived records can make it ({'; '.join(every[:SHOWN])}{more})"


def _made_from(
    pins: Pins, left_partition: int, left_offset: int, right_partition: int | None, right_offset: int | None
) -> str:
    join = pins.contract.join
    right = None if right_offset is None else f"{join.right} {right_partition}:{right_offset}"
    return made_from(f"{join.left} {left_partition}:{left_offset}", right)
