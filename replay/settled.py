"""How far the live stream has closed: beyond that it may still emit rows, which a publish would collide with."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from contract.durations import milliseconds
from contract.errors import IncompleteError
from contract.model import Contract
from contract.ranges import TimeRange, from_micros, spell_time
from stream_job.lateness import settled_until_us

if TYPE_CHECKING:
    from connect.lake import Lake


def refuse_unsettled(lake: Lake, contract: Contract, time_range: TimeRange) -> None:
    """Raise IncompleteError while the live stream can still emit rows of the range: publish would collide with them."""
    settled = settled_end(lake, contract)
    if settled is not None and time_range.end is not None and settled < time_range.end:
        step = f"use an end up to {spell_time(settled)}, or wait until the stream has gone on"
        raise IncompleteError(f"the live stream has not closed the range {time_range} yet", next_step=step)


def settled_end(lake: Lake, contract: Contract) -> datetime | None:
    """The event time before which the live stream emits no more rows; None without a ledger."""
    evict_ms = last_evict_watermark(lake, contract)
    return None if evict_ms is None else from_micros(max(0, settled_us(contract, evict_ms) + 1))


def settled_us(contract: Contract, evict_ms: int) -> int:
    """The newest event time (us) of an output row that is settled once state was closed up to `evict_ms`."""
    low, high = map(milliseconds, contract.join.within)
    return settled_until_us(evict_ms, low, high, keeps_right=contract.join.keeps_right)


def last_evict_watermark(lake: Lake, contract: Contract) -> int | None:
    """Evict watermark (ms) of the newest published epoch of the contract, None without a ledger."""
    from stream_job.epochs import newest

    last = newest(lake, contract)
    return None if last is None else int(last["evict_watermark_ms"])
