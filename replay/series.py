"""Several plans as one piece of work: each is run, audited and published by itself, its tape gone before the next."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import UsageError
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.replay import staging
from plumbline.replay.plan import Plan, make_plan
from plumbline.replay.settled import settled_end
from plumbline.replay.store import LATEST, SERIES, ReplayFolder, next_number, write_json
from plumbline.replay.time_basis import EVENT, touched

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.home import Home


@dataclass(frozen=True)
class Several:
    """What is to be planned: a range, or what repairs a reconcile run; with `every` split into windows.

    The range is of event times, unless `time_basis` says otherwise (`plumbline.replay.time_basis`).
    """

    time_range: TimeRange
    run_id: str | None = None
    every: timedelta | None = None
    time_basis: str = EVENT


def plan_several(
    contract: Contract, contract_path: Path, home: Home, several: Several, **wanted: Any
) -> dict[str, Any]:
    """Plan each range and keep the series: `{"series", "run_id", "replays": [plan]}`; no series without any drift.

    Raises as `make_plan`, and UsageError for a range beside a run.
    """
    from plumbline.connect.lake import Lake
    from plumbline.replay.drift import drifted, windows

    run_id, ranges, basis = None, [several.time_range], several.time_basis
    if several.run_id is not None:
        if several.time_range != TimeRange() or basis != EVENT:
            step = "leave out --from, --to, --date, --last and --time-basis"
            raise UsageError("--from-drift finds the ranges itself", next_step=step)
        lake = Lake.open(home, contract.catalog)
        run_id, ranges = drifted(lake, contract, several.run_id, settled_end(lake, contract))
    elif several.time_range.is_open:
        raise UsageError("a replay needs both ends of its range", next_step="give --from and --to, or --date")
    elif basis != EVENT:
        ranges = touched(contract, home, several.time_range, basis, wanted.get("source", "auto"))
    if several.every is not None:
        ranges = [window for time_range in ranges for window in windows(time_range, several.every)]
    plans = [make_plan(contract, contract_path, home, found, time_basis=basis, **wanted) for found in ranges]
    name = keep(home, [plan.replay_id for plan in plans]) if plans else None
    return {"series": name, "run_id": run_id, "replays": [plan.as_json() for plan in plans]}


def keep(home: Home, ids: Sequence[str]) -> str:
    """Note that these replays belong together, in this order; returns the name they have from then on."""
    name = f"series-{hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()[:8]}"
    number = next_number(home.replays)
    write_json(home.replays / SERIES / f"{name}.json", {"replays": list(ids), "number": number})
    return name


def members(home: Home, name: str) -> list[str]:
    """The replay ids that a series, a replay id, a plan file or `latest` stands for."""
    if name == LATEST:
        kept = sorted((home.replays / SERIES).glob("series-*.json"), key=_made)
        plans = [folder.made for folder in ReplayFolder.all(home)]
        if kept and _made(kept[-1]) >= max(plans, default=(0, 0)):
            name = kept[-1].stem
    path = home.replays / SERIES / f"{name}.json"
    if path.is_file():
        return list(json.loads(path.read_text())["replays"])
    return [ReplayFolder.find(home, name).id]


def _made(series: Path) -> tuple[int, int]:
    """When the series was made, as `ReplayFolder.made`."""
    with suppress(ValueError, TypeError, KeyError):
        return int(json.loads(series.read_text())["number"]), 0
    return 0, series.stat().st_mtime_ns


def finish(
    home: Home, ids: Sequence[str], *, say: Callable[[str], None], spark: SparkSession | None = None
) -> dict[str, Any]:
    """Take each replay through run, audit and publish, then drop what it no longer needs; repeat it after a kill.

    Returns `{"replays": [{"replay_id", "changed", "rows"}]}`. Raises AuditFailed at the first audit that fails: what
    was published before it stays, and nothing after it is begun.
    """
    from plumbline.replay.steps import open_replay

    done, opened = [], [open_replay(home, replay_id) for replay_id in ids]
    plans = [plan for _, plan, _ in opened]
    for number, (contract, plan, folder) in enumerate(opened, 1):
        say(f"replay: {number} of {len(ids)}: {plan.replay_id}")
        published = _one(contract, home, plan, folder, plans, say, spark)
        done.append({name: published[name] for name in ("replay_id", "changed", "rows")})
    return {"replays": done}


def _one(
    contract: Contract,
    home: Home,
    plan: Plan,
    folder: ReplayFolder,
    among: Sequence[Plan],
    say: Callable[[str], None],
    spark: SparkSession | None,
) -> dict[str, Any]:
    from plumbline.connect.lake import Lake
    from plumbline.replay.audit import audit
    from plumbline.replay.history import PUBLISHED, last_action
    from plumbline.replay.play import run
    from plumbline.replay.publish import publish

    lake = Lake.open(home, contract.catalog)
    if last_action(lake, lake.load(contract.output.stream_table), plan.replay_id) != PUBLISHED:
        run(contract, home, plan, folder, say=say, spark=spark, among=among)
        audit(contract, home, plan, folder)
    published = publish(contract, home, plan, folder)
    drop_bulk(lake, plan, folder)
    return published


def drop_bulk(lake: Any, plan: Plan, folder: ReplayFolder) -> None:
    """Remove tape, checkpoint and staging table. Plan and tag stay: a rollback needs no more than these."""
    if staging.ours(lake, plan, folder):
        staging.drop(lake, plan, folder)
    folder.forget(*folder.bulky)
