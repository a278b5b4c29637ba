"""The times of an event of a source that is reduced: of another one all of them are its event time.

It is joined at the last microsecond of its window, and is there to be joined when the watermark has reached the end
of the window. Late is what comes when its window has been written; with an event id the search for further deliveries
stands before the windows, and drops by the event's own time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.reduce import window_end_sql

if TYPE_CHECKING:
    from plumbline.contract.model import Contract


def judged_us(contract: Contract, side: str, us: str) -> str:
    """SQL of the moment (us) that is held against the late watermark, of an event at `us` (SQL)."""
    source = contract.source_of(side)
    return us if source.reduce is None or source.event_id is not None else window_end_sql(us, source.reduce)


def joined_us(contract: Contract, side: str, us: str) -> str:
    """SQL of the event time (us) for the join."""
    source = contract.source_of(side)
    return us if source.reduce is None else f"({window_end_sql(us, source.reduce)} - 1)"


def window_open(contract: Contract, side: str, us: str, evict_watermark_ms: int | None) -> str:
    """SQL: whether the event's window is not yet written, so that it has not come to the join; false without windows,
    and where nobody knows how far the stream has come."""
    source = contract.source_of(side)
    if source.reduce is None or evict_watermark_ms is None:
        return "false"
    return f"coalesce({window_end_sql(us, source.reduce)} > {evict_watermark_ms * 1000}, false)"
