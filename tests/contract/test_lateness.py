"""The exact rules of lateness and of closed windows, at their edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.contract.lateness import (
    closed_until_us,
    is_closed,
    is_late,
    output_watermark_ms,
    right_closed_until_us,
    settled_until_us,
    state_reach_us,
    window_is_closed,
)
from tests.support import join_model


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


@st.composite
def joined_rows(draw: st.DrawFn) -> tuple[int, int, list[int], list[tuple[int, int]]]:
    """Bounds of `within` (ms), watermarks of the epochs (ms), and rows as (epoch that wrote it, its time in us).

    By the model of the tests: a pair comes out when the later of its events is read, a left event alone in the epoch
    whose watermark closes it; late events make no row.
    """
    low, high = sorted((draw(st.integers(-50, 50)), draw(st.integers(-50, 50))))
    marks = [0, *sorted(draw(st.lists(st.integers(1, 300), min_size=1, max_size=5)))]
    events = st.tuples(st.integers(1, len(marks) - 1), st.integers(0, 400_000), st.booleans())
    read = [one for one in draw(st.lists(events, max_size=6)) if not join_model.is_late(one[1], marks[one[0] - 1])]
    lefts, rights = ([one[:2] for one in read if one[2] is side] for side in (True, False))
    rows = [(max(a, b), us) for a, us in lefts for b, other in rights if low * 1000 <= other - us <= high * 1000]
    alone = [
        (next(epoch for epoch in range(came, len(marks)) if join_model.is_closed(us, marks[epoch], high)), us)
        for came, us in lefts
        if join_model.is_closed(us, marks[-1], high)
    ]
    return low, high, marks, rows + alone


@given(joined_rows(), st.integers(1, 100_000))
def test_no_row_of_the_join_comes_behind_the_windows_clock(
    made: tuple[int, int, list[int], list[tuple[int, int]]], window_us: int
) -> None:
    """So the operator that adds them up drops none of them: what is late is late at the join."""
    low, high, marks, rows = made
    for epoch, us in rows:
        end = us // window_us * window_us + window_us
        assert not window_is_closed(end, marks[epoch - 1], low, high)


def test_windows_close_by_what_has_left_the_state_of_both_sides() -> None:
    """Within an hour after the left event, the watermark at 13:05 lets go of windows up to 12:04:59.999."""
    minute = 60_000
    assert output_watermark_ms(785 * minute, 0, 60 * minute) == 725 * minute - 1
    assert output_watermark_ms(785 * minute, -120 * minute, 60 * minute) == 665 * minute - 1
    assert output_watermark_ms(785 * minute, 5 * minute, 30 * minute) == 755 * minute - 1
    assert window_is_closed(720 * minute * 1000, 785 * minute, 0, 60 * minute)
    assert not window_is_closed(725 * minute * 1000, 785 * minute, 0, 60 * minute)
