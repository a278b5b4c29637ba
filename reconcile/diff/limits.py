"""Limits on counts, as `fail_when` of a contract and `diff --fail-if` spell them: '> 0', '>= 10', '> 1%'. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LIMIT = re.compile(r"(>=?) *(\d+(?:\.\d+)?) *(%?)")


@dataclass(frozen=True)
class Limit:
    """A number, or a percentage of a whole, that a count may not pass; `inclusive` says that it may not reach it."""

    number: float
    inclusive: bool
    is_percentage: bool

    @staticmethod
    def read(spelled: str) -> Limit | None:
        """The limit, None when it is not spelled as one."""
        match = _LIMIT.fullmatch(spelled.strip())
        return Limit(float(match[2]), match[1] == ">=", bool(match[3])) if match else None

    def crossed(self, count: int, of: int) -> bool:
        """Whether `count` is too many. Of an empty whole any count is 100% and more."""
        value = 100 * count / max(of, 1) if self.is_percentage else count
        return value > self.number or (self.inclusive and value == self.number)
