"""The reference of errors for docs/errors.md, read from where they are raised."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from plumbline.contract import errors

FLOORS = ("contract", "connect", "stream_job", "batch_reference", "expectations", "reconcile", "replay", "plumbline")
KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, errors.PlumblineError) and kind is not errors.PlumblineError
}

INTRODUCTION = """\
Generated from the code by `make docs`. A foreseen failure is one line on stderr, without a traceback: what is wrong,
with the value (… here), where it is, and the next step. Anything else ends with `this is a defect` and code 3."""


def error_page(root: Path) -> str:
    """Every foreseen error below `root`: its message, with … for a value, and the next step that it names."""
    found: dict[str, set[tuple[str, str]]] = {name: set() for name in KINDS}
    for floor in FLOORS:
        for path in sorted((root / floor).rglob("*.py")):
            for name, what, step in _raised(ast.parse(path.read_text(encoding="utf-8"))):
                found[name].add((what, step))
    lines = ["# Errors", "", INTRODUCTION, ""]
    for name, kind in KINDS.items():
        meaning = " ".join((kind.__doc__ or "").split())
        lines += [f"## {name}: exit code {kind.exit_code}", "", meaning, "", "| what | next |", "|---|---|"]
        lines += [f"| {_cell(what)} | {_cell(step)} |" for what, step in sorted(found[name])]
        lines.append("")
    return "\n".join(lines).replace("|  |", "| |")


def _raised(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """(class, message, next step) of each error that is made with its message in place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and node.args:
            what = _spelled(node.args[0])
            step = next((_spelled(part.value) for part in node.keywords if part.arg == "next_step"), None)
            if what:
                yield node.func.id, what, step or ""


def _spelled(node: ast.expr) -> str | None:
    """A literal text, its values as …; None for anything else."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return None


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
