"""What a recovery of a reduced source's join decides without Spark: how far back it reads, and which windows the rows
of an epoch that no ledger recorded show to be written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest

from plumbline.contract.loader import parse
from plumbline.replay.recover import border
from plumbline.replay.recover.lines import reach_us
from plumbline.replay.recover.past import Past
from tests.support.reduced import TEXT

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
CONTRACT = parse(TEXT)


def us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("watermark", "right"),
    [
        pytest.param(NOON, NOON.replace(hour=10, minute=50), id="the window before, of which state may hold the end"),
        pytest.param(NOON.replace(minute=7), NOON.replace(hour=11), id="a window begun"),
    ],
)
def test_reads_whole_windows(watermark: datetime, right: datetime) -> None:
    left_us, right_us = reach_us(CONTRACT, us(watermark) // 1000)
    assert left_us == us(watermark - timedelta(hours=1, milliseconds=1))
    assert right_us == us(right)


@pytest.mark.parametrize(
    ("event_time", "paid_at", "watermark"),
    [
        pytest.param(NOON, NOON.replace(minute=3), NOON.replace(minute=10), id="the window of what was taken"),
        pytest.param(NOON, NOON.replace(minute=10), NOON.replace(minute=20), id="its first moment"),
        pytest.param(NOON, None, NOON.replace(hour=13) + timedelta(milliseconds=1), id="a row without partner"),
    ],
)
def test_the_watermark_that_a_row_shows(event_time: datetime, paid_at: datetime | None, watermark: datetime) -> None:
    with duckdb.connect() as con:
        con.execute(
            f"CREATE TABLE {border.WRITTEN} AS SELECT ?::TIMESTAMPTZ AS _event_time, 0 AS _left_offset, "
            "CASE WHEN ? IS NOT NULL THEN 7 END AS _right_offset, ?::TIMESTAMPTZ AS _right_event_time",
            [event_time, paid_at, paid_at],
        )
        past: Any = cast("Past", SimpleNamespace(con=con))
        assert border._closed_watermark_ms(past, CONTRACT) == us(watermark) // 1000
