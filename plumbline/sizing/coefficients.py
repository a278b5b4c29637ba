"""What the jobs cost on two cores, as this repository's benchmarks measure it; docs/performance.md has the tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class StreamCost:
    """CPU seconds of the whole streaming job, archivers included, once its JVM is warm; bytes of its memory.

    Events: benchmarks/stream/throughput.py, steady. Epochs: near_empty.py. Each epoch walks through all rows that wait:
    `per_million_visits` is for a million waiting rows in one epoch, from open_rows.py and from throughput.py's profile.
    State and memory: the same two, and sizes.py.
    """

    per_million_events: float
    per_epoch: float
    per_million_visits: float
    state_bytes_per_row: int
    memory: int


STREAM: dict[Literal["memory", "rocksdb"], StreamCost] = {
    "memory": StreamCost(49.2, 1.0, 3.0, 280, 2_000_000_000),
    "rocksdb": StreamCost(66.8, 1.0, 7.0, 280, 1_600_000_000),
}
MOST_WAITING = 250_000
"""Waiting rows that `memory` of the state in memory had; more of them take more."""
BATCH_START, BATCH_PER_MILLION_EVENTS = 22.0, 30.0
RECONCILE_START, RECONCILE_PER_MILLION_ROWS = 2.8, 4.0
"""CPU seconds at the start and per million: of `batch run` in archived events (sizes.py), of a full `reconcile` in
batch rows (benchmarks/reconcile/nightly.py)."""
RECORD_OVERHEAD = 11
"""Bytes that Kafka adds to a record's key and value, its part of a batch's header among them (format v2; sizes.py)."""
