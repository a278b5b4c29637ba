"""Geometry: what the bars and curves say is what the numbers say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile import document as reading
from plumbline.reconcile import format
from plumbline.reconcile.document import Window
from plumbline.reconcile.lateness.curve import Lateness
from plumbline.reconcile.report import plots
from tests.support.examples_of_runs import document


@pytest.mark.parametrize(
    ("days", "unit", "bars"),
    [(1, "day", 1), (124, "day", 124), (125, "week", 19), (1000, "month", 33), (5000, "year", 14)],
)
def test_many_windows_become_few_bars_without_losing_a_row(days: int, unit: str, bars: int) -> None:
    windows = reading.windows(document(days))
    merged, name = reading.merged(windows)
    assert (name, len(merged)) == (unit, bars)
    assert sum(bar.drift for bar in merged) == 3 * days
    assert sum(bar.batch for bar in merged) == 100 * days
    assert all(one.end == other.start for one, other in pairwise(merged))


def test_days_without_rows_are_windows_too() -> None:
    run = document(9)
    run["ledger"] = [run["ledger"][0], run["ledger"][8]]
    assert [window.batch for window in reading.windows(run)] == [100, *[0] * 7, 100]


def test_rows_without_a_time_are_kept_apart() -> None:
    run = document(1)
    run["ledger"].append({**run["ledger"][0], "window": None})
    untimed, timed = reading.windows(run)
    assert (untimed.start, untimed.drift) == (None, 3)
    assert timed.start is not None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=40))
def test_bars_stack_to_their_number(numbers: list[tuple[int, int]]) -> None:
    start = datetime(2024, 3, 1, tzinfo=UTC)
    days = [start + timedelta(days=i) for i in range(len(numbers))]
    windows = [
        Window(day, day + timedelta(days=1), 100, 100, {"late_left": left, "late_right": right})
        for day, (left, right) in zip(days, numbers, strict=True)
    ]
    chart = plots.drift_per_window(windows, "day")
    top = int(chart.y_ticks[-1].text.replace(",", ""))
    assert sum(bar.height for bar in chart.bars) * top / 100 == pytest.approx(sum(map(sum, numbers)))
    assert all(bar.x >= 0 and bar.x + bar.width <= 100 and -1e-9 <= bar.y <= 100 for bar in chart.bars)
    for x in {bar.x for bar in chart.bars}:
        stack = sorted((bar for bar in chart.bars if bar.x == x), key=lambda bar: -bar.y)
        floors = [bar.y + bar.height for bar in stack]
        assert floors == pytest.approx([100, *(bar.y for bar in stack[:-1])])


@pytest.mark.parametrize(("most", "top"), [(0, 1), (1, 1), (3, 4), (84, 100), (100, 100), (101, 200), (4001, 5000)])
def test_the_axis_ends_at_a_round_number(most: int, top: int) -> None:
    assert plots.nice_top(most) == top
    assert [tick.text for tick in plots.value_ticks(top)][-1] == format.count(top)


@pytest.mark.parametrize("days", [1, 2, 5, 13, 14, 40, 100, 366, 1000, 5000, 40_000])
def test_time_axes_have_a_few_different_labels(days: int) -> None:
    start = datetime(2013, 1, 15, tzinfo=UTC)
    ticks = plots.time_ticks(start, start + timedelta(days=days))
    assert 1 <= len(ticks) <= plots.MOST_TICKS
    assert all(0 <= tick.at <= plots.LAST_LABEL for tick in ticks)
    assert [tick.at for tick in ticks] == sorted({tick.at for tick in ticks})


def test_a_replayed_range_is_marked_where_it_is() -> None:
    merged, unit = reading.merged(reading.windows(document(10)))
    start = datetime(2024, 3, 3, tzinfo=UTC)
    chart = plots.drift_per_window(merged, unit, [TimeRange(start, start + timedelta(days=5))])
    assert [(x, width) for x, width, _ in chart.bands] == [(pytest.approx(20), pytest.approx(50))]


def test_a_bar_of_which_a_part_was_replayed_is_marked_whole() -> None:
    merged, unit = reading.merged(reading.windows(document(140)))
    day = TimeRange(datetime(2024, 3, 6, tzinfo=UTC), datetime(2024, 3, 7, tzinfo=UTC))
    chart = plots.drift_per_window(merged, unit, [day])
    [(x, width, _)] = chart.bands
    assert (x, width) == (pytest.approx(100 * 3 / 140), pytest.approx(5))


def test_a_curve_steps_down_to_nothing() -> None:
    curve = Lateness("shows", 600_000, 100, ((-4, 7), (0, 2), (30, 1)))
    chart = plots.lateness_curve([curve])
    [line] = chart.lines
    heights = [float(step.partition("V")[2].partition("H")[0]) for step in line.path.split("H")[1:-1]]
    assert heights == sorted(heights)
    assert heights[-1] == 100
    assert chart.mark == (pytest.approx(100 * 10 / 41), "as it ran")
    assert "shows lost 3 rows, the last 30 min behind the watermark" in chart.alt


@pytest.mark.parametrize(
    ("ms", "spelled"),
    [
        (0, "0 min"),
        (250, "250 ms"),
        (45_000, "45 s"),
        (-1_800_000, "−30 min"),
        (34_260_000, "9 h 31 min"),
        (273_600_000, "3 d 4 h"),
    ],
)
def test_delays_are_spelled_by_their_two_largest_units(ms: int, spelled: str) -> None:
    assert format.delay(ms) == spelled


@pytest.mark.parametrize(
    ("part", "whole", "spelled"),
    [
        (0, 5, "0 %"),
        (1, 328_521, "0.000304 %"),
        (580, 328_521, "0.177 %"),
        (329, 328_521, "0.100 %"),
        (3, 300, "1 %"),
        (1, 3, "33 %"),
        (999_999, 1_000_000, "99.99 %"),
        (5, 5, "100 %"),
        (3, 0, "0 %"),
        (1, 10**9, "< 0.0001 %"),
    ],
)
def test_shares_are_never_rounded_to_nothing_or_to_all(part: int, whole: int, spelled: str) -> None:
    assert format.share(part, whole) == spelled
