"""`plumbline reconcile`: the stream table held to the batch table, with a cause for every difference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.options import (
    contract_argument,
    engine_option,
    home_option,
    json_option,
    memory_option,
    range_options,
    threads_option,
)
from plumbline.output import emit, say

if TYPE_CHECKING:
    from plumbline.contract.model import Contract
    from plumbline.reconcile.run import Run

OF_ROWS = {
    "against": "a line of an aggregate is proven by making it again from its rows, which needs no third table",
    "edges": "it counts rows that came out by a hair; `plumbline lateness` says how many lines other delays would cost",
    "engine spark": "DuckDB alone compares the lines of an aggregate",
}
"""The options that a contract with output.aggregate refuses, and why."""


@click.command(short_help="Compare the stream table with the batch table and name each difference's cause.")
@contract_argument
@range_options
@click.option("--require-settled", is_flag=True, help="Exit 3 while a window of the range is still open.")
@click.option("--alerts-only", is_flag=True, help="Exit 1 only when a limit of reconcile.fail_when is crossed.")
@click.option(
    "--against",
    metavar="replay:ID",
    help="Also compare with a faithful replay of the range (or a table with its rows, NAMESPACE.TABLE).",
)
@click.option("--full", is_flag=True, help="Read every day again, including days that nothing has touched.")
@click.option("--edges", is_flag=True, help="Count borderline cases: tolerances, window bounds, watermarks.")
@click.option("--out", type=click.Path(dir_okay=False), help="Write the findings as Parquet.")
@memory_option
@threads_option
@engine_option
@home_option
@json_option
def reconcile(
    contract_path: Path,
    time_range: TimeRange,
    alerts_only: bool,
    against: str | None,
    home: Home,
    as_json: bool,
    **options: Any,
) -> int:
    """Compare both outputs key by key over pinned snapshots and name the cause of each difference.

    Without a range: what the batch runs cover. Rows whose window the stream has not closed are pending, never drift.
    The run and its findings are stored in plumbline.runs and plumbline.findings; repeating it adds nothing. Days are
    not read again if their files and everything else that they depend on have not changed since an earlier run.

    With --against each finding also gets a fault: lateness, inputs or logic where the faithful replay agrees with the
    live table, engine where it agrees with the batch table. Without a range: what was replayed.

    With --engine spark the rows that may differ are found by Spark, on the cluster that $PLUMBLINE_SPARK_MASTER names,
    and only these come here; verdict, findings and document are the same.

    Of a contract with output.aggregate the lines of closed windows are compared, and each difference is proven by
    making the batch's line again without the rows that the stream did not make; --against, --edges and --engine spark
    are for rows.

    \b
    Exit codes: 0 clean, 1 drift, 3 incomplete: the books do not balance, the batch reference does not cover the
    range, neither table holds a row of it (unless it is settled and a batch run covers it), nothing differs but rows of
    a job of your own are of epochs that were not observed yet or may be held back behind its join, or --require-settled
    and a window is open. With
    --alerts-only, drift within the limits of reconcile.fail_when is 0 too.

    \b
    Examples:
      plumbline reconcile flights.yaml
      plumbline reconcile flights.yaml --date 2013-01-15 --out drift.parquet
      plumbline reconcile flights.yaml --last 24h --require-settled --json
      plumbline reconcile flights.yaml --last 24h --alerts-only
      plumbline reconcile flights.yaml --against replay:20130708-7d-1a2b3c4d
      plumbline reconcile flights.yaml --last 30d --full
      plumbline reconcile flights.yaml --last 30d --engine auto
    """
    from plumbline.contract.loader import load
    from plumbline.reconcile.run import reconcile as run_it

    contract = load(contract_path, aggregates=True, upserts=True, reduced=True)
    if contract.output.aggregate is not None:
        return _of_aggregate(
            contract, contract_path, home, time_range, as_json, alerts_only, {**options, "against": against}
        )
    table, time_range = _third(home, against, time_range)
    run = run_it(contract, home, time_range, against=table, **options)
    if options["engine"] == "auto" and run.engine is not None:
        say(f"engine: {run.engine.name}: {run.engine.why}")
    told = _recreated_topics(contract, home)
    document = {**run.document, "topics_made_anew": told} if told else run.document
    emit(document, as_json, lambda console: _show(run, contract, contract_path, home, console))
    return 0 if alerts_only and run.exit_code == 1 and not run.document["alerts"] else run.exit_code


def _of_aggregate(
    contract: Contract,
    contract_path: Path,
    home: Home,
    time_range: TimeRange,
    as_json: bool,
    alerts_only: bool,
    options: dict[str, Any],
) -> int:
    from plumbline.reconcile.aggregates.run import reconcile_aggregate
    from plumbline.reconcile.aggregates.terminal import show

    engine = options.pop("engine")
    options["engine spark"] = engine == "spark"
    for name, why in OF_ROWS.items():
        if options.pop(name):
            raise UsageError(f"--{name} is for rows: {why}", where=str(contract_path), next_step="leave it out")
    del options["full"]  # all is read anyway
    if engine == "auto":
        say("engine: duckdb: it alone compares the lines of an aggregate")
    run = reconcile_aggregate(contract, home, time_range, **options)
    told = _recreated_topics(contract, home)
    document = {**run.document, "topics_made_anew": told} if told else run.document
    emit(document, as_json, lambda console: show(run.document, str(contract_path), console))
    return 0 if alerts_only and run.exit_code == 1 and not run.document["alerts"] else run.exit_code


def _recreated_topics(contract: Contract, home: Home) -> list[str]:
    """Say on stderr which topics were recreated: the tables may agree, and yet nobody reads what comes now."""
    from plumbline.connect.lake import Lake
    from plumbline.stream_job.topics import recreated_topics

    told = recreated_topics(contract, home, Lake.open(home, contract.catalog))
    for line in told:
        say(f"reconcile: warning: {line}")
    return told


def _show(run: Run, contract: Contract, contract_path: Path, home: Home, console: Any) -> None:
    from plumbline.reconcile.report.context import Facts
    from plumbline.reconcile.report.terminal import show

    show(run, Facts(contract, str(contract_path), home.option), console)


def _third(home: Home, against: str | None, time_range: TimeRange) -> tuple[str | None, TimeRange]:
    """The third table to compare with, and the range: the replay's own where none is given."""
    if against is None:
        return None, time_range
    kind, colon, replay_id = against.partition(":")
    if not colon and "." in against and all(against.split(".")):
        return against, time_range
    if kind != "replay" or not colon:
        raise UsageError(
            f"--against {against!r} is not a {'replay' if colon else 'table'}",
            next_step="write --against replay:ID or NAMESPACE.TABLE",
        )
    from plumbline.replay.plan import read_plan
    from plumbline.replay.store import ReplayFolder

    folder = ReplayFolder.find(home, replay_id)
    plan = read_plan(folder)
    if plan.late != "faithful":
        raise UsageError(
            f"replay {folder.id} is not a faithful one: nothing is late in it, so it says nothing about the live run",
            next_step="plan it with --late faithful",
        )
    return plan.staging_table, plan.time_range if time_range.is_open else time_range
