"""From findings to the fewest ranges that repair them, and a range in windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from plumbline.contract.ranges import TimeRange, spell_time
from plumbline.replay.drift import ranges_of, windows

DAY = timedelta(days=1)
T0 = datetime(2024, 3, 1, tzinfo=UTC)


def at(day: float) -> datetime:
    return T0 + day * DAY


def days(*spans: tuple[float, float]) -> list[TimeRange]:
    return [TimeRange(at(start), at(end)) for start, end in spans]


@pytest.mark.parametrize(
    ("moments", "limit", "expected"),
    [
        pytest.param([], (0, 30), [], id="no drift, no range"),
        pytest.param([3.5], (0, 30), [(3, 4)], id="a whole day for one row"),
        pytest.param([3.5, 3.1, 4.9], (0, 30), [(3, 5)], id="days in a row are one range"),
        pytest.param([3.5, 10.5], (0, 30), [(3, 11)], id="so are days less than a week apart"),
        pytest.param([3.5, 11.5], (0, 30), [(3, 4), (11, 12)], id="not those a week apart"),
        pytest.param([3.5], (3.25, 3.75), [(3.25, 3.75)], id="no further than the run looked or the stream closed"),
    ],
)
def test_ranges_that_repair(
    moments: list[float], limit: tuple[float, float], expected: list[tuple[float, float]]
) -> None:
    assert ranges_of([at(day) for day in moments], TimeRange(at(limit[0]), at(limit[1]))) == days(*expected)


def test_a_row_without_event_time_needs_no_range() -> None:
    assert ranges_of([None, at(1)], TimeRange()) == days((1, 2))


@pytest.mark.parametrize(
    ("span", "every", "expected"),
    [
        pytest.param((0, 14), 7, [(0, 7), (7, 14)], id="even"),
        pytest.param((0, 10), 7, [(0, 7), (7, 10)], id="a shorter last one"),
        pytest.param((0, 3), 7, [(0, 3)], id="one"),
    ],
)
def test_windows(span: tuple[int, int], every: int, expected: list[tuple[float, float]]) -> None:
    found = windows(TimeRange(at(span[0]), at(span[1])), every * DAY)
    assert found == days(*expected), [spell_time(window.start) for window in found if window.start]
