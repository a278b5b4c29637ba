"""The sentinel: one record far ahead that ends a complete tape, so that every window closes. It never is output."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from contract.model import Contract, Source
from contract.ranges import TimeRange, from_micros, spell_time

OFFSET = -1


def record(contract: Contract, name: str, time_range: TimeRange) -> dict[str, Any]:
    """The sentinel of one source as a row of its tape."""
    source = contract.sources[name]
    value = json.dumps(event(source, _far_ahead(contract, time_range))).encode()
    return {"topic": source.topic, "partition": 0, "offset": OFFSET, "value": value}


def _far_ahead(contract: Contract, time_range: TimeRange) -> int:
    """An event time (us) whose watermark closes every window of the range on both sides."""
    delay = max(contract.left.watermark, contract.right.watermark)
    low, high = contract.join.within
    ahead = time_range.widened(low, high + delay + max(abs(low), abs(high)) + timedelta(days=1))
    return ahead.end_us or 0


def event(source: Source, moment_us: int) -> dict[str, str | int | bool]:
    """An event at `moment_us` as the source spells it, with a value in every field.

    The fields must not be null: Spark drops rows with a null join key of the outer side before they could move the
    watermark. What they hold does not matter, nothing real lies within reach of that time.
    """
    iso = spell_time(from_micros(moment_us))
    values: dict[str, str | int | bool] = {
        "timestamp": iso,
        "timestamp_millis": moment_us // 1_000,
        "timestamp_micros": moment_us,
        "date": iso[:10],
        "string": "plumbline sentinel",
        "binary": "",
        "boolean": False,
    }
    return {name: values.get(kind, 0) for name, kind in source.fields.items()}
