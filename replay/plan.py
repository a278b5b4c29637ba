"""Planning a replay: what it needs, where that lies, whether all of it is there, what publish would replace."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.durations import milliseconds
from contract.errors import IncompleteError, SetupError, UsageError
from contract.lineage import EVENT_TIME
from contract.model import Contract
from contract.ranges import TimeRange, from_micros, parse_time, spell_time
from replay import needs
from replay.store import ReplayFolder
from stream_job.lateness import settled_until_us

if TYPE_CHECKING:
    from connect.home import Home
    from connect.lake import Lake

ROWS_PER_EPOCH = 500_000
"""Rows of both sources in one epoch of a complete tape. An epoch costs two to three seconds whatever its size."""


@dataclass(frozen=True)
class SourcePlan:
    """What is read for one source: `door` kafka or iceberg, offsets per partition, the archive snapshot if any."""

    door: str
    topic: str
    table: str
    snapshot_id: int | None
    needed: dict[str, str | None]
    spans: list[dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """A whole replay, decided before anything runs. `boundaries` are event times (us) between epochs."""

    replay_id: str
    contract: str
    contract_file: str
    fingerprint: str
    range: dict[str, str | None]
    late: str
    time_basis: str
    sources: dict[str, SourcePlan]
    boundaries_us: list[int]
    replaces: dict[str, Any]
    estimate: dict[str, Any]

    @property
    def time_range(self) -> TimeRange:
        """The range of the rows' event times that is replayed."""
        return TimeRange(parse_time(str(self.range["from"])), parse_time(str(self.range["to"])))

    @property
    def staging_table(self) -> str:
        """The table that the replay writes before it is published."""
        return f"plumbline_staging.r_{self.replay_id.replace('-', '_')}"

    def as_json(self) -> dict[str, Any]:
        """The plan file: all of the plan and its hash."""
        body = asdict(self)
        return body | {"hash": body_hash(body)}


def make_plan(
    contract: Contract, contract_file: str | Path, home: Home, time_range: TimeRange, *, source: str, late: str
) -> Plan:
    """Plan the replay of `time_range` and keep the plan in the home; the same inputs give the same plan.

    Raises UsageError for an open range, IncompleteError for a range that the live stream has not closed yet or whose
    input is not complete, SetupError for missing tables.
    """
    from connect.lake import Lake

    if time_range.start is None or time_range.end is None:
        raise UsageError("a replay needs both ends of its range", next_step="give --from and --to, or --date")
    if late != "complete":
        raise UsageError(f"--late {late} is not supported in this version", next_step="use --late complete")
    lake = Lake.open(home, contract.catalog)
    refuse_unsettled(lake, contract, time_range)
    ranges = needs.needed_ranges(contract, time_range)
    sources = {name: _plan_source(lake, home, contract, name, ranges[name], source) for name in contract.sources}
    rows = sum(span["rows"] or span["end"] - span["start"] for s in sources.values() for span in s.spans)
    body: dict[str, Any] = {
        "contract": contract.contract,
        "contract_file": str(Path(contract_file).resolve()),
        "fingerprint": contract.fingerprint(),
        "range": time_range.as_json(),
        "late": late,
        "time_basis": "event",
        "sources": sources,
        "boundaries_us": boundaries(contract, time_range, rows),
        "replaces": _replaced(lake, contract, time_range),
        "estimate": {"rows": rows},
    }
    plan = Plan(replay_id=_replay_id(time_range, body), **body)
    folder = ReplayFolder.of(home, plan.replay_id)
    if not folder.plan.is_file():
        folder.write("plan", plan.as_json())
    return plan


def read_plan(folder: ReplayFolder) -> Plan:
    """The plan in the folder. Raises UsageError when the file was changed after it was made."""
    body = folder.read("plan") or {}
    stored = body.pop("hash", None)
    if stored != body_hash(body):
        raise UsageError(
            "the plan was changed after it was made", where=str(folder.plan), next_step="plan the range again"
        )
    body["sources"] = {name: SourcePlan(**spec) for name, spec in body["sources"].items()}
    return Plan(**body)


def body_hash(body: dict[str, Any]) -> str:
    """Hex digest of a plan's body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=asdict).encode()).hexdigest()[:16]


def boundaries(contract: Contract, time_range: TimeRange, rows: int) -> list[int]:
    """Event times (us) at which both sides are cut into epochs of about ROWS_PER_EPOCH rows.

    Both sides use the same boundaries, so whatever the delays are no row of a later epoch can be late: the watermark
    after an epoch lies before its end.
    """
    needed = needs.needed_ranges(contract, time_range).values()
    start, end = min(r.start_us or 0 for r in needed), max(r.end_us or 0 for r in needed)
    count = max(1, math.ceil(rows / ROWS_PER_EPOCH))
    return [start + (end - start) * i // count for i in range(1, count)]


def refuse_unsettled(lake: Lake, contract: Contract, time_range: TimeRange) -> None:
    """Raise IncompleteError while the live stream can still emit rows of the range: publish would collide with them."""
    evict_ms = last_evict_watermark(lake, contract)
    if evict_ms is None or time_range.end_us is None:
        return
    low, high = map(milliseconds, contract.join.within)
    closed_us = settled_until_us(evict_ms, low, high, keeps_right=contract.join.keeps_right)
    if closed_us < time_range.end_us - 1:
        step = f"use an end up to {spell_time(from_micros(max(closed_us, 0)))}, or wait until the stream has gone on"
        raise IncompleteError(f"the live stream has not closed the range {time_range} yet", next_step=step)


def last_evict_watermark(lake: Lake, contract: Contract) -> int | None:
    """Evict watermark (ms) of the newest published epoch of the contract, None without a ledger."""
    from pyiceberg.expressions import EqualTo

    from stream_job.tables import EPOCHS

    if not lake.exists(EPOCHS):
        return None
    scan = lake.load(EPOCHS).scan(
        row_filter=EqualTo("contract", contract.contract), selected_fields=("planned_at", "epoch", "evict_watermark_ms")
    )
    rows = scan.to_arrow().to_pylist()
    newest = max(rows, key=lambda row: (row["planned_at"], row["epoch"]), default=None)
    return None if newest is None else int(newest["evict_watermark_ms"])


def _plan_source(lake: Lake, home: Home, contract: Contract, name: str, needed: TimeRange, door: str) -> SourcePlan:
    """Where one source's rows come from. `auto` takes the archive when it holds all of them, else Kafka."""
    from connect.pinned import connection, scan

    source = contract.sources[name]
    con = connection()
    indexed, ends, snapshot_id = list[needs.Span](), dict[int, int](), None
    if lake.exists(source.archive):
        columns = ["partition", "offset", "event_time", "quarantine_reason"]
        pinned = scan(con, lake, source.archive, view="archive", columns=columns)
        snapshot_id, ends = pinned.snapshot_id, needs.archive_ends(con, "archive")
        indexed = needs.archive_spans(con, "archive", needed)
    holes = needs.archive_holes(con, "archive", indexed) if indexed else []
    if door == "auto":
        door = "iceberg" if snapshot_id is not None and not holes else "kafka"
    if door == "iceberg":
        _refuse_missing_archive(name, source.archive, snapshot_id, holes)
        spans = indexed
    else:
        spans = _kafka_spans(home, contract, name, indexed, ends)
    return SourcePlan(door, source.topic, source.archive, snapshot_id, needed.as_json(), needs.span_json(spans))


def _refuse_missing_archive(name: str, table: str, snapshot_id: int | None, holes: list[needs.Holes]) -> None:
    if snapshot_id is None:
        raise SetupError(f"source {name!r} has no archive: {table}", next_step="use --source kafka")
    for hole in holes:
        raise IncompleteError(
            f"the archive of {name!r} lacks {hole.missing} offsets and holds {hole.doubled} twice "
            f"in partition {hole.partition}",
            where=table,
            next_step="use --source kafka if the topic still has them",
        )


def _kafka_spans(
    home: Home, contract: Contract, name: str, indexed: list[needs.Span], archived_to: dict[int, int]
) -> list[needs.Span]:
    from connect.embedded import kafka_properties
    from connect.kafka import earliest_offsets, end_offsets

    topic = contract.sources[name].topic
    kafka = kafka_properties(contract.kafka, home)
    earliest = earliest_offsets(kafka, topic)
    spans = needs.kafka_spans(indexed, archived_to, earliest, end_offsets(kafka, topic))
    for span in spans:
        if span.start < earliest.get(span.partition, 0):
            raise IncompleteError(
                f"{topic} no longer has offsets {span.start} to {earliest[span.partition] - 1} "
                f"of partition {span.partition}",
                next_step="use --source iceberg",
            )
    return spans


def _replaced(lake: Lake, contract: Contract, time_range: TimeRange) -> dict[str, Any]:
    """What publish would replace in the stream table as it is now."""
    table = contract.output.stream_table
    rows = lake.load(table).scan(row_filter=time_range.iceberg(EVENT_TIME) or "true").count()
    return {"table": table, "rows": rows}


def _replay_id(time_range: TimeRange, body: dict[str, Any]) -> str:
    day = time_range.start or from_micros(0)
    days = math.ceil(((time_range.end or day) - day) / timedelta(days=1))
    identity = {key: value for key, value in body.items() if key not in ("replaces", "estimate", "contract_file")}
    return f"{day:%Y%m%d}-{days}d-{body_hash(identity)[:8]}"
