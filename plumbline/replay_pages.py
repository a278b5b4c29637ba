"""The pages that `plumbline replay` prints for people."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plumbline.connect.home import Home
from plumbline.output import emit

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.replay.document_types import (
        AuditDocument,
        CommitDocument,
        Listed,
        PlanDocument,
        PlannedSource,
        RunDocument,
        SeriesDocument,
        StatusDocument,
    )


def only_shown(what: str, made: Any, as_json: bool) -> None:
    """What a command without --execute would do."""
    document = {"replay_id": made.replay_id, "range": made.range, "executed": False, "would": what}
    emit(document, as_json, lambda console: console.print(f"{what}, range {made.time_range}. Add --execute to do it."))


def show_plan(body: PlanDocument, home: Home, console: Console) -> None:
    """One plan: what is read through which door, how long it may take, what publish would replace."""
    kind = "late rows included" if body["late"] == "complete" else "the recorded epochs, late rows dropped as they were"
    order = "" if body["perturb"] is None else f", in another order (seed {body['perturb']})"
    console.print(f"replay {body['replay_id']}: [{body['range']['from']}, {body['range']['to']}), {kind}{order}")
    for name, source in body["sources"].items():
        _show_source(name, source, console)
    replaces, estimate = body["replaces"], body["estimate"]
    epochs = len(body["epochs"])
    played = "joined at once" if not epochs else "1 epoch" if epochs == 1 else f"{epochs:,} epochs"
    time = "" if estimate["seconds"] is None else f", about {estimate['seconds']:,} s by {estimate['from']}"
    console.print(f"  {played}{time}; publish replaces {replaces['rows']:,} rows of {replaces['table']}")
    if not replaces["rows"] and not any(source["pieces"] for source in body["sources"].values()):
        console.print("nothing to replay: no record is there for this range, nor a row in the table: check its bounds")
        return
    console.print(f"next: plumbline replay run {body['replay_id']}{home.option} --execute")


def _show_source(name: str, source: PlannedSource, console: Console) -> None:
    places = {
        "iceberg": f"from {source['table']} at snapshot {source['snapshot_id']}",
        "kafka": f"from topic {source['topic']}",
        "gone": "gone, accepted",
    }
    needed = source["needed"]
    if needed["from"]:
        console.print(f"  {name}: event times [{needed['from']}, {needed['to']})")
    else:
        console.print(f"  {name}: all that these epochs read")
    for piece in source["pieces"]:
        rows = "" if piece["rows"] is None else f", {piece['rows']:,} rows"
        span = f"{piece['start']:,}..{piece['end'] - 1:,}"
        console.print(f"    partition {piece['partition']} offsets {span}{rows} {places[piece['door']]}")


def show_series(several: SeriesDocument, home: Home, console: Console) -> None:
    """The plans of one series, a line each."""
    for body in several["replays"]:
        rows = body["replaces"]["rows"]
        console.print(
            f"replay {body['replay_id']}: [{body['range']['from']}, {body['range']['to']}), replaces {rows:,} rows"
        )
    if several["series"]:
        console.print(f"next: plumbline replay finish {several['series']}{home.option} --execute")
    elif several["run_id"]:
        console.print("nothing that a replay repairs")
    else:
        console.print("nothing came in that time for rows that the live stream has closed")


def show_audit(result: AuditDocument, home: Home, console: Console) -> None:
    """The checks, and what publish would change."""
    for check in result["checks"]:
        console.print(f"  {'ok  ' if check['passed'] else 'FAIL'} {check['name']}: {check['found']}")
    live = result["against_live"]
    if live:
        counts = live["counts"]
        console.print(
            f"  publish would add {counts['extra']:,}, change {counts['mismatch']:,}, remove {counts['missing']:,}, "
            f"keep {counts['match']:,} keys"
        )
    if result["order_kept"] is not None:
        console.print(
            f"  {result['order_kept']:.1%} of record pairs were played in their live order; a complete replay need not"
        )
    verdict = "passed" if result["passed"] else "failed: nothing will be published"
    console.print(f"audit {verdict}")
    if result["passed"]:
        console.print(f"next: plumbline replay publish {result['replay_id']}{home.option} --execute")


def show_run(result: RunDocument, home: Home, console: Console) -> None:
    """What was played."""
    console.print(f"{result['rows']:,} rows in {result['staging']}")
    console.print(f"next: plumbline replay audit {result['replay_id']}{home.option}")


def show_publish(result: CommitDocument, made: Any, home: Home, console: Console) -> None:
    """The commit, and how to see what it mended."""
    _show_commit(result, "published", console)
    span = f"--from {made.range['from']} --to {made.range['to']}"
    console.print(f"next: plumbline reconcile {shlex.quote(made.contract_file)}{home.option} {span}")


def show_rollback(result: CommitDocument, console: Console) -> None:
    """The commit, and what that means."""
    _show_commit(result, "rolled back", console)
    console.print("the range holds again what it held before this replay, its differences too")


def _show_commit(result: CommitDocument, verb: str, console: Console) -> None:
    """A commit to the stream table, or that it was there already."""
    already = "" if result["changed"] else "already "
    console.print(
        f"replay {result['replay_id']} {already}{verb}: {result['table']} holds {result['rows']:,} rows of the range"
    )
    console.print(f"  snapshot {result['snapshot_id']}")


def show_list(found: Sequence[Listed | StatusDocument], console: Console) -> None:
    """All replays and their states."""
    for one in found:
        show_status(one, console)
    if not found:
        console.print("no replays yet; `plumbline replay plan` makes one")


def show_status(result: Listed | StatusDocument, console: Console) -> None:
    """How far one replay has come, and the next command."""
    span = f"  [{result['range']['from']}, {result['range']['to']})" if result["range"] else ""
    console.print(f"{result['replay_id']}  {result['state']}{span}")
    if result["next"]:
        console.print(f"  next: {result['next']}")
