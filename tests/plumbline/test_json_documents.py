"""Every command with `--json` has a schema of its document, and every document that tests print is held to it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from plumbline.cli import cli
from plumbline.commands.init import TEMPLATES, init
from tests.support.documents import MAKERS, checked, command_in, complaints
from tools.json_documents import DOCUMENTS, schema_of


def commands_with_json(command: click.Command, name: str = "") -> Iterator[str]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            below = command.get_command(context, part)
            assert below is not None
            yield from commands_with_json(below, f"{name} {part}".strip())
    elif any("--json" in option.opts for option in command.params):
        yield name


def test_each_command_with_json_has_a_schema() -> None:
    of_options = {name for name in DOCUMENTS if "--" in name}
    assert set(commands_with_json(cli)) == DOCUMENTS.keys() - of_options


@pytest.mark.parametrize("command", DOCUMENTS)
def test_a_schema_refuses_what_it_does_not_name(command: str) -> None:
    with pytest.raises(AssertionError, match="is not as its schema says"):
        checked(command, {"odd": 1})
    for part in _objects(schema_of(command)):
        assert part["additionalProperties"] is False, part


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object of a schema whose keys are fixed."""
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _objects(part)
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        yield schema


def test_a_document_of_this_process_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("plumbline.commands.init.TEMPLATES", {"odd": TEMPLATES["starter"], **TEMPLATES})
    command = init.callback
    assert command is not None
    with click.Context(init, info_name="init", parent=click.Context(cli)):
        command(tmp_path / "contract.yaml", "odd", force=False, as_json=False)
    [complaint] = complaints()
    assert "plumbline init" in complaint
    assert "$.template: 'odd' is not one of" in complaint


@pytest.mark.parametrize("module", MAKERS)
def test_what_makes_a_document_is_looked_at(module: str) -> None:
    loaded = import_module(module)
    assert [name for name in MAKERS[module] if not hasattr(getattr(loaded, name), "__wrapped__")] == []


def test_a_document_that_is_made_is_looked_at() -> None:
    from plumbline.reconcile.report.history import history

    assert history("odd", []) == {"contract": "odd", "runs": [], "trend": {}}
    assert complaints() == []
    history(1, [])  # type: ignore[arg-type]
    [complaint] = complaints()
    assert complaint.endswith(
        "plumbline history is not as its schema says: [\"$.contract: 1 is not of type 'string'\"]"
    )


def test_a_document_of_another_process_is_looked_at(tmp_path: Path) -> None:
    program = tmp_path / "plumbline"
    program.write_text("#!/bin/sh\necho '{\"stopped\": 1}'\n")
    program.chmod(0o700)
    subprocess.run([program, "kafka", "stop", "--json"], stdout=subprocess.PIPE, check=True)
    [complaint] = complaints()
    assert "plumbline kafka stop" in complaint
    assert "$.stopped: 1 is not of type 'boolean'" in complaint


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/bin/plumbline replay plan flights.yaml --json", "replay plan"),
        ("python -m plumbline diff a b --key id --json", "diff"),
        ("plumbline diff a b --key id", None),
        ("echo --json", None),
    ],
)
def test_a_command_line_names_its_document(line: str, command: str | None) -> None:
    assert command_in(line.split()) == command


def test_a_wrong_value_is_named_by_its_place() -> None:
    with pytest.raises(AssertionError, match=r"\$\.left\.rows: '1' is not of type 'integer'"):
        checked("diff", {"left": {"rows": "1"}})
