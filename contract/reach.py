"""Which input events decide the output rows of a range, and which output rows input events decide."""

from __future__ import annotations

from datetime import timedelta

from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange


def input_range(contract: Contract, name: str, time_range: TimeRange) -> TimeRange:
    """The event times of a source's events that decide the output rows with event time in `time_range`.

    Left events in the range and all that may match them, of a source that is reduced in whole windows; where unmatched
    right events give rows, also right events in the range and all that may match those.
    """
    low, high = contract.join.within
    zero = timedelta(0)
    if contract.right.reduce is not None and name == contract.join.right:
        return time_range.widened(low - contract.right.reduce.every, high)
    if not contract.join.keeps_right:
        return time_range.widened(low, high) if name == contract.join.right else time_range
    if name == contract.join.right:
        return time_range.widened(min(zero, low), max(zero, high))
    return time_range.widened(min(zero, -high), max(zero, -low))


def output_range(contract: Contract, name: str, time_range: TimeRange) -> TimeRange:
    """The event times of the output rows that a source's events with event time in `time_range` decide.

    The reverse of `input_range`.
    """
    low, high = contract.join.within
    zero = timedelta(0)
    if contract.right.reduce is not None and name == contract.join.right:
        return time_range.widened(-high, contract.right.reduce.every - low)
    if not contract.join.keeps_right:
        return time_range.widened(-high, -low) if name == contract.join.right else time_range
    if name == contract.join.right:
        return time_range.widened(min(zero, -high), max(zero, -low))
    return time_range.widened(min(zero, low), max(zero, high))
