"""The geometry of the plots: numbers in, percentages of a box out. The template draws them; text stays text. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile import format
from plumbline.reconcile.document import Window
from plumbline.reconcile.lateness.curve import Lateness, steps_of

MOST_TICKS = 13
LAST_LABEL = 96.0
LAST_NARROW_LABEL = 89.0
WIDEST_BAR = 8.0


@dataclass(frozen=True)
class Tick:
    """A label on an axis, `at` per cent from the left or from the bottom. Minor ones go when the page is narrow."""

    at: float
    text: str
    minor: bool = False


@dataclass(frozen=True)
class Bar:
    """One rectangle in per cent of the box, y from the top, in the colour `shade`; `title` says its values."""

    x: float
    y: float
    width: float
    height: float
    shade: str
    title: str


@dataclass(frozen=True)
class Line:
    """One step curve as an SVG path in a box of 100 by 100."""

    path: str
    shade: str
    name: str


@dataclass(frozen=True)
class Chart:
    """A whole plot. `alt` says in a sentence what it shows; `bands` are marked stretches (x, width, what), `mark` is a
    named upright line, `level` a horizontal one."""

    alt: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    bands: tuple[tuple[float, float, str], ...] = ()
    mark: tuple[float, str] | None = None
    level: float | None = None
    legend: tuple[tuple[str, str], ...] = ()
    x_title: str = ""
    y_title: str = ""


def drift_per_window(bars: Sequence[Window], unit: str, marked: Sequence[TimeRange] = (), of: str = "rows") -> Chart:
    """Findings per window, stacked by cause, most frequent cause at the bottom; `marked` ranges are shaded. `of`: what
    the tables hold, rows or lines."""
    timed = [bar for bar in bars if bar.start and bar.end]
    causes = _by_frequency(timed)
    top = nice_top(max((sum(bar.causes.values()) for bar in timed), default=0))
    first, last = (timed[0].start, timed[-1].end) if timed else (None, None)
    drawn = [part for bar in timed for part in _stack(bar, causes, top, _scale(first, last), of)]
    total = sum(sum(bar.causes.values()) for bar in timed)
    alt = f"Bars: {format.counted(total, 'difference')} over {format.counted(len(timed), unit)}, stacked by cause."
    return Chart(
        alt=alt,
        x_ticks=time_ticks(first, last) if first and last else (),
        y_ticks=value_ticks(top),
        bars=tuple(drawn),
        bands=tuple(_bands(marked, timed)),
        legend=tuple((format.shade(cause), cause) for cause in causes),
        y_title=f"differences per {unit}",
    )


def lateness_curve(curves: Sequence[Lateness]) -> Chart:
    """Rows that longer delays would still have lost, one step curve per source, on a scale of log(1 + rows)."""
    low = -min((curve.delay_ms for curve in curves), default=0)
    high = max((curve.worst_ms for curve in curves), default=0) + format.MINUTE_MS
    steps = {curve.source: steps_of(curve, low, high) for curve in curves}
    most = max((rows for points in steps.values() for _, rows in points), default=0)
    shades = ("late_left", "late_right")
    return Chart(
        alt="Step curves: rows lost as late, falling as the delay grows; " + "; ".join(map(_in_words, curves)) + ".",
        x_ticks=tuple(_delay_ticks(low, high)),
        y_ticks=tuple(Tick(_log(n, most), format.count(n)) for n in _powers(most)),
        lines=tuple(
            Line(_path(steps[curve.source], low, high, most), shade, curve.source)
            for curve, shade in zip(curves, shades, strict=False)
        ),
        mark=(_at(0, low, high), "as it ran"),
        legend=tuple((shade, curve.source) for curve, shade in zip(curves, shades, strict=False)),
        x_title="change of both delays",
        y_title="rows lost (log scale)",
    )


def nice_top(most: int) -> int:
    """The smallest of 1, 2, 4, 5, 10, 20, 40, 50, … that is not below `most`."""
    scale = 1
    while True:
        for step in (1, 2, 4, 5):
            if step * scale >= most:
                return step * scale
        scale *= 10


def value_ticks(top: int) -> tuple[Tick, ...]:
    """0, the top, and what lies evenly between them in whole numbers."""
    parts = next((parts for parts in (4, 5, 2) if top % parts == 0), 1)
    return tuple(Tick(100 * i / parts, format.count(top * i // parts)) for i in range(parts + 1))


def time_ticks(first: datetime, last: datetime) -> tuple[Tick, ...]:
    """Starts of days, months or years between the two, at most MOST_TICKS; every second one is minor."""
    moments = _moments(first, last)
    ticks, scale = [], _scale(first, last)
    for i, moment in enumerate(moments):
        yearly = all(m.month == 1 and m.day == 1 for m in moments) and len(moments) > 1
        form = "%Y" if yearly else "%b" if _monthly(moments) else "%-d %b"
        text = moment.strftime(form)
        if not yearly and i > 0 and moment.year != moments[i - 1].year:
            text += moment.strftime(" %Y")
        if scale(moment) <= LAST_LABEL:
            ticks.append(Tick(scale(moment), text, minor=i % 2 == 1 or scale(moment) > LAST_NARROW_LABEL))
    return tuple(ticks)


def _moments(first: datetime, last: datetime) -> list[datetime]:
    for days in (1, 2, 7, 14):
        if (last - first) / timedelta(days=days) <= MOST_TICKS:
            return [first + timedelta(days=i) for i in range(0, math.ceil((last - first).days) or 1, days)]
    months = [datetime(y, m, 1, tzinfo=first.tzinfo) for y in range(first.year, last.year + 1) for m in range(1, 13)]
    inside = [month for month in months if first <= month < last]
    for step in (1, 3, 6, 12):
        chosen = [month for month in inside if (month.month - 1) % step == 0]
        if len(chosen) <= MOST_TICKS:
            return chosen
    every = math.ceil(len(chosen) / MOST_TICKS)
    return [month for month in chosen if month.year % every == 0]


def _monthly(moments: Sequence[datetime]) -> bool:
    return len(moments) > 1 and all(moment.day == 1 for moment in moments)


def _scale(first: datetime | None, last: datetime | None) -> Callable[[datetime], float]:
    """Per cent of the way from `first` to `last`."""

    def at(moment: datetime) -> float:
        assert first is not None
        assert last is not None
        return 100 * ((moment - first) / (last - first))

    return at


def _by_frequency(bars: Sequence[Window]) -> list[str]:
    totals: dict[str, int] = {}
    for bar in bars:
        for cause, number in bar.causes.items():
            totals[cause] = totals.get(cause, 0) + number
    return sorted(totals, key=lambda cause: (-totals[cause], cause))


def _stack(bar: Window, causes: Sequence[str], top: int, scale: Callable[[datetime], float], of: str) -> list[Bar]:
    assert bar.start is not None
    assert bar.end is not None
    left, right = scale(bar.start), scale(bar.end)
    width = min(0.72 * (right - left), WIDEST_BAR)
    x, below, parts = (left + right - width) / 2, 0.0, list[Bar]()
    when = format.days(bar.start, bar.end)
    for cause in causes:
        number = bar.causes.get(cause, 0)
        if number:
            height = 100 * number / top
            below += height
            title = f"{when}: {format.count(number)} {cause}, {format.count(bar.batch)} batch {of}"
            parts.append(Bar(x, 100 - below, width, height, format.shade(cause), title))
    return parts


def _bands(ranges: Sequence[TimeRange], bars: Sequence[Window]) -> list[tuple[float, float, str]]:
    """The bars that a range touches, from the first one's start to the last one's end."""
    bands = []
    for time_range in ranges:
        touched = [bar for bar in bars if TimeRange(bar.start, bar.end).intersect(time_range)]
        if touched and len(touched) < len(bars):
            scale = _scale(bars[0].start, bars[-1].end)
            start, end = touched[0].start, touched[-1].end
            assert start is not None
            assert end is not None
            bands.append((scale(start), scale(end) - scale(start), "replayed"))
    return bands


def _delay_ticks(low: int, high: int) -> list[Tick]:
    steps = [h * format.HOUR_MS for h in (1, 2, 3, 6, 12, 24, 48, 168)]
    step = next((s for s in (format.MINUTE_MS, 10 * format.MINUTE_MS, *steps) if (high - low) / s <= MOST_TICKS), None)
    step = step or math.ceil((high - low) / MOST_TICKS / format.DAY_MS) * format.DAY_MS
    numbers = range(math.ceil(low / step), high // step + 1)
    return [Tick(_at(n * step, low, high), _signed(n * step), minor=n % 2 == 1 and n != numbers[0]) for n in numbers]


def _signed(ms: int) -> str:
    return "0" if ms == 0 else ("+" if ms > 0 else "") + format.delay(ms)


def _powers(most: int) -> list[int]:
    return [0, *(10**i for i in range(len(str(most))) if 10**i <= most)] if most else [0, 1]


def _log(rows: int, most: int) -> float:
    return 100 * math.log1p(rows) / math.log1p(max(most, 1) * 1.1)


def _at(ms: int, low: int, high: int) -> float:
    return 100 * (ms - low) / (high - low)


def _path(points: Sequence[tuple[int, int]], low: int, high: int, most: int) -> str:
    """Each point holds from its delay to the next one's."""
    first, *rest = [(_at(ms, low, high), 100 - _log(rows, most)) for ms, rows in points]
    steps = "".join(f"H{x:.2f}V{y:.2f}" for x, y in rest)
    return f"M{first[0]:.2f} {first[1]:.2f}{steps}H100"


def _in_words(curve: Lateness) -> str:
    lost = format.counted(curve.lost(0), "row")
    if not curve.lost(0):
        return f"{curve.source} lost none"
    return f"{curve.source} lost {lost}, the last {format.delay(curve.worst_ms)} behind the watermark"
