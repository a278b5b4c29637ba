"""Every command that a text of ours names is one: it parses as it stands, and names contract and home of the command
that failed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from plumbline.cli import COMMANDS, run
from tests.support.command_lines import parse

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("connect", "contract", "stream_job", "expectations", "reconcile", "replay", "plumbline")
COMMAND = re.compile(rf"plumbline (?:{'|'.join(COMMANDS)})\b")
A_VALUE = "2024-01-01"
"""What stands in for a part that only the running program knows; such a one at the end of a word is an option."""
HEADLINES = ("plumbline/nightly/message.py",)
"""Texts that begin like a command and are none."""


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """All texts of a module but its docstrings, with their lines."""
    prose: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            prose |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = ""
            for part in node.values:
                known = isinstance(part, ast.Constant)
                text += str(part.value) if known else A_VALUE if text.endswith((" ", "=")) else ""
            yield node.lineno, text
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


def named() -> Iterator[tuple[str, str]]:
    """`(place, command)` of each text that names one; the command is empty where nobody could copy it from prose."""
    for floor in FLOORS:
        for file in sorted((ROOT / floor).rglob("*.py")):
            place = str(file.relative_to(ROOT))
            for line, text in texts(ast.parse(file.read_text())) if place not in HEADLINES else ():
                for found in COMMAND.finditer(text):
                    before, after = text[: found.start()], text[found.start() :]
                    quoted = before.endswith("`")
                    whole = not before or before.endswith("next: ")
                    yield f"{place}:{line}", after.split("`")[0] if quoted else after if whole else ""


def test_every_command_in_a_text_parses_as_it_stands() -> None:
    found = list(named())
    assert len(found) > 50
    for place, command in found:
        assert command, f"{place}: put the command between backticks, or make it the whole of the next step"
        if re.search(rf"(replay|run CONTRACT|CONTRACT) {A_VALUE}( {A_VALUE})?$|reconcile( {A_VALUE}){{2}}$", command):
            continue  # a step or options that are put in as a whole; printed and run elsewhere
        try:
            parse(command)
        except click.exceptions.Exit:
            assert command.endswith(" -h"), f"{place}: {command}"
        except click.MissingParameter:
            assert re.fullmatch(r"plumbline [a-z -]+", command), f"{place}: {command}"
        except click.ClickException as error:
            raise AssertionError(f"{place}: {command}: {error.format_message()}") from error


CONTRACT = (ROOT / "plumbline" / "commands" / "starter.yaml").read_text()


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (["batch", "run", "{contract}"], "plumbline stream run '{contract}' --once --home '{home}'"),
        (["stream", "status", "{contract}"], "plumbline stream run '{contract}' --home '{home}'"),
        (["report", "{contract}"], "plumbline reconcile '{contract}' --home '{home}'"),
        (["check", "{contract}", "--online"], "plumbline kafka start --home '{home}'"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_an_error_names_the_contract_and_the_home_of_its_command(
    line: list[str], step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, contract = tmp_path / "my home", tmp_path / "my contract.yaml"
    contract.write_text(CONTRACT)
    words = [word.format(contract=contract) for word in line]
    assert run([*words, "--home", str(home)]) != 0
    told = capsys.readouterr().err
    expected = step.format(contract=contract, home=home)
    assert expected in told
    parse(expected)


def test_without_a_contract_or_another_home_nothing_is_made_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLUMBLINE_HOME", raising=False)
    assert run(["check", "there is none.yaml"]) == 2
    assert "Next: give the path of a contract file; `plumbline init` writes one" in capsys.readouterr().err
    assert run(["replay", "status", "latest"]) == 2
    assert "Next: `plumbline replay plan` makes one" in capsys.readouterr().err
