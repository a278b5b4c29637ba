"""How far the live stream has closed: beyond that it may still emit rows, which a publish would collide with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from plumbline.contract.durations import milliseconds
from plumbline.contract.errors import IncompleteError
from plumbline.contract.lateness import settled_until_us, windows_closed_until_us
from plumbline.contract.model import Contract
from plumbline.contract.operators import SAY_HOW_LONG, held_by, let_go_until_us
from plumbline.contract.ranges import TimeRange, from_micros, spell_time

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake
    from plumbline.replay.recorded import Recorded


def refuse_unproven(lake: Lake, contract: Contract) -> None:
    """Raise IncompleteError when nobody knows what the live stream has closed: its Spark's rule is not proven."""
    from plumbline.contract.operators import next_step, why_unproven

    version = unproven_closing(lake, contract)
    if version is not None:
        raise IncompleteError(
            f"which rows the live stream may still write is not known: {why_unproven([version])}",
            where=contract.output.stream_table,
            next_step=next_step([version], "run the stream on a proven version until it has read on, then plan again"),
        )


def unproven_closing(lake: Lake, contract: Contract) -> str | None:
    """The Spark of the stream table's newest epoch where its rule is not proven; None for a table without epochs."""
    from plumbline.reconcile.inputs.stream_commits import closing
    from plumbline.stream_job.epochs import newest as newest_epoch

    name = contract.output.stream_table
    if not lake.exists(name):
        return None
    table = lake.load(name)
    newest = table.current_snapshot()
    noted = (newest_epoch(lake, contract) or {}).get("spark_version")
    return closing(table, newest.snapshot_id if newest else None, noted)


def refuse_unproven_epochs(lake: Lake, contract: Contract, epochs: Sequence[Recorded], asked: TimeRange) -> None:
    """Raise IncompleteError when a Spark that is not proven ran one of these epochs: what they closed is not known."""
    from plumbline.contract.lateness import unproven
    from plumbline.contract.operators import next_step, why_unproven
    from plumbline.reconcile.inputs.stream_commits import engines

    name = contract.output.stream_table
    table = lake.load(name) if lake.exists(name) else None
    newest = table.current_snapshot() if table else None
    by_commit = engines(table, newest.snapshot_id) if table is not None and newest is not None else {}
    found = unproven(epoch.spark_version or by_commit.get((epoch.query_id, epoch.epoch)) for epoch in epochs)
    if found:
        raise IncompleteError(
            f"which rows the epochs committed in {asked} closed is not known: {why_unproven(found)}",
            where=name,
            next_step=next_step(
                found, "use --time-basis record, or give the range in event times (--time-basis event)"
            ),
        )


def refuse_unsettled(lake: Lake, contract: Contract, time_range: TimeRange) -> None:
    """Raise IncompleteError while the live stream can still emit rows of the range: publish would collide with them."""
    settled = settled_end(lake, contract)
    if settled is not None and time_range.end is not None and settled < time_range.end:
        step = f"use an end up to {spell_time(settled)}, or wait until the stream has gone on"
        raise IncompleteError(f"the live stream has not closed the range {time_range} yet", next_step=step)


def settled_end(lake: Lake, contract: Contract) -> datetime | None:
    """The event time before which the live stream emits no more rows; None without a ledger.

    Raises IncompleteError when a Spark that is not proven made the newest epoch, and when operators behind the join may
    hold rows back nobody knows for how long.
    """
    from plumbline.stream_job.epochs import newest

    last = newest(lake, contract)
    if last is None:
        return None
    refuse_unproven(lake, contract)
    evict_ms = int(last["evict_watermark_ms"])
    until_us = settled_us(contract, evict_ms)
    if (held := held_by(contract, last["operators"])) is not None:
        let_go_us = let_go_until_us(contract, evict_ms)
        if let_go_us is None:
            raise IncompleteError(
                f"which rows the live stream may still write is not known: {held} behind the join may hold rows back",
                where=contract.output.stream_table,
                next_step=SAY_HOW_LONG,
            )
        until_us = let_go_us
    return from_micros(max(0, until_us + 1))


def holding(lake: Lake, contract: Contract) -> str | None:
    """What may hold rows back behind the join of a team's own query, by its newest published epoch; see `held_by`."""
    from plumbline.stream_job.epochs import newest

    if contract.job is None:
        return None
    last = newest(lake, contract)
    return None if last is None else held_by(contract, last["operators"])


def settled_us(contract: Contract, evict_ms: int) -> int:
    """The newest event time (us) of an output row that is settled once state was closed up to `evict_ms`; of an
    aggregate the last moment of the newest window that is written."""
    low, high = map(milliseconds, contract.join.within)
    aggregate = contract.output.aggregate
    if aggregate is not None:
        return windows_closed_until_us(milliseconds(aggregate.window), evict_ms, low, high) - 1
    return settled_until_us(evict_ms, low, high, keeps_right=contract.join.keeps_right)
