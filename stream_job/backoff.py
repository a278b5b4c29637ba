"""How long to wait before the next attempt, and when to give up. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 60.0
BRIEF = timedelta(seconds=60)
"""A job without patience still waits this long for a lock or a lost race of the catalog: they pass within seconds."""


@dataclass
class Backoff:
    """Waits of 1, 2, 4 ... 60 seconds, each shortened by up to half at random so that many jobs do not come at once."""

    chance: Callable[[], float] = random.random
    attempts: int = 0
    since: float | None = field(default=None)

    def wait(self, now: float) -> float:
        """Seconds to wait after a failure at `now` (seconds of any steady clock)."""
        self.since = now if self.since is None else self.since
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self.attempts, 10))
        self.attempts += 1
        return longest * (1 - self.chance() / 2)

    def reset(self) -> None:
        """Reset: it works again."""
        self.attempts, self.since = 0, None

    def spent(self, now: float, limit: timedelta | None) -> bool:
        """Whether it has failed for longer than `limit` (None: no limit) without a success between."""
        return limit is not None and (limit <= timedelta(0) or now - (self.since or now) > limit.total_seconds())
