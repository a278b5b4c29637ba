"""Which flights the stream of flights.yaml loses as late, predicted from Spark's rule in plain Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import plumbline
from plumbline.contract.durations import milliseconds
from plumbline.demo.flights import loader
from tests.support.late_rule import cut, late_events, logged_watermarks

FLIGHTS = plumbline.load(Path(loader.__file__).with_name("flights.yaml"))
DELAYS = {name: milliseconds(source.watermark) for name, source in FLIGHTS.sources.items()}


def event_times_ms(flights: loader.Flights) -> dict[str, list[int]]:
    tables = {"departures": flights.departures, "arrivals": flights.arrivals}
    return {name: (table["event_time"].to_numpy().astype("int64") // 1000).tolist() for name, table in tables.items()}


def epochs_of_a_stream_that_keeps_up(flights: loader.Flights) -> Iterator[dict[str, list[int]]]:
    """One epoch for each part, and after it the one without data that Spark runs when the watermark has moved."""
    for part in loader.parts(flights):
        yield event_times_ms(part)
        yield {name: [] for name in DELAYS}


@pytest.mark.parametrize(
    ("epochs", "late"),
    [
        pytest.param([[100], [10], [10]], [(2, 0)], id="dropped by what came two epochs before, not one"),
        pytest.param([[100], [], [10, 91]], [(2, 0)], id="an epoch without data lets the watermark catch up"),
        pytest.param([[100], [], [90, 91]], [(2, 0)], id="exactly at the watermark is late"),
        pytest.param([[100], [], [5], [200]], [(2, 0)], id="late events do not move the watermark back"),
        pytest.param([[5]], [], id="the first epoch drops nothing"),
    ],
)
def test_late_rule(epochs: list[list[int]], late: list[tuple[int, int]]) -> None:
    assert late_events({"one": epochs}, {"one": 10}) == {"one": late}


def test_watermark_follows_the_slower_source_and_never_falls() -> None:
    epochs = {"fast": [[1000], [2000], [10]], "slow": [[50], [40], [90]]}
    assert logged_watermarks(epochs, {"fast": 0, "slow": 10}) == [0, 40, 40]


@pytest.mark.parametrize(("size", "count"), [(5_000, 66), (20_000, 17)])
def test_read_in_one_go_no_flight_is_late(year: loader.Flights, size: int, count: int) -> None:
    epochs = {name: cut(times, size) for name, times in event_times_ms(year).items()}
    assert [len(batches) for batches in epochs.values()] == [count, count]
    assert late_events(epochs, DELAYS) == {"departures": [], "arrivals": []}


def test_delivered_in_parts_a_few_hundred_are_late_on_each_side(year: loader.Flights) -> None:
    delivered = list(epochs_of_a_stream_that_keeps_up(year))
    late = late_events({name: [epoch[name] for epoch in delivered] for name in DELAYS}, DELAYS)
    assert len(delivered) == 74
    assert {name: len(dropped) for name, dropped in late.items()} == {"departures": 331, "arrivals": 281}


def test_the_contract_describes_the_messages(year: loader.Flights) -> None:

    for name, table in (("departures", year.departures), ("arrivals", year.arrivals)):
        assert list(json.loads(table["value"][0].as_py())) == list(FLIGHTS.sources[name].fields)
    assert (FLIGHTS.sources["departures"].topic, FLIGHTS.sources["arrivals"].topic) == (
        loader.DEPARTURES,
        loader.ARRIVALS,
    )
