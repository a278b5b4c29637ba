"""Planning a replay: what it needs, where that lies, whether all of it is there, what publish would replace."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from plumbline.connect.file_formats import refuse_unwritable
from plumbline.contract.aggregate import whole_windows
from plumbline.contract.archive_columns import refuse_archive_of_theirs
from plumbline.contract.errors import UsageError
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange, from_micros
from plumbline.contract.reduce import refuse_reduce
from plumbline.contract.upsert import refuse_upsert
from plumbline.replay import looking, needs, recorded, sourcing
from plumbline.replay.range_rows import range_view, refuse_without_event_time
from plumbline.replay.settled import refuse_unsettled, settled_us
from plumbline.replay.sourcing import SourcePlan
from plumbline.replay.store import ReplayFolder

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.contract.document_types import ClosedRange
    from plumbline.replay.document_types import PlanDocument

COMPLETE, FAITHFUL = "complete", "faithful"
STAGING = "plumbline_staging"


@dataclass(frozen=True)
class Plan:
    """A whole replay, decided before anything runs.

    A complete one joins all that it needs at once. A faithful one plays `epochs`, as `Recorded.as_json` gives them;
    with a seed in `perturb` in another order, which is never published.
    """

    replay_id: str
    contract: str
    contract_file: str
    fingerprint: str
    range: ClosedRange
    late: str
    time_basis: str
    sources: dict[str, SourcePlan]
    epochs: list[dict[str, Any]]
    perturb: int | None
    replaces: dict[str, Any]
    estimate: dict[str, Any]

    @property
    def time_range(self) -> TimeRange:
        """The range of the rows' event times that is replayed."""
        return TimeRange.of_json(self.range)

    @property
    def faithful(self) -> bool:
        """Whether the recorded epochs are played, drops included."""
        return self.late == FAITHFUL

    @property
    def tape_epochs(self) -> int:
        """Epochs of the tape."""
        return len(self.epochs) if self.faithful else 1

    @property
    def staging_table(self) -> str:
        """The table that the replay writes before it is published."""
        return staging_table(self.replay_id)

    def as_json(self) -> PlanDocument:
        """The plan file: all of the plan and its hash."""
        body = asdict(self)
        return cast("PlanDocument", body | {"hash": body_hash(body)})

    def _repr_html_(self) -> str:
        from plumbline.reconcile.report.next_commands import word
        from plumbline.reconcile.report.notebook_card import Grid, card

        facts = [
            ("range", str(self.time_range)),
            ("sources", ", ".join(self.sources)),
            ("rows to play", f"{self.estimate['rows']:,}"),
            ("rows it would replace", f"{self.replaces['rows']:,} in {self.replaces['table']}"),
        ]
        steps = [f"plumbline replay {step} {word(self.replay_id)}" for step in ("run", "audit", "publish")]
        return card(f"{self.contract}: replay {self.replay_id}", [Grid("The plan", ("what", ""), facts)], steps)


@dataclass(frozen=True)
class Wanted:
    """What is asked of a plan: where the events come from, what happens to late rows, whether gaps are accepted, the
    seed of another order (faithful only), and by which times the range was found (`plumbline.replay.time_basis`)."""

    source: str = "auto"
    late: str = COMPLETE
    accept_gaps: bool = False
    perturb: int | None = None
    time_basis: str = "event"


def staging_table(replay_id: str) -> str:
    """The staging table of a replay."""
    return f"{STAGING}.r_{replay_id.replace('-', '_')}"


def make_plan(contract: Contract, contract_file: str | Path, home: Home, time_range: TimeRange, **wanted: Any) -> Plan:
    """Plan the replay of `time_range` and keep the plan in the home; the same inputs give the same plan.

    Of an aggregate: of all windows that the range touches, as a whole.

    `wanted`: see `Wanted`. Raises UsageError for an open range, IncompleteError for a range that the live stream has
    not closed yet or whose input is not complete, SetupError for missing tables.
    """
    from plumbline.connect.lake import Lake

    refuse_upsert(contract)
    refuse_reduce(contract)
    refuse_archive_of_theirs(contract, "replay plan", "archive the topics with `plumbline archive run`")
    asked = Wanted(**wanted)
    _refuse_senseless(time_range, asked)
    time_range = whole_windows(contract, time_range)
    lake = Lake.open(home, contract.catalog)
    if asked.perturb is None:
        refuse_unwritable(lake.load(contract.output.stream_table), "the publication of a replay")
        refuse_without_event_time(lake, contract)
    refuse_unsettled(lake, contract, time_range)
    decided, rows = _decided(lake, home, contract, time_range, asked)
    made = Plan(
        replay_id=_replay_id(time_range, decided),
        contract_file=str(Path(contract_file).resolve()),
        replaces=_replaced(lake, contract, time_range),
        estimate=_estimated(home, asked.late, rows, len(decided["epochs"]) or 1),
        **decided,
    )
    return _kept(home, made)


def _decided(
    lake: Lake, home: Home, contract: Contract, time_range: TimeRange, wanted: Wanted
) -> tuple[dict[str, Any], int]:
    """All of a plan that its id stands for, and how many rows it plays at most."""
    sources, epochs = _sources(lake, home, contract, time_range, wanted)
    rows = sum(planned.most_rows for planned in sources.values())
    decided = {
        "contract": contract.contract,
        "fingerprint": contract.fingerprint(),
        "range": time_range.as_json(),
        "late": wanted.late,
        "time_basis": wanted.time_basis,
        "sources": sources,
        "epochs": epochs,
        "perturb": wanted.perturb,
    }
    return decided, rows


def _refuse_senseless(time_range: TimeRange, wanted: Wanted) -> None:
    if time_range.start is None or time_range.end is None:
        raise UsageError("a replay needs both ends of its range", next_step="give --from and --to, or --date")
    if wanted.perturb is not None and wanted.late != FAITHFUL:
        raise UsageError("--perturb changes the order of recorded epochs", next_step="add --late faithful")


def _kept(home: Home, plan: Plan) -> Plan:
    """The plan, written to its folder unless it is there, as the one made last."""
    folder = ReplayFolder.of(home, plan.replay_id)
    if folder.plan.is_file():
        folder.note_planned()
    else:
        folder.write("plan", plan.as_json())
    return plan


def _sources(
    lake: Lake, home: Home, contract: Contract, time_range: TimeRange, wanted: Wanted
) -> tuple[dict[str, SourcePlan], list[dict[str, Any]]]:
    """What is read of each source, and the recorded epochs of a faithful replay (none of a complete one)."""
    from plumbline.connect.pinned import connection

    con = connection(temp_dir=home.replays / "scratch")
    looks = {name: looking.look(con, lake, home, contract, name, wanted.source) for name in contract.sources}
    ranges = needs.needed_ranges(contract, time_range)
    gaps = wanted.accept_gaps
    if wanted.late == COMPLETE:
        return {name: sourcing.complete(found, ranges[name], accept_gaps=gaps) for name, found in looks.items()}, []
    since_us = min(needed.start_us or 0 for needed in ranges.values())
    played = _played(lake, contract, time_range, looks, since_us)
    spans = {name: recorded.offsets(played, name) for name in looks}
    sources = {name: sourcing.recorded(found, spans[name], accept_gaps=gaps) for name, found in looks.items()}
    restarted = recorded.restarts(played)
    return sources, [epoch.as_json(restart=start) for epoch, start in zip(played, restarted, strict=True)]


def _played(
    lake: Lake, contract: Contract, time_range: TimeRange, looks: Mapping[str, looking.Look], since_us: int
) -> list[recorded.Recorded]:
    """The recorded epochs that a faithful replay of the range plays."""
    epochs = recorded.read_recorded(lake, contract)
    firsts = []
    for name, found in looks.items():
        firsts.append(recorded.first_touched(found.con, found.view, epochs, name, since_us))
        firsts.append(recorded.first_unknown(epochs, name, found.unknown()))
    first = min((i for i in firsts if i is not None), default=None)
    end_us = time_range.end_us or 0
    return recorded.stretch(epochs, first, lambda evict_ms: settled_us(contract, evict_ms) >= end_us - 1)


def read_plan(folder: ReplayFolder) -> Plan:
    """The plan in the folder. Raises UsageError when the file was changed after it was made."""
    body = folder.read("plan") or {}
    stored = body.pop("hash", None)
    if stored != body_hash(body):
        raise UsageError(
            "the plan was changed after it was made", where=str(folder.plan), next_step="plan the range again"
        )
    try:
        body["sources"] = {name: SourcePlan(**spec) for name, spec in body["sources"].items()}
        # A plan of an earlier version may hold more, and can still be rolled back.
        return Plan(**{field.name: body[field.name] for field in fields(Plan)})
    except (KeyError, TypeError):
        raise UsageError(
            "the plan was made by another version", where=str(folder.plan), next_step="plan the range again"
        ) from None


def body_hash(body: dict[str, Any]) -> str:
    """Hex digest of a plan's body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=asdict).encode()).hexdigest()[:16]


def _replaced(lake: Lake, contract: Contract, time_range: TimeRange) -> dict[str, Any]:
    """What publish would replace in the stream table as it is now."""
    from plumbline.connect.pinned import connection

    con, table = connection(), contract.output.stream_table
    range_view(con, lake, contract, table, time_range, "replaced")
    [(rows,)] = con.execute("SELECT count(*) FROM replaced").fetchall()
    return {"table": table, "rows": int(rows)}


def _replay_id(time_range: TimeRange, decided: dict[str, Any]) -> str:
    """Range and digest of what was decided: the same for the same question about the same data."""
    day = time_range.start or from_micros(0)
    days = math.ceil(((time_range.end or day) - day) / timedelta(days=1))
    return f"{day:%Y%m%d}-{days}d-{body_hash(decided)[:8]}"


def _estimated(home: Home, late: str, rows: int, epochs: int) -> dict[str, Any]:
    """How long the replay will take: `{"rows", "seconds", "from"}`, from the newest finished one of its kind.

    Cutting grows with the rows, playing with the rows of a complete tape and with the epochs of a faithful one.
    `seconds` is None before the first finished replay.
    """
    measured = _newest_run(home, late)
    if measured is None:
        return {"rows": rows, "seconds": None, "from": None}
    folder, ran = measured
    by_rows = rows / max(1, sum(ran["tape"].values()))
    by_epochs = by_rows if late == "complete" else epochs / max(1, ran["epochs"])
    seconds = ran["seconds"]["cut"] * by_rows + ran["seconds"]["play"] * max(by_epochs, epochs / max(1, ran["epochs"]))
    return {"rows": rows, "seconds": round(seconds), "from": folder.id}


def _newest_run(home: Home, late: str) -> tuple[ReplayFolder, dict[str, Any]] | None:
    """The replay of this kind that finished its run last, and the document of that run."""
    found = []
    for folder in ReplayFolder.all(home):
        ran, plan = folder.read("run"), folder.read("plan")
        if ran and plan and plan.get("late") == late and "seconds" in ran:
            found.append(((folder.root / "run.json").stat().st_mtime_ns, folder, ran))
    return max(found, key=lambda one: one[0])[1:] if found else None
