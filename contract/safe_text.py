"""Text from data as a reader may see it: nothing in it moves a cursor, hides, reorders or ends a line. Pure."""

from __future__ import annotations

import re
import unicodedata

MOST_MARKS = 4
"""Combining marks that one letter may carry; more of them would be drawn over the neighbouring lines."""

_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PLAIN = re.compile(r"[ -~]*")


def shown(text: str) -> str:
    """`text` with each control, format and unassigned character, lone surrogate and blank other than the space spelled
    as an escape (`\\n`, `\\u202e`), and with combining marks beyond the fourth of a letter spelled so too.

    Two texts that differ in an invisible character alone look different afterwards. Idempotent.
    """
    if _PLAIN.fullmatch(text):
        return text
    marks, parts = 0, list[str]()
    for char in text:
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        parts.append(escape(char) if marks > MOST_MARKS or is_unsafe(char, kind) else char)
    return "".join(parts)


def is_unsafe(char: str, kind: str | None = None) -> bool:
    """Whether a reader would not see the character as what it is."""
    kind = kind or unicodedata.category(char)
    return kind in _UNSAFE or (kind == "Zs" and char != " ")


def escape(char: str) -> str:
    """The character as `\\n`, `\\x1b`, `\\u202e` or `\\U000e0041`."""
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
