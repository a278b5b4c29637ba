"""Ranges aligned to partitions: whole ones, no more than needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.batch_reference.range_overwrite import align
from plumbline.contract.ranges import TimeRange

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
ON_THE_HOUR = MOMENTS.map(lambda moment: moment.replace(minute=0, second=0, microsecond=0))
AT_MIDNIGHT = ON_THE_HOUR.map(lambda moment: moment.replace(hour=0))
ANY = st.one_of(MOMENTS, ON_THE_HOUR, AT_MIDNIGHT, AT_MIDNIGHT.map(lambda moment: moment.replace(day=1)))
UNITS = {"hour": "%Y%m%d%H", "day": "%Y%m%d", "month": "%Y%m"}
STEP = timedelta(microseconds=1)


@pytest.mark.parametrize("unit", UNITS)
@given(a=ANY, b=ANY, probe=ANY)
def test_aligned_holds_exactly_the_partitions_that_the_range_touches(
    unit: str, a: datetime, b: datetime, probe: datetime
) -> None:
    start, end = min(a, b), max(a, b) + STEP
    aligned = align(TimeRange(start, end), unit)
    named = UNITS[unit]
    touched = start.strftime(named) <= probe.strftime(named) <= (end - STEP).strftime(named)
    assert aligned.contains(probe) is touched
    for edge in (aligned.start, aligned.end):
        assert edge is not None
        assert edge.strftime(named) != (edge - STEP).strftime(named)


@pytest.mark.parametrize("unit", UNITS)
@given(start=ANY, length=st.timedeltas(STEP, timedelta(days=90)))
def test_aligning_again_changes_nothing(unit: str, start: datetime, length: timedelta) -> None:
    once = align(TimeRange(start, start + length), unit)
    assert align(once, unit) == once


@pytest.mark.parametrize("unit", UNITS)
def test_an_open_end_stays_open(unit: str) -> None:
    moment = datetime(2024, 3, 5, 6, 7, tzinfo=UTC)
    assert align(TimeRange(None, moment), unit).start is None
    assert align(TimeRange(moment, None), unit).end is None
    assert align(TimeRange(), unit) == TimeRange()


def test_a_table_without_partitions_is_one_partition() -> None:
    assert align(TimeRange(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)), "none") == TimeRange()
