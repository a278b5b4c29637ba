"""What nights came to: `plumbline.nights`, and the run that a killed night had recorded already."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from contract.ranges import TimeRange

if TYPE_CHECKING:
    import pyarrow as pa

    from connect.lake import Lake
    from contract.model import Contract

NIGHTS = "plumbline.nights"


def nights_schema() -> pa.Schema:
    """One row per contract and day; of a day that was done again, the newest counts."""
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    columns = (
        ("contract", pa.string(), "name of the contract"),
        ("day", pa.date32(), "the day of left event times, in UTC"),
        ("run_id", pa.string(), "the reconcile, in plumbline.runs"),
        ("verdict", pa.string(), "clean, drift or incomplete"),
        ("failed", pa.int32(), "how many expectations failed"),
        ("document", pa.string(), "JSON: the night as `plumbline nightly --json` prints it"),
        ("recorded_at", moment, "when the night was recorded"),
    )
    return pa.schema([pa.field(name, kind, metadata={"doc": doc}) for name, kind, doc in columns])


def days_done(lake: Lake, contract: Contract) -> set[date]:
    """The days of the contract that have a night."""
    from pyiceberg.expressions import EqualTo

    if not lake.exists(NIGHTS):
        return set()
    scan = lake.load(NIGHTS).scan(EqualTo("contract", contract.contract), selected_fields=("day",))
    return set(scan.to_arrow()["day"].to_pylist())


def last_night(lake: Lake, contract: Contract, day: date | None = None) -> dict[str, Any] | None:
    """The recorded night of that day, or of the newest day that has one; done again, the newest record."""
    from pyiceberg.expressions import And, EqualTo

    if not lake.exists(NIGHTS):
        return None
    wanted = EqualTo("contract", contract.contract)
    if day is not None:
        wanted = And(wanted, EqualTo("day", day.isoformat()))
    rows = lake.load(NIGHTS).scan(wanted, selected_fields=("day", "recorded_at", "document")).to_arrow().to_pylist()
    newest = max(rows, key=lambda row: (row["day"], row["recorded_at"]), default=None)
    return json.loads(newest["document"]) if newest else None


def keep(lake: Lake, night: dict[str, Any]) -> None:
    """Append the night."""
    import pyarrow as pa

    row = {
        **{name: night[name] for name in ("contract", "run_id", "verdict")},
        "day": date.fromisoformat(night["day"]),
        "failed": len(night["failed"]),
        "document": json.dumps(night),
        "recorded_at": datetime.now(UTC),
    }
    lake.ensure_table(NIGHTS, nights_schema())
    lake.append(NIGHTS, pa.Table.from_pylist([row], schema=nights_schema()))


def recorded_run(lake: Lake, contract: Contract, time_range: TimeRange, batch_snapshot: int) -> dict[str, Any] | None:
    """The newest recorded reconcile of exactly this range on this snapshot of the batch table, if there is one.

    A night that was killed after its reconcile takes it up: a live stream has moved on, and would give a second run.
    """
    from pyiceberg.expressions import And, EqualTo

    from reconcile.record import RUNS

    if not lake.exists(RUNS):
        return None
    start, end = (bound.isoformat() for bound in (time_range.start, time_range.end) if bound)
    same = And(EqualTo("contract", contract.contract), EqualTo("range_from", start), EqualTo("range_to", end))
    rows = lake.load(RUNS).scan(same, selected_fields=("document", "recorded_at")).to_arrow().to_pylist()
    documents = [json.loads(row["document"]) for row in sorted(rows, key=lambda row: row["recorded_at"])]
    on_it = [found for found in documents if found["snapshots"][contract.output.batch_table] == batch_snapshot]
    return on_it[-1] if on_it else None
