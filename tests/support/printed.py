"""The commands that an output prints, as a user would copy them."""

from __future__ import annotations

import html
import re
import shlex

from plumbline.cli import COMMANDS

_NAMED = rf"plumbline (?:{'|'.join(COMMANDS)})\b"


def printed(text: str) -> list[str]:
    """From a terminal, JSON or Markdown: between backticks, after `next:`, or a line of its own."""
    found: list[str] = []
    for line in text.splitlines():
        found += re.findall(rf"`({_NAMED}[^`]*)`", line)
        rest = re.sub(rf"`{_NAMED}[^`]*`", "", line)
        whole = re.search(rf"(?:^\s*|[nN]ext\"?: \"?)({_NAMED}.*?)\"?,?$", rest)
        found += [whole[1]] if whole else []
        assert whole or not re.search(_NAMED, rest), f"a command that cannot be copied: {line}"
    return found


def on_page(page: str) -> list[str]:
    """From an HTML page: the lines of its code."""
    blocks = re.findall(r"<(?:code|pre)\b[^>]*>(.*?)</(?:code|pre)>", page, re.DOTALL)
    lines = [line.strip() for block in blocks for line in html.unescape(re.sub(r"<[^>]+>", "", block)).splitlines()]
    return [line for line in lines if re.match(_NAMED, line)]


def words(command: str) -> list[str]:
    """Its words as a shell would hand them over, without `plumbline`."""
    if "$'" in command:
        command = re.sub(r"\$'((?:[^'\\]|\\.)*)'", lambda found: shlex.quote(_spelled(found[1])), command)
    return shlex.split(command, comments=True)[1:]


def _spelled(inside: str) -> str:
    """What bash makes of the inside of `$'…'`."""
    return inside.encode("latin-1", "backslashreplace").decode("unicode_escape")
