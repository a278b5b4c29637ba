"""The reference of errors for docs/errors.md, read from where they are raised."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
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
            for name, what, step in _raised(ast.parse(path.read_text(encoding="utf-8")), root):
                found[name].add((what, step))
    lines = ["# Errors", "", INTRODUCTION, ""]
    for name, kind in KINDS.items():
        meaning = " ".join((kind.__doc__ or "").split())
        lines += [f"## {name}: exit code {kind.exit_code}", "", meaning, "", "| what | next |", "|---|---|"]
        lines += [f"| {_cell(what)} | {_cell(step)} |" for what, step in sorted(found[name])]
        lines.append("")
    return "\n".join(lines).replace("|  |", "| |")


def _raised(tree: ast.Module, root: Path) -> Iterator[tuple[str, str, str]]:
    """(class, message, next step) of each error that is made with its message in place."""
    constants = {**_imported(tree, root), **_constants(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and node.args:
            what = _spelled(node.args[0], constants)
            step = next((_spelled(part.value, constants) for part in node.keywords if part.arg == "next_step"), None)
            if what:
                yield node.func.id, what, step or ""


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        name.id: node.value.value
        for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for name in node.targets if isinstance(name, ast.Name) and isinstance(node.value.value, str)
    }  # fmt: skip


def _imported(tree: ast.Module, root: Path) -> dict[str, str]:
    """The constants that a module takes from other ones of the project."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("plumbline."):
            path = root.joinpath(*str(node.module).split(".")[1:]).with_suffix(".py")
            names = {name.name: name.asname or name.name for name in node.names if name.name.isupper()}
            if names and path.exists():
                there = _constants(ast.parse(path.read_text(encoding="utf-8")))
                found |= {names[name]: text for name, text in there.items() if name in names}
    return found


def _spelled(node: ast.expr, constants: Mapping[str, str]) -> str | None:
    """A literal text, its values as …, or the one that a function is given last; None for anything else."""
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.Name():
            return constants.get(node.id)
        case ast.JoinedStr():
            return "".join(_part(part, constants) for part in node.values)
        case ast.BinOp(op=ast.Add()):
            return "".join(_spelled(side, constants) or "…" for side in (node.left, node.right))
        case ast.Call(args=[*_, last]):
            text = _spelled(last, constants)
            return text if text and " " in text else None
    return None


def _part(part: ast.expr, constants: Mapping[str, str]) -> str:
    value = part.value if isinstance(part, ast.FormattedValue) else part
    return (_spelled(value, constants) if isinstance(value, ast.Constant | ast.Name) else None) or "…"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
