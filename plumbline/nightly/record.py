"""What nights came to: `plumbline.nights`, and the run that a killed night had recorded already."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from plumbline.contract.ranges import TimeRange

if TYPE_CHECKING:
    import pyarrow as pa

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

NIGHTS = "plumbline.nights"


def nights_schema() -> pa.Schema:
    """One row per contract and day; of a day that was done again, the newest counts."""
    import pyarrow as pa

    from plumbline.connect.onto import order_column

    moment = pa.timestamp("us", tz="UTC")
    columns = (
        ("contract", pa.string(), "name of the contract"),
        ("day", pa.date32(), "the day of left event times, in UTC"),
        ("run_id", pa.string(), "the reconcile, in plumbline.runs"),
        ("verdict", pa.string(), "clean, drift or incomplete"),
        ("failed", pa.int32(), "how many expectations failed"),
        ("document", pa.string(), "JSON: the night as `plumbline nightly --json` prints it"),
        ("recorded_at", moment, "when the night was recorded"),
        order_column(),
    )
    return pa.schema([pa.field(name, kind, metadata={"doc": doc}) for name, kind, doc in columns])


def days_done(lake: Lake, contract: Contract) -> set[date]:
    """The days of the contract that have a night."""
    return {row["day"] for row in _nights(lake, contract)}


def last_night(lake: Lake, contract: Contract, day: date | None = None) -> dict[str, Any] | None:
    """The recorded night of that day, or of the newest day that has one; done again, the newest record."""
    from plumbline.connect.onto import in_order

    rows = [row for row in _nights(lake, contract) if day is None or row["day"] == day]
    newest = max(rows, key=lambda row: (row["day"], in_order(row)), default=None)
    return json.loads(newest["document"]) if newest else None


def _nights(lake: Lake, contract: Contract) -> list[dict[str, Any]]:
    """The rows of this contract; those of another one that has the same name and other tables are not among them.

    A night says whose it is. Those of earlier versions do not: there the recorded run says it.
    """
    from pyiceberg.expressions import EqualTo

    from plumbline.connect.onto import ORDER, columns_of
    from plumbline.contract.identity import identity
    from plumbline.reconcile.judge.store import whose

    if not lake.exists(NIGHTS):
        return []
    table, mine = lake.load(NIGHTS), identity(contract)
    fields = columns_of(table, "day", "run_id", "document", "recorded_at", ORDER)
    rows = table.scan(EqualTo("contract", contract.contract), selected_fields=fields).to_arrow().to_pylist()
    said = [json.loads(row["document"]).get("identity") for row in rows]
    runs = {} if all(said) else whose(lake, contract.contract)
    there = all(map(lake.exists, (contract.output.stream_table, contract.output.batch_table)))
    # Nobody says whose it is: the contract's, if its tables are there and no other contract of the name is known.
    unsaid = mine if there and set(runs.values()) <= {mine} else None
    owners = [owner or runs.get(row["run_id"], unsaid) for row, owner in zip(rows, said, strict=True)]
    return [row for row, owner in zip(rows, owners, strict=True) if owner == mine]


def keep(lake: Lake, night: dict[str, Any]) -> None:
    """Append the night."""
    import pyarrow as pa

    from plumbline.connect.onto import ORDER, append_onto, next_order

    row = {
        **{name: night[name] for name in ("contract", "run_id", "verdict")},
        "day": date.fromisoformat(night["day"]),
        "failed": len(night["failed"]),
        "document": json.dumps(night),
        "recorded_at": datetime.now(UTC),
    }
    schema = nights_schema()
    lake.ensure_table(NIGHTS, schema)
    lake.evolve(NIGHTS, schema)
    append_onto(
        lake, NIGHTS, lambda table: pa.Table.from_pylist([{**row, ORDER: next_order(table)}], schema=schema), {}
    )


def runs_of(lake: Lake, contract: Contract, time_range: TimeRange) -> list[str]:
    """The ids of the recorded reconciles of exactly this range, in the order of their commits."""
    return [document["run_id"] for document in _documents(lake, contract, time_range)]


def recorded_run(
    lake: Lake, contract: Contract, time_range: TimeRange, batch_snapshot: int, earlier: Collection[str]
) -> dict[str, Any] | None:
    """The newest recorded reconcile of exactly this range on this snapshot of the batch table, if there is one that is
    not among the `earlier` ones.

    A night that was killed after its reconcile takes it up: a live stream has moved on, and would give a second run.
    One from before the night's own batch step says nothing of the stream table that the night finds.
    """
    documents = [one for one in _documents(lake, contract, time_range) if one["run_id"] not in earlier]
    on_it = [found for found in documents if found["snapshots"][contract.output.batch_table] == batch_snapshot]
    return on_it[-1] if on_it else None


def _documents(lake: Lake, contract: Contract, time_range: TimeRange) -> list[dict[str, Any]]:
    from plumbline.reconcile.judge.store import of_contract

    start, end = (bound.isoformat() for bound in (time_range.start, time_range.end) if bound)
    same = of_contract(lake, contract, {"range_from": start, "range_to": end})
    return [json.loads(row["document"]) for row in same]
