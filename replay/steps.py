"""The steps of a replay by name: what each has done, what it would do, and doing it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.contract.errors import PlumblineError, UsageError
from plumbline.contract.loader import load
from plumbline.replay.opened import Replay, Say, silent
from plumbline.replay.plan import Plan, read_plan
from plumbline.replay.series import members
from plumbline.replay.store import LATEST, ReplayFolder

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.contract.document_types import ClosedRange
    from plumbline.replay.document_types import Listed, State, StatusDocument


def open_replay(home: Home, name: str, say: Say = silent) -> Replay:
    """The replay with this id (or plan file), under the contract that its plan names.

    Raises UsageError when there is none, when `latest` is a series, or when the contract changed its meaning since the
    plan was made.
    """
    _refuse_series(home, name)
    folder = ReplayFolder.find(home, name)
    plan = read_plan(folder)
    contract = load(Path(plan.contract_file), aggregates=True)
    if contract.fingerprint() != plan.fingerprint:
        raise UsageError(
            f"the contract changed since replay {plan.replay_id} was planned",
            where=plan.contract_file,
            next_step="plan the range again",
        )
    return Replay(contract, home, plan, folder, say)


def _refuse_series(home: Home, name: str) -> None:
    """`latest` is one plan to the steps: of a series they would do a part and look as if all were done."""
    several = members(home, name) if name == LATEST else [name]
    if len(several) > 1:
        raise UsageError(
            f"the most recent plan is a series of {len(several)} replays",
            next_step=f"`plumbline replay finish latest --execute` does all of them; or name one, such as {several[0]}",
        )


def status(replay: Replay) -> StatusDocument:
    """How far a replay has come: `{"replay_id", "range", "state", "next"}`.

    States in order: planned, ran, audited (or failed), published, rolled back. `unknown`: a publish or a rollback was
    broken off, and the snapshots that would tell whether it was committed are gone.
    """
    from plumbline.replay.history import DONE, UNKNOWN, last_action

    plan, folder, lake = replay.plan, replay.folder, replay.lake
    action = last_action(lake, lake.load(replay.contract.output.stream_table), replay.id)
    audit = folder.read("audit")
    state: State
    if action:
        state = DONE.get(action, UNKNOWN)
    elif audit:
        state = "audited" if audit["passed"] else "failed"
    else:
        state = "ran" if folder.read("run") else "planned"
    played = folder.read("run") is not None and lake.exists(plan.staging_table)
    step = "planned" if state == "rolled back" and not played else state
    command = next_command(plan, step, replay.home)
    return {"replay_id": replay.id, "range": plan.range, "state": state, "next": command}


def listed(home: Home) -> list[Listed | StatusDocument]:
    """The status of every replay of the home; one that can no longer be opened has the state `stale`."""
    found: list[Listed | StatusDocument] = []
    for folder in ReplayFolder.all(home):
        try:
            found.append(status(open_replay(home, folder.id)))
        except PlumblineError as error:
            found.append(
                {"replay_id": folder.id, "range": _range_of(folder), "state": f"stale: {error.what}", "next": None}
            )
    return found


def _range_of(folder: ReplayFolder) -> ClosedRange | None:
    """The range of a plan that cannot be opened, if the file still tells it."""
    with suppress(PlumblineError, KeyError, TypeError):
        told = (folder.read("plan") or {})["range"]
        return {"from": str(told["from"]), "to": str(told["to"])}
    return None


def next_command(plan: Plan, state: str, home: Home) -> str | None:
    """The command that goes on from `state`."""
    step = {
        "planned": "run {} --execute",
        "ran": "audit {}",
        "audited": "publish {} --execute",
        "published": "rollback {} --execute",
        "rolled back": "publish {} --execute",
    }.get(state)
    return f"plumbline replay {step.format(plan.replay_id)}{home.option}" if step else None
