"""`plumbline replay finish`, `feed` and `gc`: series of replays, a tape into topics, and what replays leave behind."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.options import home_option, json_option, optional_duration
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.replay.document_types import FinishDocument

replay_argument = click.argument("replay_id", metavar="REPLAY")
execute_option = click.option("--execute", is_flag=True, help="Do it. Without this, show what would be done and stop.")


@click.command(short_help="Run, audit and publish a series of plans, one after the other.")
@click.argument("name", metavar="SERIES")
@execute_option
@home_option
@json_option
def finish(name: str, execute: bool, home: Home, as_json: bool) -> None:
    """Take each plan of a series through run, audit and publish, and remove its tape before the next one begins.

    SERIES is a name as `replay plan --every` or `--from-drift` prints it, a replay id, or `latest`. Repeat it after a
    kill: what is published is left alone. It stops at the first audit that fails.

    \b
    Examples:
      plumbline replay finish series-1a2b3c4d
      plumbline replay finish latest --execute
    """
    from plumbline.replay.finish import finish as work
    from plumbline.replay.series import members

    ids = members(home, name)
    if not execute:
        document = {"series": name, "replays": ids, "executed": False}
        emit(document, as_json, lambda console: _show_members(ids, console))
        return
    result = work(home, ids, say=say)
    emit(result, as_json, lambda console: _show_finished(result, console))


@click.command(short_help="Send a tape into topics, for consumers outside Plumbline.")
@replay_argument
@click.option("--topic", "topics", metavar="SOURCE=TOPIC", multiple=True, required=True, help="The topic for a source.")
@click.option("--speed", metavar="FACTOR", default="max", show_default=True, help="10x: ten times the records' pace.")
@execute_option
@home_option
@json_option
def feed(replay_id: str, topics: tuple[str, ...], speed: str, execute: bool, home: Home, as_json: bool) -> None:
    """Send the tape of a replay into existing topics, in transactions, with the original keys, headers and timestamps.

    Each record gets the headers plumbline.replay-id and plumbline.replay-row. After a kill the same command continues
    after the last committed record, which it finds in the topics. Consumers must read committed records only.

    \b
    Examples:
      plumbline replay feed latest --topic departures=again.departures --topic arrivals=again.arrivals
      plumbline replay feed 20130708-7d-1a2b3c4d --topic arrivals=again.arrivals --speed 10x --execute
    """
    from plumbline.replay.feed import feed as send
    from plumbline.replay.feed import refuse
    from plumbline.replay.steps import open_replay

    named, factor = dict(map(_named, topics)), _factor(speed)
    replay = open_replay(home, replay_id, say)
    if not execute:
        refuse(replay, named)
        document = {"replay_id": replay.id, "topics": named, "executed": False}
        there = ", ".join(f"{name} to {topic}" for name, topic in named.items())
        emit(document, as_json, lambda console: console.print(f"would send {there}. Add --execute to do it."))
        return
    result = send(replay, named, speed=factor)
    emit(result, as_json, lambda console: console.print(f"{result['sent']:,} sent, {result['before']:,} before"))


@click.command(short_help="Remove tapes, staging tables and tags that are no longer needed.")
@click.option(
    "--older-than",
    metavar="AGE",
    default="30 days",
    show_default=True,
    callback=optional_duration,
    help="Keep what was written within this time.",
)
@click.option(
    "--rollback-for",
    metavar="AGE",
    callback=optional_duration,
    help="Remove the tag of a published replay after this time: it cannot be rolled back then. Default: never.",
)
@execute_option
@home_option
@json_option
def gc(older_than: timedelta, rollback_for: timedelta | None, execute: bool, home: Home, as_json: bool) -> None:
    """Remove what replays leave behind: tapes and staging tables of finished ones, whole folders of unpublished ones.

    The plan and the tag, which a rollback needs, stay unless --rollback-for limits how long a rollback is offered.

    \b
    Examples:
      plumbline replay gc
      plumbline replay gc --older-than '7 days' --rollback-for '90 days' --execute
    """
    from plumbline.replay.gc import collect

    result = collect(home, older_than=older_than, rollback_for=rollback_for, execute=execute)
    emit(result, as_json, lambda console: _show_collected(result, console))


def _named(text: str) -> tuple[str, str]:
    name, equals, topic = text.partition("=")
    if not (name and equals and topic):
        raise UsageError(f"--topic {text!r} is not SOURCE=TOPIC", next_step="write it as arrivals=again.arrivals")
    return name, topic


def _factor(text: str) -> float | None:
    """`10x` as 10.0; `max` as None."""
    if text == "max":
        return None
    try:
        factor = float(text.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not factor > 0:
        raise UsageError(f"--speed {text!r} is not a speed", next_step="write 10x, 0.5x or max")
    return factor


def _show_members(ids: list[str], console: Console) -> None:
    for replay_id in ids:
        console.print(f"would run, audit and publish {replay_id}")
    console.print("nothing was changed; add --execute to do it")


def _show_finished(result: FinishDocument, console: Console) -> None:
    for one in result["replays"]:
        already = "" if one["changed"] else "already "
        console.print(f"replay {one['replay_id']} {already}published: {one['rows']:,} rows")


def _show_collected(result: dict[str, Any], console: Console) -> None:
    verb = "removed" if result["executed"] else "would remove"
    for one in result["removed"]:
        size = f", {one['bytes'] / 1e6:,.1f} MB" if one["bytes"] else ""
        console.print(f"{verb} {one['kind']} {one['name']}{size}: {one['why']}")
    for one in result["skipped"]:
        console.print(f"skipped {one['replay_id']}: {one['why']}")
    if not result["removed"]:
        console.print("nothing to remove")
    elif not result["executed"]:
        console.print("nothing was changed; add --execute to do it")
