"""Command lines in documents and examples, read by the command line itself without running anything."""

from __future__ import annotations

import shlex

import click

from plumbline.cli import cli


def parse(line: str) -> click.Context:
    """The context of `plumbline ...` with all its options read. Raises click's or our UsageError when it is wrong."""
    program, *words = shlex.split(line, comments=True)
    assert program.rpartition("/")[2] == "plumbline", line
    command: click.Command = cli
    context = click.Context(cli, info_name="plumbline", **cli.context_settings)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command = found
    return command.make_context(command.name, words, parent=context)
