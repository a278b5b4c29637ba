"""The page of the public Python names, made from `plumbline.PUBLIC` and the docstrings of what it names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import plumbline

GROUPS = {
    "Tables": ("diff", "Diff", "Tolerance"),
    "Contracts": ("load", "Contract", "Home", "TimeRange", "PlumblineError"),
    "Reconcile": (
        "run_reconcile",
        "Run",
        "open_run",
        "RecordedRun",
        "open_lines",
        "RecordedLines",
        "explain",
        "as_text",
    ),
    "Replay": ("plan_replay", "run_replay", "audit_replay", "publish_replay", "open_replay", "Replay"),
    "Jobs": ("run_stream", "run_batch"),
    "A Spark job of your own": ("Listener", "lineage"),
}
INTRODUCTION = """# Python

Generated from `plumbline.PUBLIC` by `make docs`.

`import plumbline` loads nothing else: each name is loaded when it is first used. Names that are not on this page may
change in any release. Every failure that can be foreseen is a `plumbline.PlumblineError`; [Errors](errors.md) lists
them with their next steps. A type whose name ends in Document is a dict with the keys that [JSON documents](json.md)
lists.
"""
WIDTH = 100


def python_page() -> str:
    """The page, one section for each group of names."""
    lines = [INTRODUCTION]
    for group, names in GROUPS.items():
        lines += [f"## {group}", ""]
        for name in names:
            lines += _section(name, getattr(plumbline, name))
    return "\n".join(lines)


def raised(text: str) -> list[str]:
    """The errors that a docstring says are raised, in its order."""
    said = text.partition("Raises ")[2]
    return list(dict.fromkeys(re.findall(r"\b[A-Z]\w*(?:Error|Failed)\b", said)))


def _section(name: str, thing: Any) -> Iterator[str]:
    text = inspect.getdoc(thing) or ""
    yield from (f"### `plumbline.{name}`", "")
    if _is_called(thing):
        yield from ("```text", _signature(name, thing), "```", "")
    yield from (text, "")
    if errors := raised(text):
        yield from ("Errors: " + ", ".join(f"`{error}`" for error in errors) + ".", "")
    if inspect.isclass(thing) and (members := [*_members(thing)]):
        yield from ("| member | meaning |", "|---|---|", *members, "")


def _is_called(thing: Any) -> bool:
    """Whether users call it: functions, plain values and errors; not what a function of this page returns."""
    called = ("Home", "Listener", "TimeRange", "Tolerance", "PlumblineError")
    return not inspect.isclass(thing) or thing.__name__ in called


def _signature(name: str, thing: Any) -> str:
    signature = inspect.signature(thing)
    parts = [_parameter(parameter) for parameter in signature.parameters.values()]
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        parts.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    returned = "" if inspect.isclass(thing) else f" -> {_spelled(signature.return_annotation)}"
    line = f"{name}({', '.join(parts)}){returned}"
    return line if len(line) <= WIDTH else "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){returned}"])


def _parameter(parameter: inspect.Parameter) -> str:
    text = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "") + parameter.name
    if parameter.annotation is not inspect.Parameter.empty:
        text += f": {_spelled(parameter.annotation)}"
    if parameter.default is inspect.Parameter.empty:
        return text
    return f"{text} = {'...' if callable(parameter.default) else repr(parameter.default)}"


def _spelled(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else str(getattr(annotation, "__name__", annotation))


def _members(thing: type) -> Iterator[str]:
    """A row for each public property and method of the class itself that says what it is."""
    for name, member in vars(thing).items():
        plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        function = plain.fget if isinstance(plain, property) else plain
        if name.startswith(("_", "model_")) or not (inspect.isfunction(function) and function.__doc__):
            continue
        shown = name if isinstance(plain, property) else f"{name}({', '.join(_names(function))})"
        meaning = " ".join(inspect.cleandoc(function.__doc__).split()).replace("|", "\\|")
        yield f"| `{shown}` | {meaning} |"


def _names(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
