"""The commands that an error names, as they can be copied: on the contract and the home of the command that failed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

    from plumbline.contract.errors import PlumblineError

CONTRACT, HOME = "plumbline.contract", "plumbline.home"
"""What the options of a command note in click's `meta`: the contract's path as it was typed, and the home."""

_COMMAND = re.compile(r"(?<=`)plumbline [^`]+(?=`)|\Aplumbline .+\Z")
"""A command stands between backticks, or is the whole next step."""


def complete(error: PlumblineError, context: click.Context) -> None:
    """Write the contract and the home into the commands of the error's next step.

    The floors below know neither the path that was typed nor whether another home would be taken.
    """
    if error.next_step:
        error.next_step = _COMMAND.sub(lambda found: _completed(found[0], context), error.next_step)


def _completed(command: str, context: click.Context) -> str:
    from plumbline.reconcile.report.next_commands import word

    path, home = context.meta.get(CONTRACT), context.meta.get(HOME)
    line = command if path is None else re.sub(r"\bCONTRACT\b", lambda _: word(str(path)), command)
    if home is None or "--home" in line or not _takes_home(command, context):
        return line
    return f"{line}{home.option}"


def _takes_home(command: str, context: click.Context) -> bool:
    import click

    found: Any = context.find_root().command
    words = command.split()[1:]
    while words and isinstance(found, click.Group):
        found = found.get_command(context, words.pop(0))
    if not isinstance(found, click.Command):
        return False
    # Without what it works on it is the name of a command, not a line to copy.
    name_only = not words and any(isinstance(one, click.Argument) and one.required for one in found.params)
    return not name_only and any("--home" in one.opts for one in found.params)


def note_contract(context: click.Context, _option: click.Parameter, value: Path | None) -> Path | None:
    """Click's callback: the contract that later errors name."""
    if value is not None:
        context.meta[CONTRACT] = value
    return value
