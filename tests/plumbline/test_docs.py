"""The generated pages are those of the code, and links in the docs lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from contract.lineage import LINEAGE
from plumbline.cli import cli
from plumbline.docs import ROOT, pages

MARKDOWN = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])


@pytest.mark.parametrize("name", ["cli.md", "contract.md", "contract.schema.json", "tables.md", "operations.md"])
def test_a_generated_page_is_current(name: str) -> None:
    path = ROOT / "docs" / name
    assert path.read_text(encoding="utf-8") == pages()[path], "run make docs and commit"


def test_every_lineage_column_is_explained() -> None:
    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert [name for name in LINEAGE if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_commands_in_code_blocks_exist(page: Path) -> None:
    """`make` targets are in the Makefile; `plumbline` lines are read by the command line itself."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    for line in "".join(blocks).splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert words[1] in targets, line
        if words[:1] == ["plumbline"]:
            parse(words[1:])


def parse(words: list[str]) -> None:
    """Let click read a command line without running it."""
    command: click.Command = cli
    context = click.Context(cli, info_name="plumbline", **cli.context_settings)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command = found
    command.make_context(command.name, words, parent=context)


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", h.lower()).strip().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if file.startswith(("http", "mailto")):
            continue
        assert not file or (page.parent / file).exists(), f"{page.name}: {target}"
        assert file or anchor in headings, f"{page.name}: {target}"
