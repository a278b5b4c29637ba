"""How numbers, times and causes are spelled for readers, on the page and in the notebook."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from plumbline.contract.durations import spell_duration
from plumbline.contract.safe_text import shown

if TYPE_CHECKING:
    from rich.table import Table

    from plumbline.contract.document_types import Range
    from plumbline.contract.model import Contract
    from plumbline.contract.ranges import TimeRange
    from plumbline.reconcile.causes import Cause

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SHADES = (
    "late_left",
    "late_right",
    "reported_late",
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
    """`0.190 %`; three significant digits below 10 %, whole per cents else, and `0 %` for nothing only."""
    if part == 0 or whole == 0:
        return "0 %"
    percent = 100 * part / whole
    if percent >= 10 or 100 * part % whole == 0:
        return f"{percent:.0f} %" if part == whole or percent < 99.5 else f"{min(percent, 99.99):.2f} %"
    if percent < 0.0001:
        return "< 0.0001 %"
    return f"{percent:.{2 - math.floor(math.log10(percent))}f} %"


def moment(text: str | datetime | None) -> str:
    """`2013-01-15 00:00 UTC`, with seconds and milliseconds when they matter; `open` for None."""
    if text is None:
        return "open"
    when = (text if isinstance(text, datetime) else datetime.fromisoformat(text)).astimezone(UTC)
    precise = "milliseconds" if when.microsecond else "seconds" if when.second else "minutes"
    return when.replace(tzinfo=None).isoformat(" ", precise) + " UTC"


def clock(when: str | datetime) -> str:
    """`31 Dec 2013 03:59 UTC`, a moment among days that are spelled so; seconds are left out."""
    at = (when if isinstance(when, datetime) else datetime.fromisoformat(when)).astimezone(UTC)
    return f"{at:%-d %b %Y %H:%M} UTC"


def span(time_range: Range) -> str:
    """A `{"from", "to"}` range, half-open in UTC: `2013-01-15 00:00 UTC to 2013-01-22 00:00 UTC`."""
    start, end = time_range.get("from"), time_range.get("to")
    if start is None and end is None:
        return "everything"
    return f"{moment(start) if start else 'the beginning'} to {moment(end) if end else 'the end'}"


def days(start: datetime, end: datetime) -> str:
    """The days in `[start, end)`: `14–20 Jan 2013`, `28 Jan – 3 Feb 2013`, `31 Dec 2013`."""
    last = end - timedelta(days=1)
    if last <= start:
        return f"{start:%-d %b %Y}"
    if (start.year, start.month) == (last.year, last.month):
        return f"{start:%-d}–{last:%-d %b %Y}"
    return f"{start:%-d %b}{'' if start.year == last.year else f' {start.year}'} – {last:%-d %b %Y}"


def range_days(time_range: TimeRange) -> str:
    """Whole days as `14–20 Jan 2013`, anything else as a half-open range."""
    start, end = time_range.start, time_range.end
    if start and end and start.time() == end.time() == datetime.min.time():
        return days(start, end)
    return span(time_range.as_json())


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


def exactly(ms: int) -> str:
    """A span of time with all its units: `1 d 2 h 1 min`."""
    sign, rest, told = ("−" if ms < 0 else ""), abs(ms), []
    for size, unit in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min"), (1_000, "s"), (1, "ms")):
        number, rest = divmod(rest, size)
        if number:
            told.append(f"{number} {unit}")
    return sign + " ".join(told) if told else "0 min"


def in_contract(ms: int) -> str:
    """A delay as a contract takes it, exactly: `121 minutes`."""
    return spell_duration(timedelta(milliseconds=ms))


def key(value: object) -> str:
    """One finding's key: the value itself when there is one column, else `name=value, …`. Takes JSON text or values."""
    parts = key_parts(value)
    told = [(name, "NULL" if part is None else '"NULL"' if part == "NULL" else part) for name, part in parts]
    return shown(told[0][1] if len(told) == 1 else ", ".join(f"{name}={part}" for name, part in told))


def key_parts(value: object) -> tuple[tuple[str, str | None], ...]:
    """A key as (column, value) pairs, each character itself, NULL as None: NULL is also a text.

    Takes JSON text or values; a bare value has no column.
    """
    if isinstance(value, str) and value[:1] == "{":
        try:
            value = json.loads(value)
        except ValueError:
            return (("", str(value)),)
    if isinstance(value, Mapping):
        return tuple((str(name), None if part is None else raw(part)) for name, part in value.items())
    return (("", None if value is None else raw(value)),)


def plain(value: object) -> str:
    """A value as a reader expects it: NULL, true, text without quotes; what cannot be seen in it is spelled out."""
    return shown(raw(value))


def raw(value: object) -> str:
    """A value as a command takes it: like `plain`, but each character is itself."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime) and value == value:  # pandas' NaT is one too, and equals nothing
        return moment(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def shade(cause: str) -> str:
    """The name of a cause's colour: a word of ours, never text from the data."""
    return cause if cause in SHADES else "other"


def cause(name: str) -> Cause:
    """The cause of that name; for an unknown one a cause whose words are ours and say nothing of it."""
    from plumbline.reconcile.causes import Cause, named

    try:
        return named(name)
    except KeyError:
        return Cause(name, 0, "a cause that this version does not know", "", (), "")


def cause_name(name: str, contract: Contract | None = None) -> str:
    """What a reader calls a cause: `late departures` for late_left where the contract is known, else its own name."""
    side = {"late_left": "left", "late_right": "right"}.get(name)
    return f"late {getattr(contract.join, side)}" if contract and side else name


def cause_title(name: str, contract: Contract | None = None) -> str:
    """What a cause means, with the contract's own source names: `the departures record was late and dropped`."""
    title = cause(name).title
    for side in ("left", "right"):
        source = getattr(contract.join, side) if contract else side
        title = title.replace(f"{side} record", f"{source} record")
    return title


def figures_table(first: str, *others: str) -> Table:
    """An empty table for the terminal: a column of names, then columns of numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
