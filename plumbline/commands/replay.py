"""`plumbline replay`: a time range through the same job again, from Kafka or the archive, published and undone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from plumbline import replay_pages as pages
from plumbline.commands.replay_upkeep import execute_option, feed, finish, gc, replay_argument
from plumbline.connect.home import Home
from plumbline.contract.ranges import TimeRange
from plumbline.options import contract_argument, home_option, json_option, optional_duration, range_options
from plumbline.output import emit, say


@click.group(short_help="Replay a time range and publish the result.")
def replay() -> None:
    """Replay a time range through the same join code, check the result, and publish it in one commit or roll it back.

    \b
    Examples:
      plumbline replay plan flights.yaml --from 2013-07-08T00:00Z --to 2013-07-15T00:00Z
      plumbline replay run latest --execute
      plumbline replay audit 20130708-7d-1a2b3c4d
      plumbline replay publish 20130708-7d-1a2b3c4d --execute

    REPLAY is an id as `replay plan` prints it, the path of a plan file, or `latest`, the most recent plan. Only
    `replay finish` takes a whole series, as planned by --from-drift and --every.
    """


@replay.command(short_help="Plan a range: what it needs, where that is, what it would replace.")
@contract_argument
@range_options
@click.option(
    "--from-drift",
    metavar="RUN",
    help="Plan the ranges that repair this reconcile run, or `latest`; instead of a range.",
)
@click.option(
    "--every", metavar="DURATION", callback=optional_duration, help="Split the range into windows, each its own plan."
)
@click.option(
    "--source",
    type=click.Choice(["auto", "kafka", "iceberg"]),
    default="auto",
    show_default=True,
    help="Where the events come from. auto: the archive, and the topic for what the archive lacks.",
)
@click.option(
    "--late",
    type=click.Choice(["complete", "faithful"]),
    default="complete",
    show_default=True,
    help="complete: nothing is late. faithful: replay the recorded epochs, drops included.",
)
@click.option(
    "--time-basis",
    type=click.Choice(["event", "record", "commit"]),
    default="event",
    show_default=True,
    help="What the range refers to: when an event happened, Kafka got its record, or the live job committed it.",
)
@click.option("--accept-gaps", is_flag=True, help="Plan without offsets that are gone from archive and topic.")
@click.option("--perturb", metavar="SEED", type=int, help="Play recorded epochs in another order; never published.")
@home_option
@json_option
def plan(
    contract_path: Path,
    time_range: TimeRange,
    from_drift: str | None,
    every: timedelta | None,
    time_basis: str,
    home: Home,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Plan a replay and store the plan. The same range over the same data gives the same plan and id.

    The range selects left events by event time. It is refused while the live stream can still emit rows of it, and when
    input is gone. With --from-drift, --every or another --time-basis there may be several plans; their series has a
    name for `replay finish`.

    \b
    Examples:
      plumbline replay plan flights.yaml --from 2013-07-08T00:00Z --to 2013-07-15T00:00Z
      plumbline replay plan flights.yaml --date 2013-07-08 --source kafka --json
      plumbline replay plan flights.yaml --from-drift latest
      plumbline replay plan flights.yaml --from 2013-07-08T03:00Z --to 2013-07-08T04:00Z --time-basis record
      plumbline replay plan flights.yaml --from 2013-01-01T00:00Z --to 2013-07-01T00:00Z --every 7d
    """
    from plumbline.contract.loader import load
    from plumbline.replay.plan import make_plan
    from plumbline.replay.series import Several, plan_several

    contract = load(contract_path, aggregates=True)
    if from_drift is None and every is None and time_basis == "event":
        made = make_plan(contract, contract_path, home, time_range, **wanted)
        if made.time_range != time_range:
            say(f"replay: {time_range} widened to whole windows")
        emit(made.as_json(), as_json, lambda console: pages.show_plan(made.as_json(), home, console))
        return
    several = plan_several(contract, contract_path, home, Several(time_range, from_drift, every, time_basis), **wanted)
    emit(several, as_json, lambda console: pages.show_series(several, home, console))


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
    from plumbline.replay.play import cut_and_play
    from plumbline.replay.steps import open_replay

    opened = open_replay(home, replay_id, say)
    made = opened.plan
    if not execute:
        pages.only_shown(
            f"would cut {made.estimate['rows']:,} rows and play them into {made.staging_table}", made, as_json
        )
        return
    result = cut_and_play(opened)
    emit(result, as_json, lambda console: pages.show_run(result, home, console))


@replay.command(short_help="Check a finished replay against its plan, the batch reference and the live table.")
@replay_argument
@home_option
@json_option
def audit(replay_id: str, home: Home, as_json: bool) -> None:
    """Check a finished replay. Exit 1 when a check fails; publish then refuses it.

    \b
    Examples:
      plumbline replay audit 20130708-7d-1a2b3c4d
      plumbline replay audit 20130708-7d-1a2b3c4d --json
    """
    from plumbline.replay.audit import check
    from plumbline.replay.steps import open_replay

    result = check(open_replay(home, replay_id))
    emit(result, as_json, lambda console: pages.show_audit(result, home, console))
    if not result["passed"]:
        raise SystemExit(1)


@replay.command(short_help="Replace the range of the stream table with the replayed rows, in one commit.")
@replay_argument
@click.option("--accept", metavar="CHECK", multiple=True, help="Publish although this check failed; repeatable.")
@execute_option
@home_option
@json_option
def publish(replay_id: str, accept: tuple[str, ...], execute: bool, home: Home, as_json: bool) -> None:
    """Publish an audited replay. Readers see the old rows or the new ones, never a mixture; publishing twice is a
    no-op.

    \b
    Examples:
      plumbline replay publish 20130708-7d-1a2b3c4d
      plumbline replay publish 20130708-7d-1a2b3c4d --execute
      plumbline replay publish 20130708-7d-1a2b3c4d --accept agrees-with-batch --execute
    """
    from plumbline.contract.foreign_job import written_into
    from plumbline.replay.audit import check
    from plumbline.replay.publish import replace_range
    from plumbline.replay.steps import open_replay

    opened = open_replay(home, replay_id)
    made = opened.plan
    if opened.folder.read("audit") is None:
        check(opened)
    if theirs := written_into(opened.contract):
        say(f"replay: {theirs}")
    if not execute:
        pages.only_shown(f"would replace {made.replaces['rows']:,} rows of {made.replaces['table']}", made, as_json)
        return
    result = replace_range(opened, accept=accept)
    emit(result, as_json, lambda console: pages.show_publish(result, made, home, console))


@replay.command(short_help="Restore what the range held before the replay was published.")
@replay_argument
@execute_option
@home_option
@json_option
def rollback(replay_id: str, execute: bool, home: Home, as_json: bool) -> None:
    """Roll back a published replay in one commit; rows that came since stay.

    \b
    Examples:
      plumbline replay rollback 20130708-7d-1a2b3c4d
      plumbline replay rollback 20130708-7d-1a2b3c4d --execute
    """
    from plumbline.contract.foreign_job import written_into
    from plumbline.replay.publish import rollback as restore
    from plumbline.replay.publish import rollback_shown
    from plumbline.replay.steps import open_replay

    opened = open_replay(home, replay_id)
    if theirs := written_into(opened.contract):
        say(f"replay: {theirs}")
    if not execute:
        pages.only_shown(rollback_shown(opened), opened.plan, as_json)
        return
    result = restore(opened)
    emit(result, as_json, lambda console: pages.show_rollback(result, console))


@replay.command(short_help="Show how far a replay has come, and the next command.")
@replay_argument
@home_option
@json_option
def status(replay_id: str, home: Home, as_json: bool) -> None:
    """Show how far a replay has come and which command comes next.

    \b
    Examples:
      plumbline replay status 20130708-7d-1a2b3c4d
      plumbline replay status 20130708-7d-1a2b3c4d --json
    """
    from plumbline.replay.steps import open_replay
    from plumbline.replay.steps import status as look

    result = look(open_replay(home, replay_id))
    emit(result, as_json, lambda console: pages.show_status(result, console))


@replay.command("list", short_help="List all replays of the home and their states.")
@home_option
@json_option
def list_(home: Home, as_json: bool) -> None:
    """List the replays of the home folder.

    \b
    Examples:
      plumbline replay list
      plumbline replay list --home demo --json
    """
    from plumbline.replay.steps import listed

    found = listed(home)
    emit({"replays": found}, as_json, lambda console: pages.show_list(found, console))


for command in (finish, feed, gc):
    replay.add_command(command)
