"""Which days are due. Days are of UTC; pure functions over dates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from plumbline.contract.ranges import from_micros

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Due:
    """The days to do now, oldest first, and how many more are due beyond the bound."""

    days: tuple[date, ...] = ()
    left: int = 0


def newest_ended(settled_us: int | None, now: datetime) -> date:
    """The newest day that is over by the clock and into which the stream will write nothing more.

    `settled_us` is the newest event time (us) up to which the stream is settled; None (no epoch ledger, or a Spark
    whose rule is not proven) leaves it to the clock.
    """
    yesterday = now.date() - DAY
    return yesterday if settled_us is None else min(yesterday, from_micros(max(0, settled_us + 1)).date() - DAY)


def due(done: Collection[date], newest: date, since: date | None, at_most: int) -> Due:
    """Every day up to `newest` that has no night, from the first that has one, or from `since` where that is earlier.

    With neither, `newest` alone: a first night looks at one day.
    """
    first = min([*done, *([since] if since else [])], default=newest)
    days = [first + n * DAY for n in range((newest - first).days + 1)]
    missing = [day for day in days if day not in done]
    return Due(tuple(missing[:at_most]), len(missing[at_most:]))
