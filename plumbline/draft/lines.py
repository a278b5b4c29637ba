"""Lines of a drafted YAML file: names spelled so that YAML takes them as text, comments in one column. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from plumbline.contract.safe_text import escape, is_unsafe, shown
from plumbline.contract.unfilled import FILL_IN

COMMENTS_AT = 44
MOST_NAMES = 8
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NO_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"}
"""Words that YAML 1.1 reads as something else."""


@dataclass(frozen=True)
class Line:
    """One line of the file, and what is said beside it."""

    text: str = ""
    comment: str = ""

    @property
    def unfilled(self) -> bool:
        """Whether it has a place to fill in."""
        return re.search(rf"\b{FILL_IN}\b", self.text) is not None and not self.text.lstrip().startswith("#")

    def __str__(self) -> str:
        comment = shown(self.comment)
        return f"{self.text:<{COMMENTS_AT - 2}}  # {comment}" if comment else self.text


def spelled(text: str) -> str:
    """A value as YAML reads it back: bare where that is the same text, else in quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT and text != FILL_IN:
        return text
    quoted = (escape(char) if is_unsafe(char) else f"\\{char}" if char in '"\\' else char for char in text)
    return f'"{"".join(quoted)}"'


def listed(names: Sequence[str], joined: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; of many the first ones."""
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    *before, last = names
    return f"{', '.join(before)} {joined} {last}" if before else last


def written(lines: Iterable[Line]) -> str:
    """The file."""
    return "".join(f"{line}\n" for line in lines)


def remark(indent: int, text: str) -> Line:
    """A line with a comment only."""
    return Line(f"{' ' * indent}# {shown(text)}")


def unfilled(lines: Iterable[Line]) -> Iterator[tuple[int, Line]]:
    """The lines that have a place to fill in, with their numbers from 1."""
    return ((number, line) for number, line in enumerate(lines, 1) if line.unfilled)
