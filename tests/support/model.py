"""The events of a job, and what the streaming join makes of them by the rules in `join_model.py`.

It shares nothing with the jobs but the ledger's numbers.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from plumbline.contract.model import Contract
from plumbline.stream_job.ledger import Epoch
from tests.support.join_model import Join, is_closed, is_late, next_watermark

START = datetime(2024, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """An event of either side.

    `minute` is its event time since START (None: it has none). `raw` replaces its JSON; empty, the record has no value.
    `poison` is the reason of quarantine that a `raw` value must be given. `headers` are the record's.
    """

    id: str | None
    minute: float | None
    name: str = ""
    shop: str = "s1"
    amount: float | None = 1.0
    partition: int = 0
    raw: bytes | None = None
    poison: str | None = None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def reason(self) -> str | None:
        """Why it cannot enter the join; None when it can."""
        if self.poison or self.raw is not None:
            return self.poison
        return "null_event_time" if self.minute is None else "null_key" if self.id is None else None

    @property
    def enters(self) -> bool:
        return self.reason is None and self.minute is not None

    @property
    def called(self) -> str:
        return self.name or str(self.id)

    @property
    def at(self) -> datetime | None:
        return None if self.minute is None else START + timedelta(minutes=self.minute)

    @property
    def us(self) -> int | None:
        return None if self.at is None else (self.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    def value(self, side: str) -> bytes | None:
        """The record's value on side `left` or `right`."""
        if self.raw is not None:
            return self.raw or None
        time, name, number = ("at", "label", "amount") if side == "left" else ("paid_at", "payment", "paid")
        moment = self.at and self.at.isoformat()
        return json.dumps(
            {"id": self.id, "shop": self.shop, time: moment, name: self.called, number: self.amount}
        ).encode()


@dataclass(frozen=True)
class Placed:
    """An event and where it lies in its topic."""

    event: Event
    partition: int
    offset: int


@dataclass(frozen=True)
class Row:
    """An output row: what both tables hold, without the replay id."""

    id: str | None
    label: str | None
    amount: float | None
    payment: str | None
    paid: float | None
    at: datetime
    left: tuple[int | None, int | None]
    right: tuple[int | None, int | None]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Row:
        """A row as PyIceberg gives it; columns that a contract leaves out are None."""
        left, right = ((row[f"_{side}_partition"], row[f"_{side}_offset"]) for side in ("left", "right"))
        values = (row.get(name) for name in ("id", "label", "amount", "payment", "paid"))
        id, label, amount, payment, paid = values
        return cls(id, label, amount, payment, paid, row["_event_time"], left, right)

    def place(self) -> tuple[int, ...]:
        """A total order by lineage; unmatched rows first."""
        return tuple(-1 if part is None else part for part in (*self.left, *self.right))

    def named(self) -> str:
        return "+".join(name for name in (self.label, self.payment) if name is not None)


@dataclass(frozen=True)
class Outcome:
    """Rows in the order of their lineage, and the names of the late events, sorted."""

    rows: list[Row]
    late: list[str]


def named(rows: Sequence[Row]) -> list[str]:
    """The rows spelled by the names of their events, sorted."""
    return sorted(row.named() for row in rows)


def ledger_outcome(contract: Contract, placed: Mapping[str, Sequence[Placed]], epochs: Sequence[Epoch]) -> Outcome:
    """What the stream holds after these epochs."""
    admitted: dict[str, list[Placed]] = {"left": [], "right": []}
    late = []
    topics = {side: _by_partition(placed[side]) for side in placed}
    for epoch in epochs:
        for side, start, end in zip(admitted, epoch.start, epoch.end, strict=True):
            for one in _read_between(topics[side], start, end):
                us = one.event.us if one.event.enters else None
                if us is None:
                    continue
                if is_late(us, epoch.late_watermark_ms):
                    late.append(one.event.called)
                else:
                    admitted[side].append(one)
    closed_ms = epochs[-1].evict_watermark_ms if epochs else 0
    first = {side: first_deliveries(contract, side, placed[side]) for side in placed}
    admitted = {side: [replaced(one, first[side]) for one in taken] for side, taken in admitted.items()}
    return Outcome(joined(contract, admitted["left"], admitted["right"], closed_ms), sorted(late))


def _by_partition(placed: Sequence[Placed]) -> dict[int, list[Placed]]:
    """The events of each partition in the order of their offsets."""
    found: defaultdict[int, list[Placed]] = defaultdict(list)
    for one in sorted(placed, key=lambda one: one.offset):
        found[one.partition].append(one)
    return found


def _read_between(
    topic: Mapping[int, Sequence[Placed]], start: Mapping[str, int], end: Mapping[str, int]
) -> Iterator[Placed]:
    """The events from `start` on and before `end`, by partition."""
    for partition, events in topic.items():
        ends = (bound.get(str(partition), 0) for bound in (start, end))
        first, last = (bisect_left(events, at, key=lambda one: one.offset) for at in ends)
        yield from events[first:last]


def simulated(
    contract: Contract,
    placed: Mapping[str, Sequence[Placed]],
    epochs: Sequence[Mapping[str, Any]],
    begins: Mapping[str, Mapping[int, int]],
    places: Sequence[int] | None = None,
) -> list[Row]:
    """What Spark makes of these epochs alone: the watermarks from their own rows, then the join.

    `epochs` as a plan has them: `restart`, and `ends` by source and partition; `begins` are the first offsets. With
    `places` the rows of each epoch are played at that place instead of its own.
    """
    read = list(_read(placed, epochs, begins))
    played = [read[n] for n in sorted(range(len(read)), key=places.__getitem__)] if places else read
    newest: dict[str, int | None] = {"left": None, "right": None}
    admitted: dict[str, list[Placed]] = {"left": [], "right": []}
    evict_ms = late_ms = 0
    for epoch, came in zip(epochs, played, strict=True):
        late_ms, evict_ms = evict_ms, _moved(contract, evict_ms, newest)
        if epoch["restart"]:
            newest = {"left": None, "right": None}
        for side, one in came:
            us = one.event.us or 0
            newest[side] = max(newest[side] or 0, us // 1000)
            if not is_late(us, late_ms):
                admitted[side].append(one)
    return joined(contract, admitted["left"], admitted["right"], evict_ms)


def _read(
    placed: Mapping[str, Sequence[Placed]],
    epochs: Sequence[Mapping[str, Any]],
    begins: Mapping[str, Mapping[int, int]],
) -> Iterator[list[tuple[str, Placed]]]:
    """What each epoch reads, with the side."""
    names = dict(zip(("left", "right"), begins, strict=True))
    reached = {side: dict(begins[name]) for side, name in names.items()}
    for epoch in epochs:
        ends = {side: {int(p): end for p, end in epoch["ends"][name].items()} for side, name in names.items()}
        yield [
            (side, one)
            for side, seen in reached.items()
            for one in placed[side]
            if seen.get(one.partition, 0) <= one.offset < ends[side].get(one.partition, 0) and one.event.us is not None
        ]
        for side, seen in reached.items():
            seen |= ends[side]


def _moved(contract: Contract, watermark_ms: int, newest: Mapping[str, int | None]) -> int:
    """The watermark after an epoch, by the newest event time (ms) of each side since the start of the job."""
    delays = [source.watermark // timedelta(milliseconds=1) for source in (contract.left, contract.right)]
    return next_watermark(watermark_ms, newest.values(), delays)


def joined(contract: Contract, lefts: Sequence[Placed], rights: Sequence[Placed], closed_ms: int | None) -> list[Row]:
    """The join of these events; unmatched rows only of windows closed at `closed_ms` (None: all of them)."""
    low, high = (bound // timedelta(microseconds=1) for bound in contract.join.within)
    by_shop = len(contract.join.pairs) == 2
    kind = contract.join.kind

    def matches(left: Placed, right: Placed) -> bool:
        return low <= (right.event.us or 0) - (left.event.us or 0) <= high

    def alone(one: Placed, outer: str, reach_us: int) -> bool:
        closed = closed_ms is None or is_closed(one.event.us or 0, closed_ms, -(-reach_us // 1000))
        return kind in (outer, "full_outer") and closed

    def key(one: Placed) -> object:
        return (one.event.id, one.event.shop) if by_shop else one.event.id

    outer = (lambda left: alone(left, "left_outer", high)), (lambda right: alone(right, "right_outer", -low))
    rule = Join(matches, *outer, key)
    rows = rule.of(_once(contract, "left", lefts), _once(contract, "right", rights))
    return sorted((_row(left, right) for left, right in rows), key=Row.place)


def first_deliveries(contract: Contract, side: str, placed: Sequence[Placed]) -> dict[tuple[int, int], Placed]:
    """Of each delivery of one side that enters, by its place: the first in order of place that is of the same event."""
    ordered = sorted((one for one in placed if one.event.enters), key=lambda one: (one.partition, one.offset))
    first: dict[object, Placed] = {}
    return {(one.partition, one.offset): first.setdefault(_identity(contract, side, one), one) for one in ordered}


def replaced(one: Placed, first: Mapping[tuple[int, int], Placed]) -> Placed:
    """The delivery with the place of the event's first one."""
    other = first[one.partition, one.offset]
    return replace(one, partition=other.partition, offset=other.offset)


def _once(contract: Contract, side: str, placed: Sequence[Placed]) -> list[Placed]:
    """What enters the join, each event once."""
    found = first_deliveries(contract, side, placed)
    return list({(one.partition, one.offset): one for one in found.values()}.values())


def _identity(contract: Contract, side: str, one: Placed) -> object:
    """What two deliveries of one event share: event id and event time; without an event id, nothing."""
    source = contract.left if side == "left" else contract.right
    if source.event_id is None:
        return one.partition, one.offset
    return (one.event.id if source.event_id == "id" else one.event.called), one.event.us


def _row(left: Placed | None, right: Placed | None) -> Row:
    event = left.event if left else right.event if right else Event(None, None)
    assert event.at is not None
    return Row(
        id=event.id,
        label=left.event.called if left else None,
        amount=left.event.amount if left else None,
        payment=right.event.called if right else None,
        paid=right.event.amount if right else None,
        at=event.at,
        left=(left.partition, left.offset) if left else (None, None),
        right=(right.partition, right.offset) if right else (None, None),
    )
