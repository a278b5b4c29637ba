"""Options that commands share, so that they are spelled, explained and refused alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from plumbline.connect.home import Home
from plumbline.connect.machine import MEMORY
from plumbline.contract.durations import parse_duration
from plumbline.contract.errors import UsageError
from plumbline.contract.ranges import parse_range
from plumbline.next_steps import HOME, note_contract

Command = TypeVar("Command", bound=Callable[..., Any])


def _home(ctx: click.Context, _option: click.Parameter, value: str | None) -> Home:
    home = ctx.meta[HOME] = Home.resolve(value)
    for folder in (home.root, *home.root.parents):
        if folder.exists() and not folder.is_dir():
            raise UsageError(
                f"the home {str(home.root)!r} cannot be a folder: {str(folder)!r} is a file",
                next_step="name a folder with --home or $PLUMBLINE_HOME",
            )
    return home


contract_argument = click.argument(
    "contract_path", metavar="CONTRACT", type=click.Path(path_type=Path), callback=note_contract
)
"""Passes `contract_path: Path`; load it with `contract.load`, which explains what is wrong with it."""

home_option = click.option(
    "--home",
    metavar="DIR",
    callback=_home,
    help="Folder of broker, lake, checkpoints and jars (default: $PLUMBLINE_HOME, else .plumbline).",
)
"""Passes `home: connect.home.Home`."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
"""Passes `as_json: bool`."""


memory_option = click.option(
    "--memory", default=MEMORY, show_default=True, metavar="SIZE", help="Memory limit of this process."
)
"""Passes `memory: str`."""

threads_option = click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(min=1),
    help="Threads (default: the machine's). Each needs 110 MB of --memory, or there are fewer.",
)
"""Passes `threads: int | None`."""


engine_option = click.option(
    "--engine",
    type=click.Choice(["auto", "duckdb", "spark"]),
    default="duckdb",
    show_default=True,
    help="auto chooses by size, and reports why.",
)
"""Passes `engine: str`."""


newest_option = click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many of the newest records to show.",
)
"""Passes `limit: int`."""


def duration_value(_ctx: click.Context, _option: click.Parameter, value: str | None) -> timedelta | None:
    """A length of time, zero too; None when the option is absent."""
    return None if value is None else parse_duration(value)


once_option = click.option("--once", is_flag=True, help="Stop at the current end of the topics.")
"""Of a service: passes `once: bool`."""

retry_option = click.option(
    "--retry-for",
    metavar="DURATION",
    callback=duration_value,
    help="How long to retry while broker or catalog do not answer (default: for ever; with --once: not at all).",
)
"""Of a service: passes `retry_for: timedelta | None`; see `retrying`."""

metrics_option = click.option(
    "--metrics-port", metavar="PORT", type=click.IntRange(0, 65535), help="Serve Prometheus metrics on 127.0.0.1:PORT."
)
"""Of a service: passes `metrics_port: int | None`."""


def retrying(retry_for: timedelta | None, *, once: bool) -> timedelta | None:
    """How long a service retries: for ever (None) or, with --once, not at all, unless --retry-for says otherwise."""
    return timedelta(0) if once and retry_for is None else retry_for


def optional_duration(_ctx: click.Context, option: click.Parameter, value: str | None) -> timedelta | None:
    """A length of time as `7d` or '7 days'; None when the option is absent. Raises UsageError unless it is positive."""
    length = None if value is None else parse_duration(value)
    if length is not None and length <= timedelta(0):
        raise UsageError(f"{option.opts[0]} {value!r} is not longer than zero", next_step="write it as 7d or '7 days'")
    return length


def range_options(command: Command) -> Command:
    """Passes `time_range: TimeRange` from `--from/--to`, `--date` or `--last`; all absent means everything."""

    @wraps(command)
    def with_range(*args: Any, from_: str, to: str, on_date: str, last: str, **kwargs: Any) -> Any:
        return command(*args, time_range=parse_range(from_, to, on_date, last), **kwargs)

    for option in reversed(_RANGE):
        with_range = option(with_range)
    return with_range  # type: ignore[return-value]


_RANGE = (
    click.option("--from", "from_", metavar="TIME", help="Start, with zone: 2013-01-15T00:00Z. In the range."),
    click.option("--to", metavar="TIME", help="End, with zone. Not in the range."),
    click.option("--date", "on_date", metavar="DAY", help="One day in UTC: 2013-01-15."),
    click.option("--last", metavar="DURATION", help="Up to now: 24h, '7 days'."),
)
