"""Command lines in documents and examples, read by the command line itself without running anything."""

from __future__ import annotations

import shlex

import click

from plumbline.cli import cli


def parse(line: str) -> click.Context:
    """The context of `plumbline ...` with all its options read. Raises click's or our UsageError when it is wrong."""
    words = shlex.split(line, comments=True)
    assert words[0].rpartition("/")[2] == "plumbline", line
    command: click.Command = cli
    context = command.make_context("plumbline", words[1:])
    while isinstance(command, click.Group):
        name, below, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert below is not None, name
        command, context = below, below.make_context(name, rest, parent=context)
    return context
