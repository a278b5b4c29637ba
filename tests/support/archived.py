"""Records of an archive, as the archiver writes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from plumbline.connect.tables import ARCHIVE_SCHEMA
from tests.support.shop_rows import NOON

SCHEMA = ARCHIVE_SCHEMA


def record(n: int, topic: str = "shown", **changed: Any) -> dict[str, Any]:
    """Record number `n`, which happened n minutes after noon and came a minute later."""
    at = NOON + timedelta(minutes=n)
    return {
        "topic": topic,
        "partition": 0,
        "offset": n,
        "kafka_timestamp": at + timedelta(minutes=1),
        "kafka_timestamp_type": 0,
        "headers": [],
        "key": b"k",
        "value": b"{}",
        "event_time": at,
        "schema_id": 0,
        "quarantine_reason": None,
        "event_id": f"e{n}",
        **changed,
    }


def records(count: int = 8) -> list[dict[str, Any]]:
    return [record(n) for n in range(count)]
