"""One night: batch, expectations, reconcile and report of one day, each step once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.home import Home
from plumbline.connect.machine import MEMORY
from plumbline.contract.aggregate import whole_windows
from plumbline.contract.identity import identity
from plumbline.contract.ranges import TimeRange, parse_range
from plumbline.nightly import record
from plumbline.nightly.folder import NIGHT, Document, NightFolder, nights_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

FIGURES = ("run_id", "verdict", "settled", "balanced", "counts", "causes", "unexplained", "alerts")


@dataclass(frozen=True)
class Job:
    """What every night of one command works with."""

    contract: Contract
    contract_path: Path
    home: Home
    lake: Lake
    say: Callable[[str], None]
    own_spark: SparkSession | None = None
    memory: str = MEMORY
    threads: int | None = None
    engine: str = "duckdb"

    @cached_property
    def spark(self) -> SparkSession:
        """One session for all nights, started when the first needs it."""
        from plumbline.connect.spark import session

        return self.own_spark or session(self.home, self.lake, app=f"plumbline-nightly-{self.contract.contract}")

    def folder(self, day: date) -> NightFolder:
        """Where the night of that day keeps its files."""
        return NightFolder(nights_of(self.home, self.contract) / day.isoformat())


def spend(job: Job, day: date) -> Document:
    """Do the night of one day, or the rest of one that was killed, and record it.

    Returns `{"contract", "identity", "day", "run_id", "verdict", "settled", "balanced", "counts", "causes",
    "unexplained", "alerts", "expectations", "failed", "batch_snapshot", "report"}`, of an aggregate `"of"` too;
    `expectations` counts all, `failed` lists those that do not hold: `{"on", "expectation", "column", "unexpected",
    "why"}`.
    """
    folder, span = job.folder(day), whole_windows(job.contract, parse_range(on_date=day.isoformat()))
    batch = folder.step("batch", lambda: _with_earlier(job, span, _batch(job, span)))
    checked = folder.step("expectations", lambda: _expectations(job, span))
    run = folder.step("reconcile", lambda: _reconcile(job, span, batch))
    night = folder.step(NIGHT, lambda: _night(job, day, batch, checked, run))
    record.keep(job.lake, night)
    return night


def _batch(job: Job, span: TimeRange) -> Document:
    from plumbline.batch_reference.run import run
    from plumbline.connect.owners import reference_of_theirs

    theirs = reference_of_theirs(job.lake, job.contract)
    if theirs is not None:
        job.say(f"batch: {job.contract.output.batch_table} is your own reference: it is compared as it stands")
        return {"snapshot_id": theirs}
    return dict(run(job.contract, job.home, span, say=job.say, spark=job.spark))


def _with_earlier(job: Job, span: TimeRange, batch: Document) -> Document:
    """With the reconciles of the day that were recorded before: none of them is the night's own."""
    return {**batch, "earlier": record.runs_of(job.lake, job.contract, span)}


def _expectations(job: Job, span: TimeRange) -> Document:
    from plumbline import expectations

    on = ("sources", "stream", "batch")
    return dict(expectations.run(job.contract, job.home, span, on=on, record=True, say=job.say).document)


def _reconcile(job: Job, span: TimeRange, batch: Document) -> Document:
    from plumbline.reconcile.aggregates.run import reconcile_aggregate
    from plumbline.reconcile.run import reconcile

    job.say(f"reconcile: {span}")
    known = record.recorded_run(job.lake, job.contract, span, batch["snapshot_id"], batch.get("earlier", ()))
    if known:
        return known
    sizes: Any = {"memory": job.memory, "threads": job.threads}
    if job.contract.output.aggregate is not None:
        return dict(reconcile_aggregate(job.contract, job.home, span, **sizes).document)
    run = reconcile(job.contract, job.home, span, engine=job.engine, **sizes)
    if job.engine == "auto" and run.engine is not None:
        job.say(f"engine: {run.engine.name}: {run.engine.why}")
    return dict(run.document)


def _night(job: Job, day: date, batch: Document, checked: Document, run: Document) -> Document:
    from plumbline.commands.report import make

    page = make(job.contract_path, job.home, [run["run_id"]], job.folder(day).report)
    return {
        "contract": job.contract.contract,
        "identity": identity(job.contract),
        "day": day.isoformat(),
        **{name: run[name] for name in FIGURES},
        "expectations": sum(len(table["expectations"]) for table in checked["tables"].values()),
        "failed": list(_failed(checked)),
        "batch_snapshot": batch["snapshot_id"],
        "report": page["file"],
        **({} if job.contract.output.aggregate is None else {"of": "lines"}),
    }


def _failed(checked: Document) -> Iterator[dict[str, Any]]:
    for name, table in checked["tables"].items():
        for one in table["expectations"]:
            if not one["success"]:
                yield {"on": name, **{part: one[part] for part in ("expectation", "column", "unexpected", "why")}}
