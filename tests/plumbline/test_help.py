"""Every command explains itself, by examples that the command line itself can read."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import takewhile

import click
import pytest

from plumbline.cli import cli


def walk(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    yield context.command_path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, click.Context(below, parent=context, info_name=name))


COMMANDS = dict(walk(cli, click.Context(cli, info_name="plumbline", **cli.context_settings)))


def examples(command: click.Command) -> list[str]:
    """The lines below `Examples:` in a command's help; a line that ends in a backslash goes on."""
    text = (command.help or "").partition("Examples:\n")[2].replace("\\\n", " ")
    lines = [line.strip() for line in text.split("\n\n")[0].splitlines()]
    return [line for line in lines if line.startswith("plumbline ")]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_two_examples(name: str) -> None:
    assert len(examples(COMMANDS[name])) >= 2


@pytest.mark.parametrize("line", [line for command in COMMANDS.values() for line in examples(command)])
def test_an_example_can_be_read(line: str) -> None:
    words = list(takewhile(lambda word: word not in (">", "|"), shlex.split(line.replace("COMMAND", "check"))))
    command: click.Command = cli
    context = click.Context(cli, info_name="plumbline", **cli.context_settings)
    words = words[1:]
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"no command {words[0]!r}"
        command, words = found, words[1:]
    if words != ["--help"]:
        command.make_context(line, words, parent=context)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    silent = [p.name for p in COMMANDS[name].params if isinstance(p, click.Option) and not p.help]
    assert silent == []
