"""A team's own job in the small world: what it reports as dropped, and how far it says that it has read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa

from plumbline.contract.loader import parse
from plumbline.reconcile.run import Run
from tests.reconcile.inputs.test_foreign_table import committed
from tests.support.world import CONTRACT, World, play, show
from tests.support.world_rows import START

STAMP = pa.timestamp("us", tz="UTC")
DROPPED = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("reason", pa.string()),
        ("event_time", STAMP),
        ("watermark", STAMP),
        ("at", STAMP),
    ]
)
PROGRESS = pa.schema(
    [
        ("source", pa.string()),
        ("partition", pa.int32()),
        ("checkpoint_id", pa.int64()),
        ("start_offset", pa.int64()),
        ("end_offset", pa.int64()),
        ("dropped", pa.int64()),
        ("closed_until", STAMP),
    ]
)
LATE = [show("x", 3), play("pc", "c", 4), show("y", 89, 1), play("py", "y", 130)]
"""Two lefts and one right behind minute 90; the right of y came in time."""
Rows = list[dict[str, Any]]


def reports(world: World) -> Rows:
    """What an exact job writes of the world's late records."""
    return [of(world, name) for name in world.late]


def progress(world: World) -> Rows:
    """One row per partition: all that was read, with the number of reports in it."""
    rows = []
    for source, side in (("shows", "left"), ("plays", "right")):
        for partition in {r.partition for r in world.records if r.side == side}:
            mine = [r for r in world.records if (r.side, r.partition) == (side, partition)]
            rows.append(
                {
                    "source": source,
                    "partition": partition,
                    "checkpoint_id": 7,
                    "start_offset": 0,
                    "end_offset": len(mine),
                    "dropped": sum(r.name in world.late for r in mine),
                    "closed_until": START + timedelta(minutes=229),
                }
            )
    return rows


def of(world: World, name: str, **changed: Any) -> dict[str, Any]:
    """A report of that record, late or not."""
    record = world.record(name)
    return {
        "topic": "t.shows" if record.side == "left" else "t.plays",
        "partition": record.partition,
        "offset": record.offset,
        "reason": "late",
        "event_time": record.at,
        "watermark": START + timedelta(minutes=90),
    } | changed


def by_epoch(world: World) -> Rows:
    """One row per epoch of the world and partition."""
    rows = []
    for epoch in sorted(set(world.read_in.values())):
        for row in progress(world):
            side = "left" if row["source"] == "shows" else "right"
            mine = [r for r in world.records if (r.side, r.partition) == (side, row["partition"])]
            read = [r for r in mine if world.read_in[r.name] <= epoch]
            late = [r for r in read if r.name in world.late and world.read_in[r.name] == epoch]
            now = {"checkpoint_id": epoch, "start_offset": None, "end_offset": len(read), "dropped": len(late)}
            rows.append(row | now | ({"start_offset": 0} if epoch == 0 else {}))
    return rows


def told(
    world: World, dropped: Rows, counted: Rows | None = None, job: str = "", committed_epoch: int | None = None
) -> Run:
    """Reconcile the world as `ready` makes it."""
    ready(world, dropped, counted, job, committed_epoch)
    return world.reconcile()


def ready(
    world: World, dropped: Rows, counted: Rows | None = None, job: str = "", committed_epoch: int | None = None
) -> None:
    """Write the world as a job of other makes: no ledger but after `committed_epoch`, and these reports."""
    if committed_epoch is None:
        world.ledger = []
        world.write()
    else:
        committed(world, committed_epoch)
    block = f"\njob:\n  kind: flink\n  dropped: ops.dropped\n{job}"
    world.lake.ensure_table("ops.dropped", DROPPED)
    world.lake.append("ops.dropped", pa.Table.from_pylist(dropped, schema=DROPPED))
    if counted is not None:
        block += "  progress: ops.progress\n"
        world.lake.ensure_table("ops.progress", PROGRESS)
        world.lake.append("ops.progress", pa.Table.from_pylist(counted, schema=PROGRESS))
    world.contract = parse(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer") + block, "plays.yaml")
