"""Contracts with `output.mode: upsert`, and plain Python that says which rows their tables hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.support.model import Event, Row
from tests.support.scenario import Scenario

TEXT = """\
contract: newest
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
join: {left: impressions, right: plays, kind: left_outer, on: [id], within: [0 minutes, 1 hour]}
output:
  mode: upsert
  key: [id]
  columns: [impressions.campaign, plays.play, plays.seconds]
  stream_table: joined.newest_stream
  batch_table: joined.newest_batch
"""

CHANGES: dict[str, Any] = {
    "sources": {"orders": {"event_id": "label"}, "payments": {"event_id": "payment"}},
    "output": {"mode": "upsert", "key": ["id", "label"]},
}
"""What makes a scenario's contract one of the newest payment per order."""


def newest(job: Scenario, rows: Iterable[Row]) -> list[Row]:
    """Of the joined rows the newest of each order, by the payment's time, then its id; ordered by their lineage."""
    times = {(one.partition, one.offset): one.event.us for one in job.placed["right"]}
    best: dict[Any, tuple[tuple[int, str], Row]] = {}
    for row in rows:
        of_right = (-1, "") if row.payment is None else (times[row.right] or 0, row.payment)
        state = row.label, row.at
        if state not in best or of_right > best[state][0]:
            best[state] = of_right, row
    return sorted((row for _, row in best.values()), key=Row.place)


def orders_with_many_payments(epochs: int) -> tuple[list[Event], list[Event]]:
    """Epochs of ten orders and ten payments, an hour each. Each third order has about three payments, of times in any
    order; from the fourth epoch on some are late, among them the newest of their orders, and some orders."""
    lefts, rights = [], []
    for n in range(10 * epochs):
        partition, late = n % 2, 150 if n >= 30 and n % 10 == 6 else 0
        lefts.append(Event(f"o{n}", 6 * n - late, partition=partition))
        back = (1, 25, 5, 2, 20)[n % 5] if n >= 30 else n % 4
        of = (n - back) // 3 * 3
        rights.append(Event(f"o{of}", 6 * of + (n * 7) % 30 + 6 * (back < 3), f"p{n}", partition=partition))
    return lefts, rights


def orders_paid_twice(first: int, last: int) -> tuple[list[Event], list[Event]]:
    """Orders six minutes apart, each with a payment soon and a later one some epochs of ten events afterwards, so that
    nearly each row is updated once; from the 20th on each tenth order is late."""
    lefts, rights = [], []
    for n in range(first, last):
        late = 150 if n >= 20 and n % 10 == 6 else 0
        lefts.append(Event(f"o{n}", 6 * n - late, partition=n % 2))
        rights.append(Event(f"o{n - 1}", 6 * n + 2, f"p{n}", partition=n % 2))
        rights.append(Event(f"o{n - 6}", 6 * n - 1, f"q{n}", partition=n % 2))
    return lefts, rights
