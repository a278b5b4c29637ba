"""Snapshots that recorded work refers to: runs of reconcile, commits of the batch reference, plans of replays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

ARCHIVE_OF = "plumbline.archive."


def recorded_snapshots(lake: Lake, contract: Contract, home: Home, within: timedelta) -> set[int]:
    """The ids of all snapshots, of any table, that work recorded within the last `within` was done on.

    And of whatever age the publishes and rollbacks that `plumbline.replays` does not tell of."""
    since = datetime.now(UTC) - within
    recorded = {*_of_runs(lake, since), *_of_batch(lake, contract, since), *_of_replays(home, since)}
    return recorded | _of_publishes(lake, contract)


def _of_publishes(lake: Lake, contract: Contract) -> set[int]:
    """Commits of publishes and rollbacks that nothing but their own snapshot tells of, of any age."""
    from plumbline.replay.history import unnoted

    table = contract.output.stream_table
    if not lake.exists(table):
        return set()
    return {snapshot for _, snapshot in unnoted(lake, lake.load(table)).values()}


def _of_runs(lake: Lake, since: datetime) -> Iterator[int]:
    """Of every contract: the ledger and the archives may be shared."""
    from pyiceberg.expressions import GreaterThanOrEqual

    from plumbline.reconcile.judge.store import RUNS

    if not lake.exists(RUNS):
        return
    recent = GreaterThanOrEqual("recorded_at", since.isoformat())
    for row in lake.load(RUNS).scan(row_filter=recent, selected_fields=("snapshots",)).to_arrow().to_pylist():
        yield from (int(snapshot) for snapshot in json.loads(row["snapshots"]).values() if snapshot is not None)


def _of_batch(lake: Lake, contract: Contract, since: datetime) -> Iterator[int]:
    table = contract.output.batch_table
    if not lake.exists(table):
        return
    for snapshot in lake.load(table).metadata.snapshots:
        properties = snapshot.summary.additional_properties if snapshot.summary else {}
        if snapshot.timestamp_ms >= since.timestamp() * 1000:
            yield from (int(value) for name, value in properties.items() if name.startswith(ARCHIVE_OF) and value)


def _of_replays(home: Home, since: datetime) -> Iterator[int]:
    from plumbline.replay.store import ReplayFolder

    for folder in ReplayFolder.all(home):
        if folder.plan.stat().st_mtime >= since.timestamp():
            for step in ("plan", "audit"):
                yield from _ids(folder.read(step))


def _ids(document: Any) -> Iterator[int]:
    """Every `snapshot_id` anywhere in a document."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "snapshot_id" and isinstance(value, int):
                yield value
            else:
                yield from _ids(value)
    elif isinstance(document, list):
        for value in document:
            yield from _ids(value)
