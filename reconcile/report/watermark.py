"""The watermark against event time: how far ahead of it or behind it the records came, along its own way. Pure.

Up is ahead of the watermark, on a scale of log(1 + minutes) both ways: a day ahead and a minute behind are both seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta

from plumbline.contract.ranges import from_micros
from plumbline.reconcile import format
from plumbline.reconcile.lateness.curve import Epoch, Lateness
from plumbline.reconcile.report.plots import LAST_LABEL, LAST_NARROW_LABEL, MOST_TICKS, Bar, Chart, Tick, time_ticks

MOST_BARS = 48
LEAST_HEIGHT = 1.5
FLOOR = 1.5
"""How much deeper than the deepest loss the plot goes, so that its bar is seen to end."""
SHADES = ("late_left", "late_right")
HOUR, DAY = 60, 1440
CLOCK = (1, 5, 10, 30, 60, 120, 180, 360, 720)
STEPS = (10, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY)


def against_event_time(curves: Sequence[Lateness]) -> Chart | None:
    """Per stretch of the watermark a bar from its newest record down to its oldest; what is below zero was dropped.

    None while no epoch had a watermark that moved.
    """
    marks = [epoch.watermark_ms for curve in curves for epoch in curve.epochs]
    if len(set(marks)) < 2:
        return None
    first, last = min(marks), max(marks)
    joined = [_merged(curve.epochs, first, last) for curve in curves]
    every = [epoch for stretches in joined for epoch in stretches.values()]
    high = min(max(-min(e.newest for e in every), 10), DAY)
    low = -FLOOR * (max(max(e.oldest for e in every), 0) + 1)
    scale = _Scale(_log(low), _log(high))
    bars = [bar for at in range(MOST_BARS) for bar in _stretch(at, curves, joined, scale)]
    start, end = from_micros(first * 1000), from_micros((last + 1) * 1000)
    return Chart(
        alt=_in_words(curves),
        x_ticks=_when(start, end),
        y_ticks=tuple(Tick(scale.at(minutes), _signed(minutes)) for minutes in _ticks(low, high)),
        bars=tuple(bars),
        legend=(
            ("in_time", "in time, drawn up to 1 d ahead"),
            *((s, f"{c.source}, dropped") for s, c in zip(SHADES, curves, strict=False)),
        ),
        level=scale.at(0),
        x_title="the watermark, in UTC",
        y_title="event time ahead of (+) or behind (−) the watermark (log scale)",
    )


class _Scale:
    def __init__(self, low: float, high: float) -> None:
        self.low, self.span = low, high - low

    def at(self, minutes: float) -> float:
        """Per cent of the way from the bottom to the top."""
        return 100 * (_log(minutes) - self.low) / self.span


def _log(minutes: float) -> float:
    return math.copysign(math.log1p(abs(minutes)), minutes)


def _merged(epochs: Iterable[Epoch], first: int, last: int) -> dict[int, Epoch]:
    """The epochs in MOST_BARS stretches of equal length; a stretch without one is left out."""
    found: dict[int, Epoch] = {}
    for epoch in epochs:
        at = min(MOST_BARS - 1, (epoch.watermark_ms - first) * MOST_BARS // (last - first))
        known = found.get(at)
        found[at] = epoch if known is None else _both(known, epoch)
    return found


def _both(one: Epoch, other: Epoch) -> Epoch:
    return replace(
        one,
        records=one.records + other.records,
        dropped=one.dropped + other.dropped,
        newest=min(one.newest, other.newest),
        oldest=max(one.oldest, other.oldest),
    )


def _stretch(at: int, curves: Sequence[Lateness], joined: Sequence[dict[int, Epoch]], scale: _Scale) -> list[Bar]:
    """One stretch: all records in time as one bar, and beside each other what each source lost."""
    here = [(curve, stretches[at]) for curve, stretches in zip(curves, joined, strict=True) if at in stretches]
    if not here:
        return []
    width = 100 / MOST_BARS
    x, day = at * width, f"{from_micros(min(e.watermark_ms for _, e in here) * 1000):%-d %b %Y}"
    top, zero = max(-min(e.newest for _, e in here), 0), scale.at(0)
    records = sum(e.records for _, e in here)
    floor, up = max(0, min(-max(e.oldest for _, e in here), top)), min(top, DAY)
    ahead = format.delay(top * format.MINUTE_MS)
    title = f"{day}: {format.counted(records, 'record')} up to {ahead} ahead of the watermark"
    height = max(scale.at(up) - scale.at(min(floor, up)), LEAST_HEIGHT)
    bars = [Bar(x + 0.1 * width, 100 - scale.at(up), 0.8 * width, height, "in_time", title)]
    for n, (shade, (curve, epoch)) in enumerate(zip(SHADES, here, strict=False)):
        if epoch.dropped:
            said = f"{day}: {format.count(epoch.dropped)} of {curve.source} dropped, {_behind(epoch.oldest)}"
            bottom = scale.at(-epoch.oldest - 1)
            bars.append(Bar(x + (0.1 + 0.4 * n) * width, 100 - zero, 0.4 * width, zero - bottom, shade, said))
    return bars


def _when(start: datetime, end: datetime) -> tuple[Tick, ...]:
    """Days and more as on every plot, and times of day within two days."""
    if end - start > timedelta(days=2):
        return time_ticks(start, end)
    step = next(timedelta(minutes=n) for n in CLOCK if end - start <= timedelta(minutes=n) * MOST_TICKS)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    first = -(-(start - midnight) // step)
    moments = [midnight + step * n for n in range(first, (end - midnight) // step + 1)]
    forms = [moment.strftime("%-d %b" if moment.time() == time() else "%H:%M") for moment in moments]
    places = [100 * ((moment - start) / (end - start)) for moment in moments]
    return tuple(
        Tick(at, text, n % 2 == 1 or at > LAST_NARROW_LABEL)
        for n, (at, text) in enumerate(zip(places, forms, strict=True))
        if at <= LAST_LABEL
    )


def _ticks(low: float, high: float) -> list[int]:
    """0 and those of STEPS, both ways, that lie in the plot and not on top of each other."""
    up, down = ([step for step in STEPS if step <= most] for most in (high, -low))
    return [-step for step in _apart(down)] + [0] + _apart(up)


def _apart(steps: Sequence[int]) -> list[int]:
    """The largest, and downwards those that leave room for their label."""
    kept = list(steps[-1:])
    for step in reversed(steps[:-1]):
        if _log(kept[-1]) - _log(step) >= 1.7:
            kept.append(step)
    return kept


def _signed(minutes: int) -> str:
    return "watermark" if minutes == 0 else ("+" if minutes > 0 else "") + format.delay(minutes * format.MINUTE_MS)


def _behind(minutes: int) -> str:
    return f"up to {format.delay(minutes * format.MINUTE_MS) if minutes else 'a minute'} behind the watermark"


def _in_words(curves: Sequence[Lateness]) -> str:
    told = []
    for curve in curves:
        dropped = sum(epoch.dropped for epoch in curve.epochs)
        late = f", {_behind(max(epoch.oldest for epoch in curve.epochs))}" if dropped else ""
        told.append(f"{curve.source}: {format.counted(dropped, 'record')} dropped{late}")
    return f"Bars along the watermark: how far ahead of it or behind it the records came. {'; '.join(told)}."
