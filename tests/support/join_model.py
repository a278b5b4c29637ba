"""The rules of the streaming join in plain Python: who is late, how the watermark moves, what is joined.

The one model of the tests: `model.py` applies it to the events of a real job, `world.py` to the records of a small
world. It shares nothing with the code under test. Event times are microseconds, watermarks milliseconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

One = TypeVar("One")


def is_late(us: int, late_ms: int) -> bool:
    """Whether an epoch with this late watermark drops an event: it is at or before the watermark."""
    return us <= late_ms * 1000


def is_closed(us: int, evict_ms: int, reach_ms: int) -> bool:
    """Whether no event can match this one any more, where those that match are up to `reach_ms` later than it."""
    return us <= (evict_ms - reach_ms - 1) * 1000


def next_watermark(watermark_ms: int, newest_ms: Iterable[int | None], delays_ms: Iterable[int]) -> int:
    """The watermark after an epoch, by the newest event time of each side since the job's start (None: none yet).

    It is that of the slower side, and never falls.
    """
    marks = [None if ms is None else ms - delay for ms, delay in zip(newest_ms, delays_ms, strict=True)]
    known = [ms for ms in marks if ms is not None]
    return max(watermark_ms, min(known)) if len(known) == len(marks) else watermark_ms


@dataclass(frozen=True)
class Join(Generic[One]):
    """What is joined: the condition, and which events come out alone when nothing matches them.

    `key` is what events that match have in common: only those of one key are held against each other.
    """

    matches: Callable[[One, One], bool]
    left_alone: Callable[[One], bool] = lambda left: False
    right_alone: Callable[[One], bool] = lambda right: False
    key: Callable[[One], object] = lambda one: None

    def of(self, lefts: Sequence[One], rights: Sequence[One]) -> list[tuple[One | None, One | None]]:
        """The rows as (left, right): of each left event in turn, then of the right events without a match."""
        rows: list[tuple[One | None, One | None]] = []
        matched: set[int] = set()
        places: defaultdict[object, list[int]] = defaultdict(list)
        for place, right in enumerate(rights):
            places[self.key(right)].append(place)
        for left in lefts:
            mine = [place for place in places[self.key(left)] if self.matches(left, rights[place])]
            matched.update(mine)
            rows += [(left, rights[place]) for place in mine]
            rows += [(left, None)] if not mine and self.left_alone(left) else []
        alone = (right for place, right in enumerate(rights) if place not in matched)
        return rows + [(None, right) for right in alone if self.right_alone(right)]
