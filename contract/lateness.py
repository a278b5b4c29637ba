"""The exact rules of Spark's stream-stream join: which row is late, which unmatched row is emitted when.

Source: `IncrementalExecution` and `StreamingSymmetricHashJoinExec` of Spark 4.1. Spark compares whole milliseconds
of watermark with microseconds of event time. Batch N drops by the watermark that batch N-1 logged and evicts by the
one that batch N logged (`batchWatermarkMs` in the checkpoint's `offsets/N`).
"""

from __future__ import annotations


def is_late(event_time_us: int, late_watermark_ms: int) -> bool:
    """Whether a row is dropped on arrival: its event time (us) is at or before the late watermark (ms)."""
    return event_time_us <= late_watermark_ms * 1_000


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
