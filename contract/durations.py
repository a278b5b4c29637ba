"""Durations as people write them: `2 hours`, `0 minutes`, `-5 min`, `24h`, `1 ms`."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from plumbline.contract.errors import UsageError

_UNITS_MS = {
    "ms": 1, "millisecond": 1, "milliseconds": 1,
    "s": 1_000, "sec": 1_000, "second": 1_000, "seconds": 1_000,
    "min": 60_000, "minute": 60_000, "minutes": 60_000,
    "h": 3_600_000, "hour": 3_600_000, "hours": 3_600_000,
    "d": 86_400_000, "day": 86_400_000, "days": 86_400_000,
    "w": 604_800_000, "week": 604_800_000, "weeks": 604_800_000,
}  # fmt: skip
DURATION_FORM = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def parse_duration(text: object) -> timedelta:
    """The duration that `text` spells, to the millisecond. Raises UsageError that shows the right form."""
    if isinstance(text, timedelta):
        return text
    match = DURATION_FORM.fullmatch(text) if isinstance(text, str) else None
    unit = match and _UNITS_MS.get(match.group(2).lower())
    if not match or not unit:
        raise UsageError(
            f"{text!r} is not a duration",
            next_step="write a number and a unit, for example '2 hours', '10 seconds' or '90 min'",
        )
    try:
        return timedelta(milliseconds=round(Decimal(match.group(1)) * unit))
    except OverflowError:
        raise UsageError(f"{text!r} is too long for a duration", next_step="write one below 1000000000 days") from None


def milliseconds(duration: timedelta) -> int:
    """Whole milliseconds in `duration`: the unit of Spark's watermarks."""
    return duration // timedelta(milliseconds=1)


def spell_duration(duration: timedelta) -> str:
    """The shortest exact spelling, for messages and Spark intervals: `90 minutes`, `1 hour`, `-250 milliseconds`."""
    ms = milliseconds(duration)
    if ms == 0:
        return "0 minutes"
    for unit in ("day", "hour", "minute", "second", "millisecond"):
        count, rest = divmod(ms, _UNITS_MS[unit])
        if rest == 0:
            return f"{count} {unit}" if abs(count) == 1 else f"{count} {unit}s"
    raise AssertionError("every integer is a multiple of one millisecond")
