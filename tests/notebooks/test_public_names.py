"""Notebooks, README and docs use the public names only: those stay when rooms below them move."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import plumbline

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def not_public(code: str) -> Iterator[str]:
    """What the code takes of Plumbline that `plumbline.PUBLIC` does not name."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("plumbline."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "plumbline":
            known = plumbline.PUBLIC if node.module == "plumbline" else {}
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name not in known)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "plumbline":
            yield from [] if node.attr in plumbline.PUBLIC else [f"plumbline.{node.attr}"]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import plumbline\nplumbline.load('c.yaml')", []),
        ("from plumbline import load", []),
        ("from plumbline.contract.loader import load", ["plumbline.contract.loader.load"]),
        ("from plumbline import connect", ["plumbline.connect"]),
        ("import plumbline.connect.lake", ["plumbline.connect.lake"]),
        ("import plumbline\nplumbline.connect.lake.Lake", ["plumbline.connect"]),
    ],
)
def test_what_is_not_public_is_found(code: str, found: list[str]) -> None:
    assert list(not_public(code)) == found


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_a_notebook_uses_public_names_only(script: Path) -> None:
    assert list(not_public(script.read_text())) == []
    assert "plumbline.load(" in script.read_text()


def test_pages_use_public_names_only() -> None:
    blocks = [(page, code) for page in PAGES for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)]
    assert any("import plumbline" in code for _, code in blocks)
    assert [(page.name, name) for page, code in blocks for name in not_public(code)] == []
