"""Which days are due."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from plumbline.contract.ranges import micros
from plumbline.nightly.days import Due, due, newest_ended

NOW = datetime(2024, 3, 10, 3, tzinfo=UTC)


def march(*days: int) -> tuple[date, ...]:
    return tuple(date(2024, 3, day) for day in days)


@pytest.mark.parametrize(
    ("settled", "newest"),
    [
        pytest.param(None, 9, id="without a ledger the clock decides: yesterday"),
        pytest.param(datetime(2024, 3, 10, 2, tzinfo=UTC), 9, id="a settled stream waits for the clock"),
        pytest.param(datetime(2024, 3, 8, 23, 59, 59, 999_999, tzinfo=UTC), 8, id="settled to the day's last moment"),
        pytest.param(datetime(2024, 3, 8, 23, 59, 59, 999_998, tzinfo=UTC), 7, id="one microsecond of the day is open"),
    ],
)
def test_the_newest_day_is_over_and_settled(settled: datetime | None, newest: int) -> None:
    assert newest_ended(None if settled is None else micros(settled), NOW) == date(2024, 3, newest)


def test_a_stream_that_has_settled_nothing_yet_has_no_day() -> None:
    assert newest_ended(-90_000_000_000, NOW) < date(1970, 1, 1)


@pytest.mark.parametrize(
    ("done", "since", "at_most", "wanted"),
    [
        pytest.param((), None, 31, Due(march(9)), id="a first night looks at one day"),
        pytest.param((), 7, 31, Due(march(7, 8, 9)), id="or at all since a day"),
        pytest.param((8,), None, 31, Due(march(9)), id="the next night"),
        pytest.param((9,), None, 31, Due(), id="nothing is due"),
        pytest.param((2,), None, 31, Due(march(3, 4, 5, 6, 7, 8, 9)), id="a missed week"),
        pytest.param((5, 6, 8), None, 31, Due(march(7, 9)), id="a day that was left out"),
        pytest.param((2,), None, 3, Due(march(3, 4, 5), 4), id="no more than the bound, oldest first"),
        pytest.param((8,), 6, 31, Due(march(6, 7, 9)), id="since an earlier day than the first"),
        pytest.param((6,), 8, 31, Due(march(7, 8, 9)), id="since a later day leaves no gap"),
        pytest.param((9,), 12, 31, Due(), id="a day to come"),
    ],
)
def test_days_are_due_once(done: tuple[int, ...], since: int | None, at_most: int, wanted: Due) -> None:
    start = None if since is None else date(2024, 3, since)
    assert due(march(*done), date(2024, 3, 9), start, at_most) == wanted
