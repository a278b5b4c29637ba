"""The shell around the commands: what it costs, what it says when something is wrong, how it leaves."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from plumbline.cli import COMMANDS, LazyGroup, cli, run
from plumbline.contract.errors import IncompleteError, SetupError, UsageError

HEAVY = (
    "pyspark",
    "duckdb",
    "pyarrow",
    "pyiceberg",
    "pydantic",
    "pandas",
    "rich",
    "great_expectations",
    "confluent_kafka",
)
PLUMBLINE = [sys.executable, "-m", "plumbline"]
ROOT = Path(__file__).resolve().parents[2]


def started(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One run of the command line in a process of its own."""
    surroundings = {**os.environ, **environment}
    return subprocess.run([*PLUMBLINE, *arguments], capture_output=True, text=True, env=surroundings, cwd=ROOT)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces every command by one that raises the given error (or returns the given value)."""

    def replace(outcome: BaseException | object) -> None:
        @click.command()
        @click.argument("rest", nargs=-1)
        def command(rest: tuple[str, ...]) -> object:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(LazyGroup, "get_command", lambda *_: command)

    return replace


def test_help_imports_nothing_heavy() -> None:
    script = (
        f"import sys; from plumbline.cli import run; run(['--help']); print([m for m in {HEAVY} if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"
    assert "Usage: plumbline" in shown.stdout


def test_help_costs_less_than_three_tenths_of_a_second() -> None:
    costs = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert started("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(costs) < 0.3


def test_help_lists_every_command_with_its_own_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    context = click.Context(cli)
    for name, (_, line) in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(200) == line
        assert line in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("plumbline 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chekc"], "error: No such command 'chekc'. Did you mean 'check'? Next: plumbline --help"),
        (["qqqq"], "error: No such command 'qqqq'. Next: plumbline --help"),
        (["kafka", "strt"], "error: No such command 'strt'. Did you mean"),
        (["check"], "error: Missing argument 'CONTRACT'. Next: plumbline check --help"),
        (["check", "a", "b"], "error: Got unexpected extra argument (b). Next: plumbline check --help"),
        (["--verbose"], "error: No such option '--verbose'."),
        (["kafka", "start", "--port", "99999"], "error: Invalid value for '--port': 99999 is not in the range"),
        (
            ["batch", "run", "x.yaml", "--from", "2013-01-15"],
            "error: --from '2013-01-15' has no time zone. Next: write",
        ),
        (["batch", "run", "x.yaml", "--date", "today"], "error: --date 'today' is not a day. Next: write it as"),
        (["check", "absent.yaml"], "error: cannot read the contract 'absent.yaml': No such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_usage_error_is_one_line_and_exit_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(message)
    assert shown.err.count("\n") == 1
    assert shown.out == ""


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (UsageError("no such day", next_step="name another"), 2, "error: no such day. Next: name another\n"),
        (SetupError("Java is missing", where="PATH"), 3, "error: Java is missing [PATH].\n"),
        (IncompleteError("two lines\nof text"), 3, "error: two lines of text.\n"),
        (
            PermissionError(13, "Permission denied", "/there"),
            3,
            "error: the file system refuses: Permission denied [/there]. "
            "Next: check rights and free space, or another place\n",
        ),
        (
            FileNotFoundError(2, "No such file or directory", "/proc/x"),
            3,
            "error: the file system refuses: No such file or directory [/proc/x]. "
            "Next: check rights and free space, or another place\n",
        ),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (click.Abort(), 130, "error: interrupted\n"),
        (1, 1, ""),
        (0, 0, ""),
        (None, 0, ""),
    ],
    ids=["usage", "setup", "incomplete", "no rights", "no place", "Ctrl-C", "abort", "drift", "clean", "done"],
)
def test_how_a_command_ends(
    outcome: object, code: int, message: str, failing: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(outcome)
    assert run(["check", "x"]) == code
    assert capsys.readouterr().err.lstrip() == message  # click ends the line that shows ^C first


def test_an_unforeseen_error_is_a_defect(
    failing: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(ZeroDivisionError("division by zero"))
    monkeypatch.delenv("PLUMBLINE_DEBUG", raising=False)
    assert run(["check", "x"]) == 3
    line = capsys.readouterr().err
    assert line == (
        "error: ZeroDivisionError: division by zero; this is a defect; set PLUMBLINE_DEBUG=1 for the traceback\n"
    )
    monkeypatch.setenv("PLUMBLINE_DEBUG", "1")
    assert run(["check", "x"]) == 3
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_closed_pipe_ends_quietly() -> None:
    writer = subprocess.Popen([*PLUMBLINE, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait() in (0, 1)


def test_no_command_shows_the_help_and_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Usage: plumbline" in capsys.readouterr().err


@pytest.mark.parametrize("below", ["", "deeper/down"])
def test_a_home_that_is_a_file_is_a_usage_error(below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / below
    assert run(["lake", "--home", str(home)]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: the home '{home}' cannot be a folder: '{tmp_path / 'file'}' is a file. Next: name")


@pytest.mark.parametrize("command", [["kafka", "start"], ["demo"]], ids=" ".join)
def test_without_java_nothing_is_touched(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".plumbline-demo").write_text("")
    (tmp_path / "report.html").write_text("an earlier demo's")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert run([*command, "--home", str(tmp_path)]) == 3
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: JAVA_HOME is {tmp_path}, but there is no bin/java in it. Next: install a Java")
    assert (tmp_path / "report.html").exists()
    assert not (tmp_path / "broker").exists()
