"""How numbers, times and causes are spelled for readers, on the page and in the notebook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contract.model import Contract

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SHADES = (
    "late_left",
    "late_right",
    "arrived_after_batch",
    "pending",
    "quarantined",
    "duplicate_input",
    "double_commit",
    "lost_output",
    "archive_gap",
    "out_of_contract",
    "value_divergence",
    "schema_change",
    "watermark_poisoned",
    "window_edge",
    "replayed",
    "unexplained",
)
"""Causes with a colour of their own in style.css; any other is drawn in the colour `other`."""


def count(number: int) -> str:
    """`328,521`; a true minus sign before a negative one."""
    return f"{number:,}".replace("-", "−")


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 row`, `2 rows`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """`0.19 %`; two significant digits, and `0 %` for nothing only."""
    if part == 0 or whole == 0:
        return "0 %"
    percent = 100 * part / whole
    if part == whole or percent >= 10:
        return f"{percent:.0f} %" if part == whole or percent < 99.5 else f"{min(percent, 99.99):.2f} %"
    return "< 0.0001 %" if percent < 0.0001 else f"{float(f'{percent:.2g}'):f}".rstrip("0").rstrip(".") + " %"


def moment(text: str | datetime | None) -> str:
    """`2013-01-15 00:00 UTC`, with seconds and milliseconds when they matter; `open` for None."""
    if text is None:
        return "open"
    when = (text if isinstance(text, datetime) else datetime.fromisoformat(text)).astimezone(UTC)
    precise = "milliseconds" if when.microsecond else "seconds" if when.second else "minutes"
    return when.replace(tzinfo=None).isoformat(" ", precise) + " UTC"


def span(time_range: Mapping[str, str | None]) -> str:
    """A `{"from", "to"}` range, half-open in UTC: `2013-01-15 00:00 UTC to 2013-01-22 00:00 UTC`."""
    start, end = time_range.get("from"), time_range.get("to")
    if start is None and end is None:
        return "everything"
    return f"{moment(start) if start else 'the beginning'} to {moment(end) if end else 'the end'}"


def delay(ms: int) -> str:
    """`3 d 4 h`, `9 h 31 min`, `45 s`, `250 ms`: the two largest units."""
    sign, ms = ("−", -ms) if ms < 0 else ("", ms)
    days, rest = divmod(ms, DAY_MS)
    hours, rest = divmod(rest, HOUR_MS)
    minutes, rest = divmod(rest, MINUTE_MS)
    seconds, rest = divmod(rest, 1_000)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"), (rest, "ms"))
    first = next((i for i, (number, _) in enumerate(units) if number), None)
    if first is None:
        return "0 min"
    return sign + " ".join(f"{number} {unit}" for number, unit in units[first : first + 2] if number)


def key(value: object) -> str:
    """One finding's key: the value itself when there is one column, else `name=value, …`. Takes JSON text or values."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    if isinstance(value, Mapping):
        parts = [f"{name}={plain(part)}" for name, part in value.items()]
        return plain(next(iter(value.values()))) if len(parts) == 1 else ", ".join(parts)
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(part) for part in value)
    return plain(value)


def plain(value: object) -> str:
    """A value as a reader expects it: NULL, true, text without quotes."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def shade(cause: str) -> str:
    """The name of a cause's colour: a word of ours, never text from the data."""
    return cause if cause in SHADES else "other"


def cause_title(cause: str, contract: Contract | None = None) -> str:
    """What a cause means, with the contract's own source names: `the departures record was late and dropped`."""
    from reconcile.causes import named

    try:
        title = named(cause).title
    except KeyError:
        return cause.replace("_", " ")
    for side in ("left", "right"):
        source = getattr(contract.join, side) if contract else side
        title = title.replace(f"{side} record", f"{source} record")
    return title


def document_value(value: Any) -> str:
    """A snapshot id or another scalar of a document; `none` for an empty table."""
    return "none" if value is None else str(value)
