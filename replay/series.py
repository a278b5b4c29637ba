"""Several plans under one name: a range split into windows, or the ranges that repair a reconcile run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.contract.aggregate import whole_windows
from plumbline.contract.durations import spell_duration
from plumbline.contract.errors import UsageError
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.replay.plan import make_plan
from plumbline.replay.settled import settled_end
from plumbline.replay.store import LATEST, SERIES, ReplayFolder, next_number, write_json
from plumbline.replay.time_basis import EVENT, touched

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.replay.document_types import SeriesDocument


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
) -> SeriesDocument:
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
    _refuse_part_windows(contract, several.every)
    if several.every is not None:
        whole = [whole_windows(contract, time_range) for time_range in ranges]
        ranges = [window for time_range in whole for window in windows(time_range, several.every)]
    plans = [make_plan(contract, contract_path, home, found, time_basis=basis, **wanted) for found in ranges]
    name = keep(home, [plan.replay_id for plan in plans]) if plans else None
    return {"series": name, "run_id": run_id, "replays": [plan.as_json() for plan in plans]}


def _refuse_part_windows(contract: Contract, every: timedelta | None) -> None:
    """Raise UsageError for plans that would begin or end inside a window of an aggregate."""
    aggregate = contract.output.aggregate
    if aggregate is not None and every is not None and every % aggregate.window:
        raise UsageError(
            f"--every {spell_duration(every)} would cut windows of {spell_duration(aggregate.window)}",
            next_step="give a multiple of the window",
        )


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
