"""`plumbline nightly`: what a scheduler calls once a day."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.connect.machine import MEMORY
from plumbline.contract.durations import parse_duration
from plumbline.contract.errors import UsageError
from plumbline.options import contract_argument, engine_option, home_option, json_option, threads_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.nightly.document_types import NightlyDocument


def _day(_ctx: click.Context, option: click.Parameter, value: str | None) -> date | None:
    try:
        return None if value is None else date.fromisoformat(value.strip())
    except ValueError:
        raise UsageError(f"{option.opts[0]} {value!r} is not a day", next_step="write it as 2013-01-15") from None


def _age(_ctx: click.Context, option: click.Parameter, value: str) -> timedelta:
    age = parse_duration(value)
    if age < timedelta(days=1):
        raise UsageError(f"{option.opts[0]} {value!r} is less than a day", next_step="write it such as '90 days'")
    return age


def _url(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    from plumbline.nightly.webhook import checked

    return checked(value) if value else None


@click.command(short_help="Process every day that is due: batch, expectations, reconcile, report, old files.")
@contract_argument
@click.option("--date", "day", metavar="DAY", callback=_day, help="This day (UTC) only: 2013-01-15.")
@click.option("--again", is_flag=True, help="With --date: also if that day has been processed.")
@click.option(
    "--since", metavar="DAY", callback=_day, help="Catch up from this day on, if no earlier day has been processed."
)
@click.option(
    "--at-most", metavar="DAYS", default=31, show_default=True, type=click.IntRange(min=1), help="Days in one go."
)
@click.option(
    "--keep",
    metavar="AGE",
    default="90 days",
    show_default=True,
    callback=_age,
    help="Remove the files of nights made longer ago than this.",
)
@click.option("--alerts-only", is_flag=True, help="Drift counts only when a limit of reconcile.fail_when is crossed.")
@click.option(
    "--webhook",
    metavar="URL",
    envvar="PLUMBLINE_WEBHOOK",
    callback=_url,
    help="Post a message in Slack's format. Prefer $PLUMBLINE_WEBHOOK: others can read a command line.",
)
@click.option("--memory", default=MEMORY, show_default=True, metavar="SIZE", help="Memory limit of the reconcile.")
@threads_option
@engine_option
@home_option
@json_option
def nightly(
    contract_path: Path,
    day: date | None,
    again: bool,
    since: date | None,
    at_most: int,
    keep: timedelta,
    alerts_only: bool,
    webhook: str | None,
    memory: str,
    threads: int | None,
    engine: str,
    home: Home,
    as_json: bool,
) -> int:
    """Process every day that is due: the batch reference of the day, the expectations, the reconcile, the report; then
    send one message and remove old files.

    A day is due when it is over, the stream has settled it, and it has no night yet; days that were missed are caught
    up, oldest first. If it is killed at any moment and started again, it continues where it was; a day is recorded
    once. When nothing is due, the exit code is that of the last night.

    Of a contract with output.aggregate whole windows are compared, and of the expectations those of the sources hold.
    Of one with output.mode: upsert the whole day is compared, as it stands in both tables.

    \b
    Exit codes: 0 all clean, 1 drift or an expectation that fails, 3 incomplete: days are left beyond
    --at-most, the message could not be sent, a verdict is incomplete, or another nightly is running.

    \b
    Examples:
      plumbline nightly flights.yaml
      plumbline nightly flights.yaml --date 2013-01-15
      plumbline nightly flights.yaml --since 2013-01-01 --at-most 7 --alerts-only
    """
    from plumbline.connect.lake import Lake
    from plumbline.contract.loader import load
    from plumbline.nightly import run
    from plumbline.nightly.night import Job
    from plumbline.reconcile.inputs.engines import refuse_of_spark

    _refuse_at_odds(day, since, again=again)
    asked = run.Options(day, since, again, at_most, keep, alerts_only, webhook)
    contract = load(contract_path, aggregates=True, upserts=True)
    lake = Lake.open(home, contract.catalog)
    refuse_of_spark(contract, engine)
    job = Job(contract, contract_path, home, lake, say, memory=memory, threads=threads, engine=engine)
    result = run.nightly(job, asked)
    emit(result, as_json, lambda console: _show(result, console))
    return int(result["exit_code"])


def _refuse_at_odds(day: date | None, since: date | None, *, again: bool) -> None:
    if day and since:
        raise UsageError("--date and --since exclude each other", next_step="keep one of them")
    if again and not day:
        raise UsageError("--again needs a day", next_step="name it with --date")


def _show(result: NightlyDocument, console: Console) -> None:
    from plumbline.nightly.message import line_of

    nights, last = result["nights"], result["last"]
    for night in nights:
        console.print(line_of(night))
    verdicts = [night["verdict"] for night in nights]
    found = ", ".join(f"{verdicts.count(name)} {name}" for name in dict.fromkeys(verdicts))
    parts = [
        f"nightly {result['contract']}: {found or 'nothing was due'}",
        *([f"as it stands: {line_of(last)}"] if last else []),
        *([f"{result['left']} days left"] if result["left"] else []),
        *([f"{result['removed']} old nights removed"] if result["removed"] else []),
        *([f"message {result['message']}"] if result["message"] != "none" else []),
    ]
    console.print("; ".join(parts))
