"""The rows and the contract of the floor's tests: what was shown joined with what was clicked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

CONTRACT = """
contract: shop
sources:
  shown:
    topic: shown
    fields: {id: string, shown_at: timestamp, price: double, code: string}
    event_time: shown_at
    watermark: 1 hour
    archive: raw.shown
  clicked:
    topic: clicked
    fields: {id: string, clicked_at: timestamp}
    event_time: clicked_at
    watermark: 1 hour
    archive: raw.clicked
join: {left: shown, right: clicked, kind: left_outer, on: [id], within: [0 minutes, 1 hour]}
output:
  key: [id]
  columns: [shown.shown_at, shown.price, shown.code, clicked.clicked_at]
  stream_table: joined.stream
  batch_table: joined.batch
expectations:
  between: {price: [0, 100]}
  in_set: {code: [a, b]}
  not_null: [code]
  matched_at_least: 0.5
  min_rows: 4
"""

MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("shown_at", MOMENT),
        ("price", pa.float64()),
        ("code", pa.string()),
        ("clicked_at", MOMENT),
        ("_event_time", MOMENT),
        ("_left_partition", pa.int32()),
        ("_left_offset", pa.int64()),
        ("_right_partition", pa.int32()),
        ("_right_offset", pa.int64()),
        ("_replay_id", pa.string()),
    ]
)
NOON = datetime(2020, 5, 1, 12, tzinfo=UTC)
Row = dict[str, Any]


def row(n: int, *, matched: bool = True, **changed: Any) -> Row:
    """Row number `n`, shown n minutes after noon and clicked an hour later, the last moment that joins."""
    shown = NOON + timedelta(minutes=n)
    right = {"clicked_at": shown + timedelta(hours=1), "_right_partition": 1, "_right_offset": 500 + n}
    return {
        "id": f"s{n}",
        "shown_at": shown,
        "price": 100.0 - n,
        "code": "ab"[n % 2],
        "_event_time": shown,
        "_left_partition": 0,
        "_left_offset": n,
        "_replay_id": None,
        **(right if matched else dict.fromkeys(right)),
        **changed,
    }


def good() -> list[Row]:
    """Three joined rows and one that waited in vain; every expectation holds."""
    return [row(0), row(1), row(2), row(3, matched=False)]


Fill = Callable[..., None]
