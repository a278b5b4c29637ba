"""The exact rules of lateness and of closed windows, at their edges."""

from __future__ import annotations

import pytest

from plumbline.contract.lateness import (
    closed_until_us,
    is_closed,
    is_late,
    right_closed_until_us,
    settled_until_us,
    state_reach_us,
)


@pytest.mark.parametrize(
    ("event_time_us", "watermark_ms", "late"),
    [
        pytest.param(5_000_000, 5_000, True, id="exactly at the watermark is late"),
        pytest.param(5_000_001, 5_000, False, id="a microsecond after it is not"),
        pytest.param(4_999_999, 5_000, True, id="before it is late"),
        pytest.param(0, 0, True, id="watermark 0 drops what is not after 1970"),
        pytest.param(1, 0, False, id="and nothing else"),
        pytest.param(-1_000, -2, False, id="before 1970 as well"),
    ],
)
def test_late(event_time_us: int, watermark_ms: int, late: bool) -> None:
    assert is_late(event_time_us, watermark_ms) is late


@pytest.mark.parametrize(
    ("left_time_us", "closed"),
    [
        pytest.param(39_999_000, True, id="its last possible partner would be a millisecond before the watermark"),
        pytest.param(39_999_001, False, id="a microsecond more and it stays"),
        pytest.param(40_000_000, False, id="its last possible partner would be at the watermark"),
        pytest.param(0, True, id="long ago"),
    ],
)
def test_closed(left_time_us: int, closed: bool) -> None:
    assert is_closed(left_time_us, evict_watermark_ms=100_000, upper_ms=60_000) is closed
    assert (left_time_us <= closed_until_us(100_000, 60_000)) is closed


@pytest.mark.parametrize(
    ("lower_ms", "newest_us"),
    [
        pytest.param(-20_000, 79_999_000, id="left events of up to 20 s later may match: closed so long after"),
        pytest.param(0, 99_999_000, id="left events of its own moment may match"),
        pytest.param(
            30_000, 129_999_000, id="left events of 30 s before at the latest: closed before the watermark is there"
        ),
    ],
)
def test_a_right_row_is_closed_once_no_left_row_after_the_watermark_can_match_it(lower_ms: int, newest_us: int) -> None:
    assert right_closed_until_us(100_000, lower_ms) == newest_us
    # The left rows that can match it lie at its own time minus `lower_ms` at the latest.
    assert is_late(newest_us - lower_ms * 1_000, 100_000)


def test_a_range_is_settled_when_both_sides_of_a_row_are() -> None:
    assert settled_until_us(100_000, -20_000, 10_000, keeps_right=False) == closed_until_us(100_000, 10_000)
    assert settled_until_us(100_000, -20_000, 10_000, keeps_right=True) == right_closed_until_us(100_000, -20_000)
    assert settled_until_us(100_000, -5_000, 10_000, keeps_right=True) == closed_until_us(100_000, 10_000)


@pytest.mark.parametrize("within", [(0, 60), (-30, 60), (10, 60), (-60, -10), (-5, 0), (0, 0)])
def test_what_state_can_reach(within: tuple[int, int]) -> None:
    """Every row that can meet a row after the watermark, and every partner of such a row, lies within the reach."""
    low, high = within
    left_us, right_us = state_reach_us(100, low, high)
    for after in range(101, 300):
        lefts = range(after - high, after - low + 1)  # those that a right row at `after` matches
        rights = range(after + low, after + high + 1)  # those that a left row at `after` matches
        partners = [right for left in lefts for right in range(left + low, left + high + 1)]
        assert left_us <= min(lefts) * 1_000
        assert right_us <= min(*rights, *partners) * 1_000
        assert left_us <= min(left for right in rights for left in range(right - high, right - low + 1)) * 1_000
    assert left_us <= closed_until_us(100, high)
