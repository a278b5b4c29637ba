"""From what a sample of the job took to what it takes at another rate. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from plumbline.contract.durations import milliseconds
from plumbline.sizing.coefficients import (
    BATCH_PER_MILLION_EVENTS,
    BATCH_START,
    MOST_WAITING,
    RECONCILE_PER_MILLION_ROWS,
    RECONCILE_START,
    RECORD_OVERHEAD,
    STREAM,
)

if TYPE_CHECKING:
    from plumbline.contract.model import Contract
    from plumbline.document_types import SizeDocument, SizeOfNight, SizeOfStream, SizeOfTable

DAY_S = 86_400
MILLION = 1_000_000


@dataclass(frozen=True)
class SourceSample:
    """What is archived of a source: records, bytes of the archive's files, mean bytes of a record's key and value."""

    records: int
    archive_bytes: int
    message_bytes: float


@dataclass(frozen=True)
class OutputSample:
    """Rows of an output table, and the bytes of its files."""

    rows: int
    bytes: int


@dataclass(frozen=True)
class Sample:
    """What a job has left behind: both sources and the stream table have rows.

    `batch` is None before the first batch run. `state_bytes` is of one row in state; None where too few are in it.
    """

    sources: Mapping[str, SourceSample]
    stream: OutputSample
    batch: OutputSample | None
    state_bytes: float | None = None


def sized(contract: Contract, sample: Sample, rates: Mapping[str, float], days: float) -> SizeDocument:
    """The job at `rates` (source to events per second, spread evenly) for so many days."""
    events = {name: rate * days * DAY_S for name, rate in rates.items()}
    tables = _tables(contract, sample, events)
    return {
        "contract": contract.contract,
        "days": days,
        "events_per_second": dict(rates),
        "sample": {name: source.records for name, source in sample.sources.items()},
        "topics": {
            contract.sources[name].topic: round(events[name] * (source.message_bytes + RECORD_OVERHEAD))
            for name, source in sample.sources.items()
        },
        "tables": tables,
        "stream": _stream(contract, sample, rates),
        "nightly": _nightly(contract, tables, days),
    }


def open_rows(contract: Contract, rates: Mapping[str, float]) -> dict[str, int]:
    """Rows of each source that wait in state, once the first windows have closed.

    Spark keeps a left event until the watermark has passed the last moment at which a right one may match it, and the
    reverse; the watermark is that of the slower source.
    """
    low, high = contract.join.within
    delay = max(contract.left.watermark, contract.right.watermark)
    kept = {contract.join.left: delay + high, contract.join.right: delay - low}
    return {name: round(rates[name] * max(timedelta(0), time).total_seconds()) for name, time in kept.items()}


def _stream(contract: Contract, sample: Sample, rates: Mapping[str, float]) -> SizeOfStream:
    cost, waiting = STREAM[contract.stream.state], open_rows(contract, rates)
    rows = sum(waiting.values())
    per_row = cost.state_bytes_per_row if sample.state_bytes is None else sample.state_bytes
    beyond = max(0, rows - MOST_WAITING) if contract.stream.state == "memory" else 0
    most = contract.stream.max_events_per_epoch
    epochs = max(max(rates.values()) / most, 1 / _every(contract))
    cores = (
        sum(rates.values()) / MILLION * cost.per_million_events
        + epochs * cost.per_epoch
        + epochs * rows / MILLION * cost.per_million_visits
    )
    return {
        "state": contract.stream.state,
        "open_rows": waiting,
        "state_bytes": round(rows * per_row),
        "state_of_sample": sample.state_bytes is not None,
        "memory_bytes": cost.memory + round(beyond * per_row),
        "epochs_per_day": round(epochs * DAY_S),
        "cores": round(cores, 3),
    }


def _every(contract: Contract) -> float:
    """Seconds between two epochs; one without a pause takes about one."""
    return max(1.0, milliseconds(contract.stream.every) / 1000)


def _tables(contract: Contract, sample: Sample, events: Mapping[str, float]) -> dict[str, SizeOfTable]:
    archives = {
        contract.sources[name].archive: _table(events[name], source.archive_bytes / source.records)
        for name, source in sample.sources.items()
    }
    output, held = contract.output, sample.batch or sample.stream
    rows = events[contract.join.left] * held.rows / sample.sources[contract.join.left].records
    stream, batch = (_table(rows, of.bytes / of.rows) for of in (sample.stream, held))
    return {**archives, output.stream_table: stream, output.batch_table: batch}


def _table(rows: float, bytes_each: float) -> SizeOfTable:
    return {"rows": round(rows), "bytes": round(rows * bytes_each)}


def _nightly(contract: Contract, tables: Mapping[str, SizeOfTable], days: float) -> SizeOfNight:
    output = contract.output
    events = sum(tables[source.archive]["rows"] for source in contract.sources.values()) / days
    rows = tables[output.batch_table]["rows"] / days
    return {
        "events": round(events),
        "rows": round(rows),
        "batch_cpu_seconds": round(BATCH_START + events / MILLION * BATCH_PER_MILLION_EVENTS, 1),
        "reconcile_cpu_seconds": round(RECONCILE_START + rows / MILLION * RECONCILE_PER_MILLION_ROWS, 1),
    }
