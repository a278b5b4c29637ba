"""What a command prints: its result on stdout (one JSON document or a readable page), all else on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

PLAIN_EVERY_S = 5.0
_started = time.monotonic()
_bar: Progress | None = None


def emit(document: Mapping[str, Any], as_json: bool, show: Callable[[Console], None]) -> None:
    """Print one result: `document` as JSON, or what `show` writes to the console. Times become ISO 8601 text."""
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=False, default=_as_text), flush=True)
    else:
        show(console())


def console() -> Console:
    """The console on stdout. Without a terminal lines are as long as they need to be, for grep and files."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 160
    return Console(
        file=sys.stdout, width=width, highlight=False, markup=False, emoji=False, soft_wrap=width is not None
    )


def say(message: str) -> None:
    """One line of progress on stderr with the seconds since the start of the program."""
    line = f"{time.monotonic() - _started:7.1f} s  {message}"
    if _bar is not None:
        _bar.console.print(line, markup=False, highlight=False)
    else:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def progress(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """Count up to `total`: yields `advance(n)`. A bar when a terminal watches, else a line every few seconds."""
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
        done += n
        now = time.monotonic()
        if done >= total > done - n or now - spoken >= PLAIN_EVERY_S:
            spoken = now
            say(f"{label}: {done:,} of {total:,}")

    return advance


def _as_text(value: object) -> object:
    """JSON's spelling of values it does not know: moments in UTC with Z, anything else by its own text."""
    from datetime import datetime

    if isinstance(value, datetime) and value.tzinfo is not None:
        from contract.ranges import spell_time

        return spell_time(value)
    return str(value)
