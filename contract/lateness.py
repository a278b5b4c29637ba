"""The exact rules of Spark's stream-stream join: which row is late, which unmatched row is emitted when.

Source: `IncrementalExecution` and `StreamingSymmetricHashJoinExec` of Spark 4.1. Spark compares whole milliseconds
of watermark with microseconds of event time. Batch N drops by the watermark that batch N-1 logged and evicts by the
one that batch N logged (`batchWatermarkMs` in the checkpoint's `offsets/N`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PROVEN = ("4.1.3", "4.1.4")
"""Versions of Spark whose rule of lateness was held to the exact one row by row. SPARK-58904 moves the place of the
watermark for left outer joins in a later one: what such a job drops must be proven again before it is predicted."""


def unproven(versions: Iterable[str | None]) -> tuple[str, ...]:
    """Those that are not of PROVEN.

    None, which a ledger row has that an earlier version of Plumbline wrote and whose commit has expired, is taken for
    proven: every version that did not note it ran on one of PROVEN.
    """
    return tuple(sorted({version for version in versions if version is not None} - set(PROVEN)))


def not_proven(versions: Sequence[str]) -> str:
    """The reason why nothing is said of what these versions drop and close."""
    return (
        f"the stream ran on Spark {' and '.join(versions)}, whose rule of lateness is not proven; "
        f"proven are {' and '.join(PROVEN)}"
    )


def is_late(event_time_us: int, late_watermark_ms: int) -> bool:
    """Whether a row is dropped on arrival: its event time (us) is at or before the late watermark (ms)."""
    return event_time_us <= late_watermark_ms * 1_000


def late_sql(event_us: str, late_watermark_ms: str, *, cut: bool = False) -> str:
    """`is_late` as SQL over two expressions; NULL where one of them is. Of an event time that was `cut` to whole
    milliseconds: whether it is late whatever was cut off."""
    return f"{event_us} {'<' if cut else '<='} {late_watermark_ms} * 1000"


def late_by_sql(event_us: str, late_watermark_ms: str) -> str:
    """SQL for how many whole ms the event time of a late row lies behind the watermark."""
    return f"({late_watermark_ms} * 1000 - {event_us}) // 1000"


def is_closed(left_time_us: int, evict_watermark_ms: int, upper_ms: int) -> bool:
    """Whether a left row's window is closed, so that it was emitted unmatched if nothing matched it.

    `upper_ms` is the upper bound of the contract's `within`; the state row goes once the evict watermark (ms) has
    passed the last moment at which a right row could still match.
    """
    return left_time_us <= closed_until_us(evict_watermark_ms, upper_ms)


def closed_until_us(evict_watermark_ms: int, upper_ms: int) -> int:
    """The newest left event time (us) whose window is closed at this evict watermark (ms)."""
    return (evict_watermark_ms - upper_ms - 1) * 1_000


def right_closed_until_us(evict_watermark_ms: int, lower_ms: int) -> int:
    """The newest right event time (us) whose window is closed: no left row after the watermark can match it any more.

    `lower_ms` is the lower bound of the contract's `within`. An unmatched right row comes out by then, where the join's
    kind keeps it; above zero that may be in the very epoch that read it.
    """
    return (evict_watermark_ms + lower_ms - 1) * 1_000


def settled_until_us(evict_watermark_ms: int, lower_ms: int, upper_ms: int, *, keeps_right: bool) -> int:
    """The newest event time (us) of an output row up to which nothing more will come out."""
    left = closed_until_us(evict_watermark_ms, upper_ms)
    return min(left, right_closed_until_us(evict_watermark_ms, lower_ms)) if keeps_right else left


def state_reach_us(watermark_ms: int, lower_ms: int, upper_ms: int) -> tuple[int, int]:
    """The oldest event times (us; left, right) that can still matter once state was closed up to a watermark (ms).

    `lower_ms` and `upper_ms` are the bounds of the contract's `within` (right minus left). State holds left rows that
    a right row after the watermark can match, and the reverse; whether a row in state has been matched already hangs
    on partners that may have left it, so the reach is theirs.
    """
    left = watermark_ms - upper_ms - 1 + min(0, lower_ms)
    right = watermark_ms + lower_ms - 1 - max(0, upper_ms)
    return left * 1_000, right * 1_000


def output_watermark_ms(watermark_ms: int, lower_ms: int, upper_ms: int) -> int:
    """The watermark (ms) behind the join, at which windows over its rows close, by the one before it (ms).

    It is what has left the state of both sides (`StreamingSymmetricHashJoinExec.produceOutputWatermark`); `lower_ms`
    and `upper_ms` are the bounds of `within`. No row comes out of the join behind it: its left event was in state, or
    not late, after the epoch before, and so is newer than `closed_until_us` of that epoch.
    """
    return watermark_ms + min(lower_ms, -upper_ms) - 1


def windows_closed_until_us(window_ms: int, evict_watermark_ms: int, lower_ms: int, upper_ms: int) -> int:
    """The end (us) of the last window of that length that is written at an evict watermark (ms), with a row or not."""
    window_us = window_ms * 1_000
    return output_watermark_ms(evict_watermark_ms, lower_ms, upper_ms) * 1_000 // window_us * window_us


def window_is_closed(end_us: int, evict_watermark_ms: int, lower_ms: int, upper_ms: int) -> bool:
    """Whether the window that ends at `end_us` (us) was written by the epoch with this evict watermark or before."""
    return end_us <= output_watermark_ms(evict_watermark_ms, lower_ms, upper_ms) * 1_000
