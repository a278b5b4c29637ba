"""Which events a streaming join drops as late, in plain Python: the model the real stream is held to.

Spark's rule (WatermarkTracker and the late-record filter of a stateful operator): epoch b drops an event when
event time <= late(b), where late(b) is the watermark logged for epoch b-1, 0 for the first; the watermark logged for
epoch b is max(previous, min over sources of (largest event time in epochs before b) - delay).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from tests.support.join_model import next_watermark


def logged_watermarks(epochs: Mapping[str, Sequence[Sequence[int]]], delays: Mapping[str, int]) -> list[int]:
    """The watermark logged for each epoch. `epochs` holds per source each epoch's event times; one unit throughout."""
    logged, newest = [0], dict.fromkeys(epochs, 0)
    for epoch in range(_count(epochs) - 1):
        for source, batches in epochs.items():
            newest[source] = max([newest[source], *_batch(batches, epoch)])
        logged.append(next_watermark(logged[-1], newest.values(), [delays[source] for source in epochs]))
    return logged


def late_events(
    epochs: Mapping[str, Sequence[Sequence[int]]], delays: Mapping[str, int]
) -> dict[str, list[tuple[int, int]]]:
    """Per source the (epoch, place in it) of every event that is dropped."""
    logged = logged_watermarks(epochs, delays)
    late = [0, *(before for before, _ in pairwise(logged))]
    return {
        source: [
            (epoch, place)
            for epoch, batch in enumerate(batches)
            for place, event_time in enumerate(batch)
            if event_time <= late[epoch]
        ]
        for source, batches in epochs.items()
    }


def cut(events: Sequence[int], size: int) -> list[Sequence[int]]:
    """Epochs of `size` events, the last one shorter."""
    return [events[start : start + size] for start in range(0, len(events), size)]


def _count(epochs: Mapping[str, Sequence[Sequence[int]]]) -> int:
    return max(len(batches) for batches in epochs.values())


def _batch(batches: Sequence[Sequence[int]], epoch: int) -> Sequence[int]:
    return batches[epoch] if epoch < len(batches) else ()
