"""`plumbline report`: a recorded reconcile as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connect.home import Home
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from connect.lake import Lake
    from contract.model import Contract
    from reconcile.report import Lateness, Replay
    from reconcile.report.reading import Document


@click.command(short_help="Write a recorded reconcile as one HTML page.")
@contract_argument
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="RUN_ID",
    default=("latest",),
    show_default=True,
    help="Run to show. Twice: before and after a replay, in that order.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The file (default: drift-CONTRACT-RUN_ID.html)."
)
@home_option
@json_option
def report(contract_path: Path, runs: tuple[str, ...], out: Path | None, home: Home, as_json: bool) -> None:
    """Write a recorded reconcile as one HTML page that needs no network and runs no script.

    It shows the verdict, the books, drift per window and per cause, what other watermarks would have lost, the rows
    that drifted most with their stories, and the commands to repeat and to repair.

    \b
    Examples:
      plumbline report flights.yaml
      plumbline report flights.yaml --run 3737101003c7b006 --out drift.html
      plumbline report flights.yaml --run 3737101003c7b006 --run latest --json
    """
    result = make(contract_path, home, runs, out)
    emit(result, as_json, lambda console: console.print(f"{result['file']} ({result['bytes']:,} bytes)"))


def make(contract_path: Path, home: Home, runs: Sequence[str], out: Path | None = None) -> dict[str, Any]:
    """Write the page; `{"file", "bytes", "runs", "verdicts", "replays"}`.

    Raises UsageError for an unknown run, SetupError without any recorded run or when the file cannot be written.
    """
    from connect.lake import Lake
    from contract.loader import load
    from expectations.record import recorded as checked
    from reconcile.report import Facts, recorded, render, write

    contract = load(contract_path)
    lake = Lake.open(home, contract.catalog)
    documents = recorded.documents(contract, lake, runs)
    replays = replays_between(lake, home, contract, documents)
    checks = checked(lake, contract, documents[0]["range"])
    facts = Facts(contract, str(contract_path), home.option, lateness(contract, home, documents[0]), replays, checks)
    html = render(documents, recorded.findings(lake, documents[0]["run_id"]), facts)
    target = out or Path(f"drift-{contract.contract}-{documents[0]['run_id']}.html")
    return {
        "file": str(target.absolute()),
        "bytes": write(target, html),
        "runs": [document["run_id"] for document in documents],
        "verdicts": [document["verdict"] for document in documents],
        "replays": [replay.replay_id for replay in replays],
    }


def lateness(contract: Contract, home: Home, document: Document) -> tuple[Lateness, ...]:
    """The lateness curves, or none when a snapshot that the run read has expired since."""
    from contract.errors import SetupError
    from reconcile.report import measure

    try:
        return measure(contract, home, document)
    except SetupError as error:
        say(f"report: without the lateness curve, {error.what}")
        return ()


def replays_between(lake: Lake, home: Home, contract: Contract, documents: Sequence[Document]) -> list[Replay]:
    """The replays published in the stream table after the first document's snapshot and still there in the last's."""
    table = lake.load(contract.output.stream_table)
    first, last = (
        document["snapshots"].get(contract.output.stream_table) for document in (documents[0], documents[-1])
    )
    undone: set[str] = set()
    found: dict[str, int] = {}
    snapshot = table.snapshot_by_id(last) if last is not None else None
    while snapshot is not None and snapshot.snapshot_id != first:
        properties = snapshot.summary.additional_properties if snapshot.summary else {}
        undone |= {properties.get("replay.rollback-of", "")}
        replay_id = properties.get("replay.id")
        if replay_id and replay_id not in undone:
            found.setdefault(replay_id, snapshot.snapshot_id)
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent else None
    known = (_replay(home, replay_id, snapshot_id) for replay_id, snapshot_id in reversed(found.items()))
    return [replay for replay in known if replay is not None]


def _replay(home: Home, replay_id: str, snapshot_id: int) -> Replay | None:
    """What the replay's folder tells about it; None when its plan is gone."""
    from contract.ranges import TimeRange
    from reconcile.report import Replay
    from replay.pieces import READ
    from replay.store import ReplayFolder

    folder = ReplayFolder.of(home, replay_id)
    plan = folder.read("plan")
    if plan is None:
        return None
    time_range = TimeRange.of_json(plan["range"])
    doors = {piece["door"] for source in plan["sources"].values() for piece in source["pieces"]}
    rows = (folder.read("run") or {}).get("rows")
    return Replay(replay_id, time_range, " and ".join(sorted(doors & set(READ))), rows, snapshot_id)
