"""What a range needs and where it lies: pure rules, and one look into an archive's index in DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
import yaml

from plumbline.connect.pinned import connection
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange, micros
from plumbline.contract.reach import input_range, output_range
from plumbline.replay.needs import Fault, Span, archive_extents, archive_faults, archive_spans, needed_ranges, stretches
from plumbline.replay.pieces import Run
from tests.support.scenario import contract_body, within

MINUTE = timedelta(minutes=1)
T0 = datetime(2024, 3, 1, tzinfo=UTC)


def contract(low: int = 0, high: int = 60, kind: str = "left_outer") -> Contract:
    body = contract_body("shop", {"bootstrap.servers": "127.0.0.1:1"})
    body["join"]["kind"] = kind
    body["join"]["within"] = within(low, high)
    return parse(yaml.safe_dump(body))


def minutes(start: int, end: int) -> TimeRange:
    return TimeRange(T0 + start * MINUTE, T0 + end * MINUTE)


@pytest.mark.parametrize(
    ("bounds", "right"),
    [
        pytest.param((0, 60), (100, 260), id="rights of later"),
        pytest.param((-30, 60), (70, 260), id="and of before"),
        pytest.param((5, 10), (105, 210), id="not before the window opens"),
        pytest.param((-30, -10), (70, 190), id="only of before"),
    ],
)
def test_left_as_asked_right_by_the_window(bounds: tuple[int, int], right: tuple[int, int]) -> None:
    assert needed_ranges(contract(*bounds), minutes(100, 200)) == {
        "orders": minutes(100, 200),
        "payments": minutes(*right),
    }


@pytest.mark.parametrize("kind", ["right_outer", "full_outer"])
@pytest.mark.parametrize(
    ("bounds", "left", "right"),
    [
        pytest.param((0, 60), (40, 200), (100, 260), id="lefts of before the range's rights"),
        pytest.param((-30, 60), (40, 230), (70, 260), id="around"),
        pytest.param((5, 10), (90, 200), (100, 210), id="only lefts of before"),
        pytest.param((-30, -10), (100, 230), (70, 200), id="only lefts of later"),
    ],
)
def test_unmatched_rights_need_the_lefts_that_may_match_them(
    kind: str, bounds: tuple[int, int], left: tuple[int, int], right: tuple[int, int]
) -> None:
    found = needed_ranges(contract(*bounds, kind=kind), minutes(100, 200))
    assert found == {"orders": minutes(*left), "payments": minutes(*right)}


@pytest.mark.parametrize("name", ["orders", "payments"])
@pytest.mark.parametrize("kind", ["left_outer", "full_outer"])
@pytest.mark.parametrize("bounds", [(0, 60), (-30, 60), (5, 10), (-30, -10)])
def test_an_event_touches_the_rows_that_need_it(kind: str, bounds: tuple[int, int], name: str) -> None:
    joined, event = contract(*bounds, kind=kind), minutes(100, 101)
    touched = output_range(joined, name, event)
    for minute in range(250):
        row = minutes(minute, minute + 1)
        needs_it = input_range(joined, name, row).intersect(event) is not None
        assert needs_it == (touched.intersect(row) is not None), minute


def test_stretches_of_event_times() -> None:
    """Quarantined rows and rows without a time do not count; a stretch ends where nothing comes for the time given."""
    times = [(3, None), (0, None), (3, None), (13, None), (14, None), (8, "poison"), (None, None)]
    con = connection()
    con.execute('CREATE TABLE a (event_time TIMESTAMPTZ, quarantine_reason VARCHAR, "offset" BIGINT)')
    for offset, (minute, reason) in enumerate(times):
        moment = None if minute is None else T0 + minute * MINUTE
        con.execute("INSERT INTO a VALUES (?, ?, ?)", [moment, reason, offset])
    edges = [[(us - micros(T0)) // 60_000_000 for us in pair] for pair in stretches(con, "a", "true", 10 * MINUTE)]
    assert edges == [[0, 3], [13, 14]]
    assert len(stretches(con, "a", "true", 11 * MINUTE)) == 1
    assert stretches(con, "a", '"offset" > 4', MINUTE) == []


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = connection()
    con.execute(
        'CREATE TABLE archive (partition INTEGER, "offset" BIGINT, event_time TIMESTAMPTZ, quarantine_reason VARCHAR)'
    )
    return con


def fill(con: duckdb.DuckDBPyConnection, rows: Sequence[tuple[int, int, int | None]]) -> None:
    """Rows of partition, offset, minute."""
    times = [None if minute is None else T0 + minute * MINUTE for _, _, minute in rows]
    con.executemany(
        "INSERT INTO archive VALUES (?, ?, ?, NULL)", [(*row[:2], at) for row, at in zip(rows, times, strict=True)]
    )


def test_spans_hold_the_needed_rows_of_each_partition_and_count_them(con: duckdb.DuckDBPyConnection) -> None:
    fill(con, [(0, 0, 5), (0, 1, 10), (0, 2, 99), (0, 3, 19), (0, 4, 20), (1, 7, 10), (1, 8, None), (2, 0, 30)])
    assert archive_spans(con, "archive", minutes(10, 20)) == [Span(0, 1, 4, 2), Span(1, 7, 8, 1)]
    assert archive_spans(con, "archive", minutes(200, 300)) == []
    assert archive_extents(con, "archive") == {0: (0, 5), 1: (7, 9), 2: (0, 1)}


def test_a_record_in_quarantine_lies_in_the_span_and_is_not_counted(con: duckdb.DuckDBPyConnection) -> None:
    fill(con, [(0, 0, 10), (0, 1, 11), (0, 2, 12)])
    con.execute("""UPDATE archive SET quarantine_reason = 'null_key' WHERE "offset" = 1""")
    assert archive_spans(con, "archive", minutes(10, 20)) == [Span(0, 0, 3, 2)]
    assert archive_faults(con, "archive") == {}


def test_holes_and_doubles_inside_the_spans_are_found_by_partition(con: duckdb.DuckDBPyConnection) -> None:
    fill(con, [(0, 0, 1), (0, 2, 1), (0, 2, 1), (0, 3, 1), (1, 4, 1), (1, 5, 1), (1, 9, 1)])
    runs = {partition: [fault.run for fault in faults] for partition, faults in archive_faults(con, "archive").items()}
    assert runs == {0: [Run(1, 2, 0), Run(2, 3, 2)], 1: [Run(6, 9, 0)]}


def us(minute: int) -> int:
    return micros(T0 + minute * MINUTE)


def test_faults_are_found_with_the_times_of_their_neighbours(con: duckdb.DuckDBPyConnection) -> None:
    fill(con, [(0, 3, 5), (0, 4, None), (0, 7, 9), (0, 8, 10), (0, 8, 10), (1, 0, 1), (1, 1, 2)])
    assert archive_faults(con, "archive") == {
        0: [Fault(Run(5, 7), us(5), us(9)), Fault(Run(8, 9, 2), us(10), us(10))],
    }


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        pytest.param(105, 110, True, id="in the range"),
        pytest.param(10, 300, True, id="around the range"),
        pytest.param(10, 20, False, id="long before it"),
        pytest.param(10, 95, True, id="before it by less than the slack"),
        pytest.param(300, 310, False, id="long after it"),
        pytest.param(205, 310, True, id="after it by less than the slack"),
        pytest.param(None, 20, False, id="first, long before"),
        pytest.param(None, 150, True, id="first"),
        pytest.param(150, None, True, id="last"),
    ],
)
def test_a_fault_counts_where_its_neighbours_are_near_the_range(
    before: int | None, after: int | None, may: bool
) -> None:
    fault = Fault(Run(1, 2), *(None if minute is None else us(minute) for minute in (before, after)))
    assert fault.may_hold(minutes(100, 200), slack_us=10 * 60_000_000) is may
