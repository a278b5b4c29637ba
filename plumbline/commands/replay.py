"""`plumbline replay`: a time range through the same job again, from Kafka or the archive, published and undone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connect.home import Home
from contract.ranges import TimeRange
from plumbline.options import contract_argument, home_option, json_option, range_options
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

replay_argument = click.argument("replay_id", metavar="REPLAY")
execute_option = click.option("--execute", is_flag=True, help="Do it. Without this, show what would be done and stop.")


@click.group(short_help="Replay a time range and publish the result.")
def replay() -> None:
    """Replay a time range through the same join code, check the result, publish it in one commit, or undo that.

    \b
    Examples:
      plumbline replay plan flights.yaml --from 2013-07-08T00:00Z --to 2013-07-15T00:00Z
      plumbline replay run latest --execute
      plumbline replay audit 20130708-7d-1a2b3c4d
      plumbline replay publish 20130708-7d-1a2b3c4d --execute
      plumbline replay rollback 20130708-7d-1a2b3c4d --execute

    REPLAY is an id as `replay plan` prints it, the path of a plan file, or `latest`: the plan made last.
    """


@replay.command(short_help="Plan a range: what it needs, where that lies, what it would replace.")
@contract_argument
@range_options
@click.option(
    "--source",
    type=click.Choice(["auto", "kafka", "iceberg"]),
    default="auto",
    show_default=True,
    help="Where the events come from: the topics, or the archive at a pinned snapshot.",
)
@click.option(
    "--late",
    type=click.Choice(["complete", "faithful"]),
    default="complete",
    show_default=True,
    help="complete: nothing is late. faithful: the recorded epochs again (planned).",
)
@home_option
@json_option
def plan(contract_path: Path, time_range: TimeRange, source: str, late: str, home: Home, as_json: bool) -> None:
    """Plan a replay and keep the plan. The same range over the same data gives the same plan and id.

    The range is of left event times. Refused while the live stream can still emit rows of it, and when input is gone.

    \b
    Examples:
      plumbline replay plan flights.yaml --from 2013-07-08T00:00Z --to 2013-07-15T00:00Z
      plumbline replay plan flights.yaml --date 2013-07-08 --source kafka --json
    """
    from contract.loader import load
    from replay.plan import make_plan

    made = make_plan(load(contract_path), contract_path, home, time_range, source=source, late=late)
    emit(made.as_json(), as_json, lambda console: _show_plan(made.as_json(), home, console))


@replay.command(short_help="Cut the tape and play it into a staging table.")
@replay_argument
@execute_option
@home_option
@json_option
def run(replay_id: str, execute: bool, home: Home, as_json: bool) -> None:
    """Cut the tape of a plan and play it through the join into a staging table. Resumes after a kill.

    \b
    Examples:
      plumbline replay run 20130708-7d-1a2b3c4d
      plumbline replay run 20130708-7d-1a2b3c4d --execute --json
    """
    from replay.play import run as play
    from replay.steps import open_replay

    contract, made, folder = open_replay(home, replay_id)
    if not execute:
        _only_shown(f"would cut {made.estimate['rows']:,} rows and play them into {made.staging_table}", made, as_json)
        return
    result = play(contract, home, made, folder, say=say)
    emit(result, as_json, lambda console: console.print(f"{result['rows']:,} rows in {result['staging']}"))


@replay.command(short_help="Check a finished replay against its plan, the batch reference and the live table.")
@replay_argument
@home_option
@json_option
def audit(replay_id: str, home: Home, as_json: bool) -> None:
    """Check a finished replay. Exit 1 when a check fails; publish then refuses.

    \b
    Examples:
      plumbline replay audit 20130708-7d-1a2b3c4d
      plumbline replay audit 20130708-7d-1a2b3c4d --json
    """
    from replay.audit import audit as check
    from replay.steps import open_replay

    contract, made, folder = open_replay(home, replay_id)
    result = check(contract, home, made, folder)
    emit(result, as_json, lambda console: _show_audit(result, home, console))
    if not result["passed"]:
        raise SystemExit(1)


@replay.command(short_help="Replace the range of the stream table by the replayed rows, in one commit.")
@replay_argument
@execute_option
@home_option
@json_option
def publish(replay_id: str, execute: bool, home: Home, as_json: bool) -> None:
    """Publish an audited replay. Readers see the old rows or the new ones, never a part; publishing twice is a no-op.

    \b
    Examples:
      plumbline replay publish 20130708-7d-1a2b3c4d
      plumbline replay publish 20130708-7d-1a2b3c4d --execute
    """
    from replay.audit import audit as check
    from replay.publish import publish as replace
    from replay.steps import open_replay

    contract, made, folder = open_replay(home, replay_id)
    if folder.read("audit") is None:
        check(contract, home, made, folder)
    if not execute:
        _only_shown(f"would replace {made.replaces['rows']:,} rows of {made.replaces['table']}", made, as_json)
        return
    result = replace(contract, home, made, folder)
    emit(result, as_json, lambda console: _show_commit(result, "published", console))


@replay.command(short_help="Bring back what the range held before the replay was published.")
@replay_argument
@execute_option
@home_option
@json_option
def rollback(replay_id: str, execute: bool, home: Home, as_json: bool) -> None:
    """Undo a published replay in one commit; rows that came since stay.

    \b
    Examples:
      plumbline replay rollback 20130708-7d-1a2b3c4d
      plumbline replay rollback 20130708-7d-1a2b3c4d --execute
    """
    from replay.publish import rollback as restore
    from replay.steps import open_replay

    contract, made, _folder = open_replay(home, replay_id)
    if not execute:
        _only_shown("would bring back the rows from before the replay", made, as_json)
        return
    result = restore(contract, home, made)
    emit(result, as_json, lambda console: _show_commit(result, "rolled back", console))


@replay.command(short_help="How far a replay has come, and the next command.")
@replay_argument
@home_option
@json_option
def status(replay_id: str, home: Home, as_json: bool) -> None:
    """Tell how far a replay has come and which command goes on.

    \b
    Examples:
      plumbline replay status 20130708-7d-1a2b3c4d
      plumbline replay status 20130708-7d-1a2b3c4d --json
    """
    from replay.steps import open_replay
    from replay.steps import status as look

    result = look(home, *open_replay(home, replay_id))
    emit(result, as_json, lambda console: _show_status(result, console))


@replay.command("list", short_help="All replays of the home and their states.")
@home_option
@json_option
def list_(home: Home, as_json: bool) -> None:
    """List the replays of the home folder.

    \b
    Examples:
      plumbline replay list
      plumbline replay list --home demo --json
    """
    from replay.steps import open_replay
    from replay.steps import status as look
    from replay.store import ReplayFolder

    found = [look(home, *open_replay(home, folder.id)) for folder in ReplayFolder.all(home)]
    emit({"replays": found}, as_json, lambda console: _show_list(found, console))


def _only_shown(what: str, made: Any, as_json: bool) -> None:
    document = {"replay_id": made.replay_id, "range": made.range, "executed": False, "would": what}
    emit(document, as_json, lambda console: console.print(f"{what}, range {made.time_range}. Add --execute to do it."))


def _show_plan(body: dict[str, Any], home: Home, console: Console) -> None:
    console.print(f"replay {body['replay_id']}: [{body['range']['from']}, {body['range']['to']}), late rows included")
    for name, source in body["sources"].items():
        rows = sum(span["rows"] or 0 for span in source["spans"])
        place = (
            f"{source['table']} at snapshot {source['snapshot_id']}" if source["door"] == "iceberg" else source["topic"]
        )
        spans = ", ".join(f"p{s['partition']} {s['start']:,}..{s['end'] - 1:,}" for s in source["spans"])
        console.print(f"  {name}: {rows:,} rows from {place}")
        console.print(f"    event times [{source['needed']['from']}, {source['needed']['to']}), offsets {spans}")
    replaces = body["replaces"]
    epochs = len(body["boundaries_us"]) + 1
    console.print(f"  {epochs} epoch(s); publish replaces {replaces['rows']:,} rows of {replaces['table']}")
    console.print(f"next: plumbline replay run {body['replay_id']}{home.option} --execute")


def _show_audit(result: dict[str, Any], home: Home, console: Console) -> None:
    for check in result["checks"]:
        console.print(f"  {'ok  ' if check['passed'] else 'FAIL'} {check['name']}: {check['found']}")
    live = result["against_live"]
    if live:
        counts = live["counts"]
        console.print(
            f"  publish would add {counts['extra']:,}, change {counts['mismatch']:,}, remove {counts['missing']:,}, "
            f"keep {counts['match']:,} keys"
        )
    verdict = "passed" if result["passed"] else "failed: nothing will be published"
    console.print(f"audit {verdict}")
    if result["passed"]:
        console.print(f"next: plumbline replay publish {result['replay_id']}{home.option} --execute")


def _show_commit(result: dict[str, Any], verb: str, console: Console) -> None:
    already = "" if result["changed"] else "already "
    console.print(
        f"replay {result['replay_id']} {already}{verb}: {result['table']} holds {result['rows']:,} rows of the range"
    )
    console.print(f"  snapshot {result['snapshot_id']}")


def _show_list(found: list[dict[str, Any]], console: Console) -> None:
    for one in found:
        _show_status(one, console)
    if not found:
        console.print("no replays yet; `plumbline replay plan` makes one")


def _show_status(result: dict[str, Any], console: Console) -> None:
    console.print(f"{result['replay_id']}  {result['state']}  [{result['range']['from']}, {result['range']['to']})")
    if result["next"]:
        console.print(f"  next: {result['next']}")
