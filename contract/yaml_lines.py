"""Where each part of a contract stands in its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""The keys and positions that lead to a part of the contract."""


@dataclass(frozen=True)
class Places:
    """The lines of a contract's parts. Any two are equal: where a contract's text is does not change what it says."""

    file: str = field(default="", compare=False)
    lines: Mapping[Path, int] = field(default_factory=dict, compare=False)

    def of(self, path: Path) -> str | None:
        """`file:line` of the longest known part of `path`; None for a contract that came from no file."""
        while path and path not in self.lines:
            path = path[:-1]
        if path in self.lines:
            return f"{self.file}:{self.lines[path]}"
        return self.file or None
