"""The story: deliver, stream, batch, reconcile, replay the worst week, publish, reconcile again, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from plumbline.connect.home import Home
from plumbline.contract.errors import IncompleteError
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange, from_micros

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.contract.document_types import ClosedRange
    from plumbline.contract.findings import Cause
    from plumbline.demo.document_types import DemoDocument, Holds, NumbersDocument
    from plumbline.demo.flights.loader import Flights
    from plumbline.reconcile.judge.document_types import ReconcileDocument
    from plumbline.replay.document_types import CommitDocument

Say = Callable[[str], None]

TOPIC_PARTITIONS = 2
LATE: tuple[Cause, Cause] = ("late_left", "late_right")


@dataclass(frozen=True)
class Stage:
    """What every act of the demo needs."""

    home: Home
    contract: Contract
    contract_path: Path
    numbers: Contract
    numbers_path: Path
    spark: SparkSession
    say: Say


def tell(stage: Stage, flights: Flights, kafka: Mapping[str, str]) -> DemoDocument:
    """Play all acts; returns `{"year", "numbers", "before", "after", "week", "replay", "report", "holds"}`.

    `year`, `before` and `after` are reconcile documents: the year, its worst week, and that week once repaired.
    `numbers` is what was found of the aggregate.
    """
    from plumbline.commands.report import make as report
    from plumbline.reconcile.run import reconcile

    _stream(stage, flights, kafka)
    stage.say("3/7  batch: the same join over the archive")
    _batch(stage)
    stage.say("4/7  reconcile: both tables, key by key")
    year = reconcile(stage.contract, stage.home).document
    _say_books(stage, year)
    numbers = _numbers(stage)
    week = worst_week(stage, year)
    before = reconcile(stage.contract, stage.home, week).document
    stage.say(f"5/7  replay: the week from {week.start:%Y-%m-%d} has most late rows: {late_rows(before)}")
    published = _repair(stage, before["run_id"])
    stage.say("6/7  reconcile: the repaired week")
    after = reconcile(stage.contract, stage.home, week).document
    stage.say(f"     {after['verdict']}: {after['counts']['match']:,} of {after['counts']['batch']:,} rows match")
    page = report(stage.contract_path, stage.home, [year["run_id"], after["run_id"]], stage.home.root / "report.html")
    stage.say(f"7/7  report: {page['file']}, and of the numbers {numbers['report']}")
    return {
        "week": cast("ClosedRange", week.as_json()),
        "year": year,
        "numbers": numbers,
        "before": before,
        "after": after,
        "replay": published,
        "worst_key": worst_key(stage, year),
        "report": page["file"],
        "holds": holds(year, before, after),
    }


def holds(year: ReconcileDocument, before: ReconcileDocument, after: ReconcileDocument) -> Holds:
    """What the demo promises, one by one."""
    return {
        "every difference explained": year["unexplained"] == 0,
        "books balance": year["balanced"],
        "as the exact rule predicts": year["agrees"],
        "late rows on both sides": all(year["causes"].get(cause, 0) > 0 for cause in LATE),
        "the week had late rows": late_rows(before) > 0,
        "clean after the replay": after["verdict"] == "clean",
    }


def worst_key(stage: Stage, year: ReconcileDocument) -> str:
    """The key of the row that was latest."""
    from plumbline.connect.lake import Lake
    from plumbline.reconcile.report import stored_runs, stories

    lake = Lake.open(stage.home, stage.contract.catalog)
    return stories.worst(stored_runs.findings(lake, year["run_id"]), 1, stage.contract)[0].key


def late_rows(document: ReconcileDocument) -> int:
    """Findings of both late causes."""
    return sum(document["causes"].get(cause, 0) for cause in LATE)


def worst_week(stage: Stage, year: ReconcileDocument) -> TimeRange:
    """The week from Monday to Monday (UTC) with most drift among those that the stream has closed."""
    from plumbline.connect.lake import Lake
    from plumbline.reconcile.document import windows
    from plumbline.replay.settled import settled_end

    closed = settled_end(Lake.open(stage.home, stage.contract.catalog), stage.contract) or from_micros(0)
    drift: dict[Any, int] = {}
    for day in windows(year):
        if day.start is not None:
            monday = day.start - timedelta(days=day.start.weekday())
            drift[monday] = drift.get(monday, 0) + day.drift
    full = {monday: found for monday, found in drift.items() if monday + timedelta(days=7) <= closed}
    if not full:
        raise IncompleteError("no week is closed yet", next_step="deliver more flights")
    start = max(full, key=lambda monday: full[monday])
    return TimeRange(start, start + timedelta(days=7))


def _stream(stage: Stage, flights: Flights, kafka: Mapping[str, str]) -> None:
    from plumbline.demo.streams import Jobs, stream
    from plumbline.output import progress

    total = flights.departures.num_rows + flights.arrivals.num_rows
    stage.say(f"2/7  stream: {total:,} events of a year, delivered as they happened; join, archiver and ledger run,")
    stage.say("     and until 10 February a second job: the numbers per carrier and day")
    with progress(total, "     events streamed") as advance:
        stream(Jobs(stage.contract, stage.numbers, stage.home, stage.spark), flights, kafka, advance)


def _batch(stage: Stage) -> None:
    from plumbline.batch_reference.run import run

    result = run(stage.contract, stage.home, TimeRange(), spark=stage.spark)
    stage.say(f"     {result['rows']:,} rows in {result['table']}")


def _numbers(stage: Stage) -> NumbersDocument:
    from plumbline.demo.numbers import compare

    stage.say("     and the numbers, line by line, from a batch reference of their own")
    return compare(stage.numbers, stage.numbers_path, stage.home, stage.spark, stage.say)


def _say_books(stage: Stage, year: ReconcileDocument) -> None:
    counts, causes = year["counts"], year["causes"]
    found = ", ".join(f"{cause} {n:,}" for cause, n in sorted(causes.items())) or "no differences"
    stage.say(f"     batch {counts['batch']:,} = match {counts['match']:,} + the rest: {found}")
    stage.say(f"     unexplained {year['unexplained']}, {'as' if year['agrees'] else 'NOT as'} the exact rule predicts")


def _repair(stage: Stage, run_id: str) -> CommitDocument:
    """Plan what repairs the reconcile run of a week, which is one range; run, audit and publish it."""
    from plumbline.replay.audit import check
    from plumbline.replay.play import cut_and_play
    from plumbline.replay.publish import replace_range
    from plumbline.replay.series import Several, plan_several
    from plumbline.replay.steps import open_replay

    planned = plan_several(stage.contract, stage.contract_path, stage.home, Several(TimeRange(), run_id))
    published: CommitDocument | None = None
    for body in planned["replays"]:
        replay = open_replay(stage.home, body["replay_id"])
        stage.say(f"     {replay.plan.time_range} holds them: played again, with nothing late")
        cut_and_play(replay, spark=stage.spark)
        checked = check(replay)
        stage.say(f"     audit {'passed' if checked['passed'] else 'failed'}: {checked['checks'][0]['found']}")
        published = replace_range(replay)
        stage.say(f"     published {published['rows']:,} rows as {replay.id}")
    assert published is not None, "the worst week has late rows"
    return published
