"""What the outcome of a day depends on, as digests that change whenever one of these can have changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.data_files import Files, Times, data_files
from plumbline.contract.archive_columns import archives_of_theirs
from plumbline.contract.lineage import EVENT_TIME, SIDES
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.evidence.quarantine import piece
from plumbline.reconcile.inputs.day_ranges import Untimed, days_of
from plumbline.reconcile.inputs.epoch_spans import Progress
from plumbline.reconcile.inputs.event_times import moment_columns
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.inputs import LEDGER

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.batch_runs import BatchRun


@dataclass(frozen=True)
class Inputs:
    """The digests of one day.

    `rows` covers what every day depends on: its data files in both outputs, the archive files in reach of it, the part
    of it that is in the range, contract, comparison, program. The causes of findings also depend on `runs`: the batch
    runs over the day, and the files with stream rows of no day. Those of extra rows also on `beside`: the files with
    rows that may share a record with the day's.
    """

    rows: str
    runs: str
    beside: str


@dataclass(frozen=True)
class Mark:
    """The epoch ledger up to an epoch of its newest query."""

    query_id: str
    epoch: int
    digest: str


def apart(pins: Pins) -> bool:
    """Whether the range is made of days that can be judged apart from each other.

    Not with an open end, without event times in both outputs, with an archive of another tool, or where an unmatched
    right row may stand on another day than the row it would have been part of.
    """
    output = pins.contract.output
    return (
        not pins.time_range.is_open
        and not pins.contract.join.keeps_right
        and not archives_of_theirs(pins.contract)
        and all(
            pins.snapshots[table] is not None
            and moment_columns(pins.contract, pins.lake.load(table).schema().column_names) == (EVENT_TIME,)
            for table in (output.stream_table, output.batch_table)
        )
    )


def inputs_of(pins: Pins) -> dict[datetime, Inputs]:
    """The digests of each day of the range, from the manifests of the pinned snapshots: no row is read."""
    outputs = [
        _files(pins, table, EVENT_TIME, pins.time_range)
        for table in (pins.contract.output.batch_table, pins.contract.output.stream_table)
    ]
    archives = [_files(pins, source.archive, "event_time", pins.archive_range(side)) for side, source in _sources(pins)]
    settings = _settings(pins, [*outputs, *archives])
    untimed = _files(pins, pins.contract.output.stream_table, EVENT_TIME, Untimed())
    return {
        day: _inputs(pins, part, outputs, archives, settings, untimed) for day, part in days_of(pins.time_range).items()
    }


def mark(pins: Pins, query_id: str, epoch: int) -> Mark:
    """What the ledger says up to that epoch of its newest query, in full of the earlier ones.

    DuckDB promises its hash() for one version only: the version is part of every day's inputs.
    """
    columns = "query_id, epoch, source, partition, start_offset, end_offset, late_watermark_ms, evict_watermark_ms"
    [(rows, digest)] = pins.con.execute(
        f"""
        SELECT count(*), sum(hash(hash({columns}, planned_at))) FROM {LEDGER} WHERE query_id <> $1 OR epoch <= $2
        """,
        [query_id, epoch],
    ).fetchall()
    return Mark(query_id, epoch, f"{rows} {digest}")


def current_mark(pins: Pins, progress: Progress) -> Mark | None:
    """The ledger as it is now; None without one."""
    if progress.query_id is None or progress.last_epoch is None:
        return None
    return mark(pins, progress.query_id, progress.last_epoch)


def _sources(pins: Pins) -> list[tuple[str, Any]]:
    return [("left", pins.contract.left), ("right", pins.contract.right)]


def _files(pins: Pins, table: str, column: str, times: Times) -> Files:
    return data_files(pins.lake, table, pins.snapshots[table], column, times)


def _inputs(
    pins: Pins, part: TimeRange, outputs: list[Files], archives: list[Files], settings: str, untimed: Files
) -> Inputs:
    beside = pins.beside(part)
    reached = zip(SIDES, archives, strict=True)
    rows = {
        "settings": settings,
        "part": str(part),
        "records": [str(piece(pins, side, part)) for side in SIDES],
        "outputs": [files.of(part) for files in outputs],
        "archives": [files.of(pins.reach(side, part)) for side, files in reached],
    }
    runs = [_run(pins, run) for run in pins.runs if run.time_range.intersect(part)]
    seen = [*runs, untimed.of(TimeRange())]
    return Inputs(_digest(rows), _digest(seen), _digest([str(beside), *(files.of(beside) for files in outputs)]))


def _run(pins: Pins, run: BatchRun) -> list[Any]:
    """A batch run, and whether the archive snapshots that it read are still there to be looked into."""
    read = ((pins.contract.left.archive, run.left_archive), (pins.contract.right.archive, run.right_archive))
    there = [pins.has_snapshot(table, snapshot) for table, snapshot in read]
    return [run.snapshot_id, str(run.time_range), run.left_archive, run.right_archive, there]


def _settings(pins: Pins, files: list[Files]) -> str:
    """Everything that is the same for all days."""
    contract = pins.contract
    return _digest(
        {
            "contract": contract.fingerprint(),
            "tolerances": contract.reconcile.model_dump(mode="json", include={"tolerances"}),
            "schemas": [one.schema for one in files],
            "program": _program(),
        }
    )


@cache
def _program() -> str:
    """The sources of all that judges a row: whatever changes in them, no earlier verdict stands."""
    import duckdb

    root = Path(__file__).parents[2]
    folders = ("reconcile", "connect", "contract")
    found = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    body = hashlib.sha256(duckdb.__version__.encode())
    for path in found:
        body.update(path.read_bytes())
    return body.hexdigest()


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
