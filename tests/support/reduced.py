"""Contracts whose right source has `reduce`, and plain Python that says which rows their tables hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from plumbline.contract.model import Contract, Source
from plumbline.stream_job.ledger import Epoch
from tests.support.join_model import is_late
from tests.support.model import START, Event, Placed, Row, first_deliveries, joined, replaced
from tests.support.scenario import Scenario

TEXT = """\
contract: taken
sources:
  impressions:
    topic: t.impressions
    fields: {id: string, campaign: string, at: timestamp}
    event_time: at
    event_id: id
    watermark: 10 minutes
    archive: raw.impressions
  plays:
    topic: t.plays
    fields: {id: string, play: string, at: timestamp, seconds: long}
    event_time: at
    event_id: play
    watermark: 10 minutes
    archive: raw.plays
    reduce: {by: [id], every: 10 minutes, take: last}
join: {left: impressions, right: plays, kind: left_outer, on: [id], within: [0 minutes, 1 hour]}
output:
  key: [id, play]
  columns: [impressions.campaign, plays.play, plays.seconds, {played_at: plays.at}]
  stream_table: joined.taken_stream
  batch_table: joined.taken_batch
"""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def changes(take: str = "last", event_id: str | None = "payment") -> dict[str, Any]:
    """What makes a scenario's contract one of one payment per order and ten minutes."""
    return {
        "sources": {
            "orders": {"event_id": "label"},
            "payments": {"event_id": event_id, "reduce": {"by": ["id"], "every": "10 minutes", "take": take}},
        },
        "output": {
            "columns": [
                "orders.label",
                "orders.amount",
                "payments.payment",
                "payments.paid",
                {"paid_at": "payments.paid_at"},
            ]
        },
    }


def stream_rows(job: Scenario, epochs: Sequence[Epoch] | None = None) -> list[Row]:
    """What the stream table holds after these epochs; None: those in the ledger."""
    contract, epochs = job.contract, list(job.ledger.epochs()) if epochs is None else epochs
    came: dict[str, list[Placed]] = {"left": [], "right": []}
    for epoch in epochs:
        for number, side in enumerate(came):
            start, end = epoch.start[number], epoch.end[number]
            for one in job.placed[side]:
                place = str(one.partition)
                if not start.get(place, 0) <= one.offset < end.get(place, 0) or not one.event.enters:
                    continue
                if not is_late(_judged_us(contract, side, one), epoch.late_watermark_ms):
                    came[side].append(one)
    closed_ms = epochs[-1].evict_watermark_ms
    taken = [one for one in reduced(job, came["right"]) if (one.event.us or 0) + 1 <= closed_ms * 1000]
    return joined(contract, _first(job, "left", came["left"]), taken, closed_ms)


def batch_rows(job: Scenario) -> list[Row]:
    """What the batch table holds of all that was delivered."""
    came = {side: [one for one in placed if one.event.enters] for side, placed in job.placed.items()}
    return joined(job.contract, came["left"], reduced(job, came["right"]), None)


def reduced(job: Scenario, came: Sequence[Placed]) -> list[Placed]:
    """One payment per order and window, at the window's last microsecond."""
    source = job.contract.right
    assert source.reduce is not None
    windows: defaultdict[Any, list[Placed]] = defaultdict(list)
    for one in _first(job, "right", came):
        windows[one.event.id, window_end(source, one)].append(one)
    pick = max if source.reduce.take == "last" else min
    return [_moved(pick(several, key=lambda one: _order(source, one)), end) for (_, end), several in windows.items()]


def window_end(source: Source, one: Placed) -> int:
    """The end (us) of the window that holds an event."""
    assert source.reduce is not None
    every = source.reduce.every_us
    return ((one.event.us or 0) // every + 1) * every


def _judged_us(contract: Contract, side: str, one: Placed) -> int:
    """What is held against the watermark: the end of the window where nothing before it looks for copies."""
    if side == "left" or contract.right.event_id is not None:
        return one.event.us or 0
    return window_end(contract.right, one)


def _order(source: Source, one: Placed) -> tuple[Any, ...]:
    return (one.event.us, one.event.called) if source.event_id else (one.event.us, one.partition, one.offset)


def _moved(one: Placed, end_us: int) -> Placed:
    minute = (end_us - 1 - (START - EPOCH).total_seconds() * 1_000_000) / 60_000_000
    return replace(one, event=replace(one.event, minute=minute, name=one.event.called))


def _first(job: Scenario, side: str, came: Iterable[Placed]) -> list[Placed]:
    first = first_deliveries(job.contract, side, job.placed[side])
    return list({(one.partition, one.offset): one for one in (replaced(one, first) for one in came)}.values())


def orders_paid_in_bursts(epochs: int) -> tuple[list[Event], list[Event]]:
    """Epochs of thirty orders and thirty payments, an hour each; a third of the orders have three payments, most of one
    window. From the fourth epoch on some orders are late, and some payments, among them the last of their windows."""
    lefts, rights = [], []
    for n in range(10 * epochs):
        late = n >= 30 and n % 10 == 6
        lefts.append(Event(f"o{n}", 6 * n - 150 * late, partition=n % 2))
        lefts += [Event(f"{other}{n}", 6 * n, partition=n % 2) for other in "xy"]
        for burst in range(3):
            of, more = (n - 25, 0.5) if n >= 30 and n % 7 == burst else (n, 0)
            rights.append(Event(f"o{of}", 6 * of + 3 + burst + more, f"p{n}.{burst}", partition=(n + burst) % 2))
    return lefts, rights
