"""Plain Python of a streamed aggregate: late rows at the join and at the windows behind it, over restarts.

Which offsets each batch read is taken from the job's checkpoint; all else is by the rules in `join_model.py`. Orders
with their payments of the next hour, in windows of ten minutes per shop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import fsum
from typing import Any

from tests.support.aggregates import VALUES, WINDOW, begun, numbers
from tests.support.foreign_job import DELAY_MS, HOUR_MS, Place
from tests.support.join_model import is_closed, is_late, next_watermark
from tests.support.model import Placed, Row

Key = tuple[datetime, str]
Pair = tuple[Placed, Placed | None]
WEIGHT = {"weight": "sum(orders.amount / 3)"}
"""A sum of floating-point numbers, which hangs on the order of the rows."""


@dataclass
class Played:
    """What the batches did: late records, the batch that read each other one, and the watermark that evicted in each
    (ms)."""

    late: set[tuple[str, Place]] = field(default_factory=set)
    read_in: dict[tuple[str, Place], int] = field(default_factory=dict)
    evict_ms: list[int] = field(default_factory=list)

    @property
    def behind_ms(self) -> list[int]:
        """The watermark behind the join in each batch: what has left the state of both sides."""
        return [ms - HOUR_MS - 1 for ms in self.evict_ms]


@dataclass(frozen=True)
class Modelled:
    """The lines that the stream has, those of all records, the causes of those that differ in a closed window, and how
    many rows came behind the windows' clock."""

    stream: dict[Key, dict[str, Any]]
    batch: dict[Key, dict[str, Any]]
    causes: dict[Key, str]
    late_rows: int


def play(
    placed: Mapping[str, Sequence[Placed]], read: Sequence[Sequence[Mapping[str, int]]], restarts: Sequence[int]
) -> Played:
    """Play the batches; `restarts` are the first batches of later starts: what was newest is forgotten there."""
    played = Played()
    us = {(side, (one.partition, one.offset)): one.event.us or 0 for side in placed for one in placed[side]}
    reached: dict[str, dict[str, int]] = {side: {} for side in placed}
    newest: dict[str, int | None] = dict.fromkeys(placed)
    late_ms = evict_ms = 0
    for number, ends in enumerate(read):
        late_ms = evict_ms
        evict_ms = next_watermark(evict_ms, newest.values(), [DELAY_MS] * 2)
        played.evict_ms.append(evict_ms)
        if number in restarts:
            newest = dict.fromkeys(placed)
        for side, end in zip(placed, ends, strict=True):
            for partition, offset in end.items():
                for at in range(reached[side].get(partition, 0), offset):
                    name = (side, (int(partition), at))
                    newest[side] = max(newest[side] or 0, us[name] // 1000)
                    if is_late(us[name], late_ms):
                        played.late.add(name)
                    else:
                        played.read_in[name] = number
            reached[side] |= end
    return played


def modelled(placed: Mapping[str, Sequence[Placed]], played: Played) -> Modelled:
    """Both tables by what was played."""
    came, whole, lost = defaultdict(list), defaultdict(list), defaultdict(set)
    late_rows = 0
    payments: defaultdict[str | None, list[Placed]] = defaultdict(list)
    for one in placed["right"]:
        payments[one.event.id].append(one)
    for order in placed["left"]:
        us = order.event.us or 0
        mine = [one for one in payments[order.event.id] if 0 <= (one.event.us or 0) - us <= HOUR_MS * 1000]
        key = (begun(_moment(order)), order.event.shop)
        rows, causes = _streamed(played, order, mine)
        for number, row in rows:
            behind = number > 0 and us <= played.behind_ms[number - 1] * 1000
            late_rows += behind
            if not behind:
                came[key].append(row)
        whole[key] += [(order, one) for one in mine] or [(order, None)]
        lost[key] |= causes
    ended_ms = played.behind_ms[-1]
    closed = {key for key in whole if (key[0] + WINDOW).timestamp() * 1000 <= ended_ms}
    stream = {key: _line(key, came[key]) for key in closed if came[key]}
    batch = {key: _line(key, rows) for key, rows in whole.items()}
    causes = {key: min(lost[key]) for key in closed if stream.get(key) != batch[key]}
    return Modelled(stream, batch, causes, late_rows)


def _streamed(played: Played, order: Placed, mine: Sequence[Placed]) -> tuple[list[tuple[int, Pair]], set[str]]:
    """The rows that the join gives of an order, each with its batch, and why it does not give others."""
    left = played.read_in.get(("left", (order.partition, order.offset)))
    if left is None:
        return [], {"late_left"}
    rows: list[tuple[int, Pair]] = []
    causes: set[str] = set()
    for one in mine:
        right = played.read_in.get(("right", (one.partition, one.offset)))
        if right is None:
            causes.add("late_right")
        else:
            rows.append((max(left, right), (order, one)))
    if not rows:
        us = order.event.us or 0
        closes = (n for n in range(left, len(played.evict_ms)) if is_closed(us, played.evict_ms[n], HOUR_MS))
        number = next(closes, None)
        rows += [] if number is None else [(number, (order, None))]
    return rows, causes


def _moment(order: Placed) -> datetime:
    assert order.event.at is not None
    return order.event.at


def _line(key: Key, rows: Sequence[Pair]) -> dict[str, Any]:
    made = [_row(order, payment) for order, payment in rows]
    thirds = [(row.amount or 0) / 3 for row in made]
    named = {"window_start": key[0], "window_end": key[0] + WINDOW, "shop": key[1]}
    return {**named, **numbers(made), "weight": fsum(thirds), "rows": len(rows)}


def _row(order: Placed, payment: Placed | None) -> Row:
    paid = None if payment is None else payment.event
    return Row(
        order.event.id, order.event.called, order.event.amount, paid and paid.called, paid and paid.amount,
        _moment(order), (order.partition, order.offset), (payment and payment.partition, payment and payment.offset),
    )  # fmt: skip


def is_line(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a table's line is the model's: all numbers equal, the floating-point sum within what any order of adding
    up makes of it."""
    exact = ("window_start", "window_end", "shop", *VALUES)
    bound = 2 * max(1, wanted["rows"] - 1) * 2.0**-53 * abs(wanted["weight"])
    return all(held[name] == wanted[name] for name in exact) and abs(held["weight"] - wanted["weight"]) <= bound
