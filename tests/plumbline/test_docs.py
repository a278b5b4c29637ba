"""The generated pages are those of the code, and links in the docs lead somewhere."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path
from textwrap import dedent

import duckdb
import pytest
import yaml
from pydantic import TypeAdapter

from plumbline.contract.lineage import LINEAGE
from plumbline.contract.loader import parse as parse_contract
from plumbline.contract.model import Contract, Join, Output, Source
from tests.support.command_lines import parse
from tools.docs import ROOT, pages
from tools.json_documents import DOCUMENTS, schema_file

MARKDOWN = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])


made = cache(pages)
"""The pages as the code has them: all are made for each."""


@pytest.mark.parametrize(
    "name",
    [
        "cli.md",
        "python.md",
        "json.md",
        *(f"schemas/{schema_file(command)}" for command in DOCUMENTS),
        "contract.md",
        "contract.schema.json",
        "tables.md",
        "operations.md",
        "reconcile.md",
        "errors.md",
    ],
)
def test_a_generated_page_is_current(name: str) -> None:
    path = ROOT / "docs" / name
    assert path.read_text(encoding="utf-8") == made()[path], "run make docs and commit"


def test_every_lineage_column_is_explained() -> None:
    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert [name for name in LINEAGE if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_commands_in_code_blocks_exist(page: Path) -> None:
    """`make` targets are in the Makefile; `plumbline` lines are read by the command line itself."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    for line in "".join(blocks).splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert words[1] in targets, line
        if words[:1] == ["plumbline"]:
            parse(line)


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_blocks_are_well_formed(page: Path) -> None:
    """Every block says what it is, and is that; a contract's part in YAML is one that a contract may have."""
    for language, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.M | re.S):
        assert language in WELL_FORMED, f"a block of {page.name} is marked {language!r}"
        WELL_FORMED[language](dedent(block))


def as_yaml(block: str) -> None:
    part = yaml.safe_load(block)
    if "contract" in part:
        parse_contract(block)
    elif known := part.keys() & Contract.model_fields.keys():
        assert known == part.keys()
        for name in known:
            TypeAdapter(Contract.model_fields[name].annotation).validate_python(part[name])
    else:
        fields = {name for model in (Source, Output, Join) for name in model.model_fields}
        assert part.keys() <= fields, part.keys() - fields


def as_ini(block: str) -> None:
    lines = block if block.lstrip().startswith("[") else f"[environment]\n{block}"
    configparser.ConfigParser(interpolation=None).read_string(lines)


WELL_FORMED: dict[str, Callable[[str], object]] = {
    "sh": lambda block: None,  # test_commands_in_code_blocks_exist
    "text": lambda block: None,
    "sql": lambda block: duckdb.extract_statements(re.sub(r":(from|to)\b", "now()", block)),
    "yaml": as_yaml,
    "json": lambda block: json.loads(block.replace("[...]", "[]")),
    "python": lambda block: compile(block, "a block", "exec"),
    "ini": as_ini,
}


FLOORS = "contract|connect|stream_job|batch_reference|expectations|reconcile|replay"


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_paths_in_the_pages_for_contributors_exist(page: str) -> None:
    """But for the file that a newcomer is to write."""
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{FLOORS}|plumbline|tests|tools|docs|benchmarks|examples|findings)/[\w/.-]*)`", text)
    assert len(named) > 8
    assert [name for name in named if not (ROOT / name).exists()] in ([], ["reconcile/causes/barely_late.py"])


def test_texts_name_modules_by_the_names_they_have() -> None:
    """A docstring, message or page that says where to look, such as `plumbline.contract.errors`, leads there."""
    wrong = [
        f"{path.relative_to(ROOT)}: plumbline.{name}"
        for folder in (*FLOORS.split("|"), "docs", "tests", "tools", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".md")
        for name in re.findall(rf"plumbline\.((?:{FLOORS})(?:\.[a-z_]\w*)+)", path.read_text(encoding="utf-8"))
        if not _is_of_ours(name)
    ]
    assert wrong == []


def _is_of_ours(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    floor, *parts = name.split(".")
    place = ROOT / floor
    for part in parts:
        if (place / part).is_dir() or (place / f"{part}.py").is_file():
            place = place / part
            continue
        source = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
        return bool(re.search(rf"\b{re.escape(part)}\b", source.read_text(encoding="utf-8")))
    return True


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
