"""What a command prints: its result on stdout (one JSON document or a readable page), all else on stderr."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from plumbline.contract.safe_text import is_unsafe, shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

PLAIN_EVERY_S = 30.0
SHOWN_BYTES = 60
"""How much of a record's value is shown, bytes."""
_NOT_PLAIN = re.compile(r"[^\n -~]")
_started = time.monotonic()
_bar: Progress | None = None


def emit(document: Mapping[str, Any], as_json: bool, show: Callable[[Console], None]) -> None:
    """Print one result: `document` as JSON, or what `show` writes to the console. Times become ISO 8601 text."""
    if as_json:
        print(as_json_text(document), flush=True)
    else:
        show(console())


def as_json_text(document: Mapping[str, Any]) -> str:
    """`document` as JSON; a character that a terminal would act on or that nobody sees is written as its escape."""
    text = json.dumps(document, indent=2, ensure_ascii=False, default=_as_text)
    return _NOT_PLAIN.sub(lambda match: json.dumps(match[0])[1:-1] if is_unsafe(match[0]) else match[0], text)


def console() -> Console:
    """The console on stdout. Without a terminal lines are as long as they need to be, for grep and files."""
    from rich.console import Console

    class Inert(Console):
        """Each text that goes in comes out as text on one line; line ends around a printed one only make room."""

        def print(self, *objects: Any, **options: Any) -> None:
            super().print(*(_laid_out(thing) if isinstance(thing, str) else thing for thing in objects), **options)

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(shown(text), **options)

    width = None if sys.stdout.isatty() else 160
    return Inert(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False, soft_wrap=width is not None)


def _laid_out(text: str) -> Text:
    from rich.text import Text

    inner = text.strip("\n")
    before, _, after = text.partition(inner) if inner else (text, "", "")
    return Text(before + shown(inner) + after)


def say(message: str) -> None:
    """One line of progress on stderr with the seconds since the start of the program."""
    line = f"{time.monotonic() - _started:7.1f} s  {shown(message)}"
    if _bar is not None:
        _bar.console.print(line, markup=False, highlight=False)
    else:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def progress(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """Count up to `total`: yields `advance(n)`.

    A bar when a terminal watches, else a line for each tenth, and in half a minute at least one.
    """
    if sys.stderr.isatty():
        with _as_bar(total, label) as advance:
            yield advance
    else:
        yield _as_lines(total, label)


@contextmanager
def _as_bar(total: int, label: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    global _bar
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task(label, total=total)
        _bar = bar
        try:
            yield lambda n: bar.advance(task, n)
        finally:
            _bar = None
    say(f"{label}: {total:,} done")


def _as_lines(total: int, label: str) -> Callable[[int], None]:
    done, spoken = 0, time.monotonic()

    def advance(n: int) -> None:
        nonlocal done, spoken
        before, done = done, done + n
        now = time.monotonic()
        if 10 * done // total > 10 * before // total or now - spoken >= PLAIN_EVERY_S:
            spoken = now
            say(f"{label}: {done:,} of {total:,}")

    return advance


def _as_text(value: object) -> object:
    """JSON's spelling of values it does not know: moments in UTC with Z, anything else by its own text."""
    from datetime import datetime

    if isinstance(value, datetime) and value.tzinfo is not None:
        from plumbline.contract.ranges import spell_time

        return spell_time(value)
    return str(value)


def printable(value: bytes | None, most: int = SHOWN_BYTES) -> str | None:
    """The first `most` bytes as printable ASCII: what else there is as \\xNN, and how many bytes are left out."""
    if value is None:
        return None
    shown = "".join(_spelled(byte) for byte in value[:most])
    return shown if len(value) <= most else f"{shown} ... {len(value) - most:,} bytes more"


def _spelled(byte: int) -> str:
    if byte == ord("\\"):
        return "\\\\"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
