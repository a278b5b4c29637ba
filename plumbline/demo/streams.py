"""Both streaming jobs of the demo while the flights are delivered: the join, and beside it its numbers per carrier."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.connect import owners
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.model import Contract
from plumbline.demo.feed import Follower, deliver
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.run import run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.demo.flights.loader import Flights

LOOK_EVERY_SECONDS = 0.1
PARTS = 4
"""Of the year, which the numbers' job sees: to 10 February. The whole year would take minutes more."""


@dataclass(frozen=True)
class Jobs:
    """The two jobs: that of the rows, which also archives, and that of the numbers, which reads its archives."""

    rows: Contract
    numbers: Contract
    home: Home
    spark: SparkSession


def stream(jobs: Jobs, flights: Flights, kafka: Mapping[str, str], advance: Callable[[int], None]) -> None:
    """Run both jobs while the flights are delivered, and end each once it has seen its part of the year.

    `advance` gets the number of events that were taken in since it was last called. Raises KeyboardInterrupt when a
    signal ended the jobs before all was delivered: the rest of the story would be of half a year.
    """
    ended, enough, sent = threading.Event(), threading.Event(), [0]
    rows, numbers = (JobFolder.of(contract, jobs.home).ledger for contract in (jobs.rows, jobs.numbers))

    def on_progress(done: int) -> None:
        advance(done - sent[0])
        sent[0] = done

    def feed() -> None:
        followers = (Follower(rows, ended), Follower(numbers, enough, PARTS))
        deliver(flights, jobs.rows, kafka, followers, ended, on_progress)
        ended.set()

    with _beside((ended, enough), feed, lambda: _run_numbers(jobs, enough)):
        run(jobs.rows, jobs.home, spark=jobs.spark, stop=ended)
    if sent[0] < flights.departures.num_rows + flights.arrivals.num_rows:
        raise KeyboardInterrupt


def _run_numbers(jobs: Jobs, enough: threading.Event) -> None:
    """The second job, once the first has taken the archives: begun at the same moment, either might take one."""
    lake = Lake.open(jobs.home, jobs.numbers.catalog)
    while not all(owners.archive_owner(lake, jobs.numbers, name) for name in jobs.numbers.sources):
        if enough.wait(LOOK_EVERY_SECONDS):
            return
    run(jobs.numbers, jobs.home, stop=enough)


@contextmanager
def _beside(stops: Sequence[threading.Event], *works: Callable[[], None]) -> Iterator[None]:
    """Do each in a thread of its own. Where one fails, all of `stops` are set, and its error is raised at last."""
    failures: list[BaseException] = []

    def stop() -> None:
        for event in stops:
            event.set()

    def do(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)
            stop()

    threads = [threading.Thread(target=do, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
