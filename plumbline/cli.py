"""The command line: a table of commands, each loaded only when it is called, and one place where errors end."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from plumbline.contract.errors import PlumblineError
from plumbline.contract.safe_text import shown
from plumbline.contract.secrets import hidden

DEFECT = "this is a defect; set PLUMBLINE_DEBUG=1 for the traceback"
THE_MACHINES = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EMFILE),
    )
)
"""Refusals of the file system: rights, space, a file where a folder belongs, a place where nothing can be made.

The machine's matter, not a defect."""

ALLOCATIONS_A_COLLECTION = 50_000
"""Python's own 700 is for programs that begin with less."""

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": (
        "plumbline.commands.demo:demo",
        "The whole story with a year of real flights: stream, batch, drift, replay, report.",
    ),
    "init": ("plumbline.commands.init:init", "Write a commented contract to start from."),
    "check": ("plumbline.commands.check:check", "Read a contract and say what it promises, or which line is wrong."),
    "schema": ("plumbline.commands.schema:schema", "Print the JSON Schema of the contract file, for editors."),
    "size": ("plumbline.commands.size:size", "Estimate state, tables, topics, memory and CPU at a rate of events."),
    "jars": ("plumbline.commands.jars:jars", "Fetch the jars of Spark and of the local broker, once."),
    "kafka": ("plumbline.commands.kafka:kafka", "The local Kafka broker, and topics with events for a contract."),
    "lake": ("plumbline.commands.lake:lake", "Show where the tables are and how other tools open them."),
    "home": ("plumbline.commands.home:home_group", "Make a copied or moved home folder an independent home."),
    "stream": ("plumbline.commands.stream:stream", "Run the streaming join and the archiver of a contract."),
    "observe": (
        "plumbline.commands.observe:observe",
        "Copy what your own Spark or Flink job has read into the ledger, from its checkpoint.",
    ),
    "archive": ("plumbline.commands.archive:archive", "Archive the topics, show what the archives lack, and fill it."),
    "batch": ("plumbline.commands.batch:batch", "Run the batch reference of a contract over its archive."),
    "reconcile": (
        "plumbline.commands.reconcile:reconcile",
        "Compare the stream table with the batch table and name each difference's cause.",
    ),
    "explain": (
        "plumbline.commands.explain:explain",
        "Show the story of one key: offsets, epochs, watermarks, commits, cause.",
    ),
    "history": (
        "plumbline.commands.history:history",
        "Show the recorded reconciles in order of time: verdicts, causes, trend.",
    ),
    "late": ("plumbline.commands.late:late", "Show the rows that the stream dropped as late, as soon as it did."),
    "lateness": (
        "plumbline.commands.lateness:lateness",
        "Show what other watermark delays would have lost, and the state they cost.",
    ),
    "quarantine": ("plumbline.commands.quarantine:quarantine", "Show what could not enter the join, and why."),
    "diff": ("plumbline.commands.diff:diff", "Compare any two tables, files or folders by key."),
    "audit": ("plumbline.commands.audit:audit", "Find Kafka offsets that an Iceberg table holds twice or lacks."),
    "replay": ("plumbline.commands.replay:replay", "Replay a time range and publish the result."),
    "report": (
        "plumbline.commands.report:report",
        "Write a recorded reconcile as a page, as Markdown, or by a notebook.",
    ),
    "nightly": (
        "plumbline.commands.nightly:nightly",
        "Process every day that is due: batch, expectations, reconcile, report, old files.",
    ),
    "maintain": (
        "plumbline.commands.maintain:maintain",
        "Merge small files, expire old snapshots, remove orphan files.",
    ),
    "expect": (
        "plumbline.commands.expect:expect",
        "Check sources, outputs or a replay's rows against what the contract implies.",
    ),
}
"""Name to (module:command, first line of its help), in the order of a first day's work."""

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LazyGroup(click.Group):
    """A group that knows its commands' names and first lines, and imports a command only to run or explain it."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.table:
            return None
        module, _, attribute = self.table[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.table and not args[0].startswith("-"):
            raise click.exceptions.NoSuchCommand(args[0], possibilities=self.table, ctx=ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlumblineError as error:
            from plumbline.next_steps import complete

            complete(error, ctx)
            raise


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"plumbline {version('plumbline')}")
        ctx.exit()


@click.group(cls=LazyGroup, table=COMMANDS, context_settings=SETTINGS)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def cli() -> None:
    """Keep a streaming join true to its batch reference.

    Both run from one contract; their tables are compared key by key, each difference gets a cause with evidence,
    and what is wrong is replayed through the same job.

    \b
    Examples:
      plumbline init flights.yaml --example flights
      plumbline check flights.yaml
      plumbline COMMAND --help

    \b
    Exit codes: 0 clean or done, 1 drift or a failed audit, 2 usage, 3 environment or incomplete.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point `plumbline`: runs a command and leaves with its exit code. SIGTERM ends it as Ctrl-C does."""
    from plumbline.foreseen import let_no_library_tell_secrets

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    let_no_library_tell_secrets()
    # A command makes its classes and models once and keeps them: to look through them again and again for garbage, and
    # a last time at the end, takes a fifth of the CPU of a short one.
    gc.set_threshold(ALLOCATIONS_A_COLLECTION)
    code = run(arguments)
    gc.freeze()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code; a command's own return value counts when it is an int."""
    try:
        result = cli.main(None if arguments is None else list(arguments), "plumbline", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except PlumblineError as error:
        return _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _fail(_usage_line(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        from plumbline.connect.disk import full_disk

        full = full_disk(error)
        if full is not None:
            return _fail(str(full), full.exit_code)
        if isinstance(error, OSError) and error.errno in THE_MACHINES:
            return _fail(_refused_line(error), 3)
        from plumbline.foreseen import foreseen

        known = foreseen(error)
        return _fail(str(known), known.exit_code) if known else _defect(error)


def _usage_line(error: click.ClickException) -> str:
    """Click's message with the way to the help of the command it came from."""
    context = getattr(error, "ctx", None)
    message = error.format_message().replace("(Did", "Did").replace("?)", "?").rstrip(".")
    end = "" if message.endswith("?") else "."
    return f"{message}{end} Next: {context.command_path} --help" if context else message


def _refused_line(error: OSError) -> str:
    where = f" [{error.filename}]" if error.filename else ""
    return f"the file system refuses: {error.strerror}{where}. Next: check rights and free space, or another place"


def _defect(error: Exception) -> int:
    if os.environ.get("PLUMBLINE_DEBUG") == "1":
        from plumbline.foreseen import told_in_full

        click.echo(told_in_full(error), err=True, nl=False)
    return _fail(f"{type(error).__name__}: {error}; {DEFECT}", 3)


def _fail(message: str, code: int) -> int:
    click.echo("error: " + shown(hidden(" ".join(message.split()))), err=True)
    return code
