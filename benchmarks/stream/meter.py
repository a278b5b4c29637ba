"""What a contender takes: from its beginning, and in its steady part."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.stream import cpu, flight

Result = dict[str, Any]

STEADY_FROM = 0.3
PROFILED = ("tasks", "planning and commits")
"""The threads of which a recording tells more."""


class Meter:
    """CPU of this process and its JVM, and events joined; with `flights`, the file of a recording, also on what."""

    def __init__(self, total: int, flights: Path | None) -> None:
        self.total, self.flights, self.begun = total, flights, time.monotonic()
        self.threads = cpu.Threads()
        self.steady: tuple[int, float, dict[str, float]] | None = None

    def look(self, joined: int) -> None:
        """Note the moment when the steady part begins; to be called again and again, while all threads live."""
        spent = self.threads.look()
        if self.steady is None and joined >= STEADY_FROM * self.total:
            if self.flights:
                flight.start(cpu.jvm())
            self.steady = joined, time.monotonic(), spent

    def result(self) -> Result:
        assert self.steady is not None
        joined, since, before = self.steady
        now, spent = time.monotonic(), self.threads.look()
        events = self.total - joined
        threads = {work: (seconds - before[work]) / events * 1e6 for work, seconds in spent.items()}
        found = {
            **whole(spent, self.total),
            "seconds": round(now - self.begun, 1),
            "steady_events_per_second": round(events / (now - since)),
            "steady_cpu_per_million": round(sum(threads.values()), 1),
            "steady_without_compiler": round(sum(threads.values()) - threads["compiler"], 1),
            "peak_mb": cpu.peak_of_both_mb(),
            "threads": threads,
        }
        return found | (self._recorded(threads) if self.flights else {})

    def _recorded(self, threads: dict[str, float]) -> Result:
        assert self.flights is not None
        flight.stop(cpu.jvm(), self.flights)
        shares = {name: flight.shares(self.flights, cpu.THREADS[name]) for name in PROFILED}
        return {name: {work: part * threads[name] for work, part in found.items()} for name, found in shares.items()}


def whole(spent: dict[str, float], events: int) -> Result:
    """Of a whole run, start included: CPU seconds per million events, and without those of the JVM's compiler."""
    seconds = sum(spent.values())
    return {
        "events": events,
        "cpu_per_million": round(seconds / events * 1e6, 1),
        "without_compiler": round((seconds - spent["compiler"]) / events * 1e6, 1),
    }
