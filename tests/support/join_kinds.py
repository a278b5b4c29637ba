"""A small world of any kind of join: unmatched right events have rows too, by the rules in join_model.py."""

from __future__ import annotations

from typing import Any

from tests.support.join_model import Join, is_closed
from tests.support.world import World
from tests.support.world_rows import MINUTE_MS, WITHIN, Record, Row


class RightAlone(Row):
    """The row of a right event without a match: its key and its time are those of the right one."""

    @classmethod
    def of(cls, right: Record) -> RightAlone:
        return cls(right, right)

    def values(self) -> dict[str, Any]:
        return super().values() | {"title": None, "_left_partition": None, "_left_offset": None}


def right_is_closed(world: World, right: Record) -> bool:
    """No left event at or before it can come in time any more."""
    return is_closed(right.us, world.watermark_ms, 0)


def join_all(world: World) -> World:
    """Fill batch and stream of a played world by the kind of its contract's join."""
    keeps_left = world.contract.join.kind in ("left_outer", "full_outer")
    keeps_right = world.contract.join.kind in ("right_outer", "full_outer")
    read = [one for one in world.records if one.name in world.read_in and one.name not in world.late]
    world.batch = _rows(world.records, Join(_match, lambda left: keeps_left, lambda right: keeps_right))
    world.stream = _rows(
        read,
        Join(
            _match,
            lambda left: keeps_left and world.is_closed(left),
            lambda right: keeps_right and right_is_closed(world, right),
        ),
    )
    return world


def _match(left: Record, right: Record) -> bool:
    return right.show == left.show and 0 <= right.us - left.us <= WITHIN * MINUTE_MS * 1_000


def _rows(records: list[Record], join: Join[Record]) -> list[Row]:
    lefts, rights = ([one for one in records if one.side == side] for side in ("left", "right"))
    found = []
    for left, right in join.of(lefts, rights):
        if left is not None:
            found.append(Row(left, right))
        elif right is not None:
            found.append(RightAlone.of(right))
    return found
