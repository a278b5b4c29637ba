"""Documents of `--json`, held to their JSON Schemas in docs/schemas: each that any test makes or prints.

`watch` is called once, before anything that makes a document is imported. From then on three ways lead here: what the
functions in MAKERS return, what a command of this process prints (also as a page, which shows the same document), and
what a process that was started with `--json` has printed. A document that is not as its schema says is noted, and
`complaints` fails the test that has just run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from jsonschema import Draft202012Validator

from plumbline import output
from tools.json_documents import DOCUMENTS, schema_file

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"
MAKERS = {
    "plumbline.batch_reference.run": {"run": "batch run"},
    "plumbline.commands.report": {"spelled": "report --format json"},
    "plumbline.demo.story": {"tell": "demo"},
    "plumbline.expectations.run": {"run": "expect"},
    "plumbline.nightly.run": {"nightly": "nightly"},
    "plumbline.reconcile.aggregates.run": {"reconcile_aggregate": "reconcile"},
    "plumbline.reconcile.explain.explain": {"explain": "explain"},
    "plumbline.reconcile.lateness.what_if": {"what_if": "lateness"},
    "plumbline.reconcile.report.history": {"history": "history"},
    "plumbline.reconcile.run": {"reconcile": "reconcile"},
    "plumbline.replay.audit": {"check": "replay audit"},
    "plumbline.replay.feed": {"feed": "replay feed"},
    "plumbline.replay.fill": {"fill": "archive fill"},
    "plumbline.replay.finish": {"finish": "replay finish"},
    "plumbline.replay.gc": {"collect": "replay gc"},
    "plumbline.replay.plan": {"make_plan": "replay plan"},
    "plumbline.replay.play": {"cut_and_play": "replay run"},
    "plumbline.replay.publish": {"replace_range": "replay publish", "rollback": "replay rollback"},
    "plumbline.replay.recover.run": {"recover": "stream recover"},
    "plumbline.replay.series": {"plan_several": "replay plan"},
    "plumbline.replay.steps": {"status": "replay status"},
    "plumbline.stream_job.adopt": {"adopt": "stream adopt-topic"},
    "plumbline.stream_job.maintain": {"maintain": "maintain"},
    "plumbline.stream_job.run": {"run": "stream run"},
    "plumbline.stream_job.status": {"look": "stream status"},
}
"""Module to its functions that make a document, and the command whose it is."""

_complaints: list[str] = []


def checked(command: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document itself, which is as the schema of `command` says."""
    wrong = _wrong(command, document)
    assert not wrong, wrong
    return document


def watch() -> None:
    """Look at every document from now on."""
    assert not MAKERS.keys() & sys.modules.keys(), "imported before anybody could look"
    sys.meta_path.insert(0, _Makers())
    output.emit = _looked_at(output.emit)
    subprocess.Popen.communicate = _read_along(subprocess.Popen.communicate)  # type: ignore[method-assign]


def complaints() -> list[str]:
    """What has been wrong since the last call."""
    found = list(_complaints)
    _complaints.clear()
    return found


def command_in(words: Sequence[str]) -> str | None:
    """The command with a document that a command line runs, such as `replay plan`; None when it is another program."""
    names = [Path(word).name for word in words]
    if "plumbline" not in names or "--json" not in words:
        return None
    after = [word for word in words[names.index("plumbline") + 1 :] if not word.startswith("-")]
    return next((name for name in (" ".join(after[:2]), *after[:1]) if name in DOCUMENTS), None)


class _Makers(MetaPathFinder):
    """Lets the functions in MAKERS show what they return, from the import of their module on."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in MAKERS else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                for function, command in MAKERS[name].items():
                    setattr(module, function, _shown(command, getattr(module, function)))

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


def _shown(command: str, make: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make)
    def made(*args: Any, **kwargs: Any) -> Any:
        found = make(*args, **kwargs)
        text = found if isinstance(found, str) else output.as_json_text(_document(found))
        if text.startswith("{"):
            _note(_wrong(command, json.loads(text)))
        return found

    return made


def _document(found: Any) -> Mapping[str, Any]:
    if isinstance(found, Mapping):
        return found
    document = found.document if hasattr(found, "document") else found.as_json()
    assert isinstance(document, Mapping)
    return document


def _looked_at(emit: Callable[..., None]) -> Callable[..., None]:
    def look(document: Mapping[str, Any], as_json: bool, show: Callable[[Any], None]) -> None:
        command = _called()
        if command is not None:
            _note(_wrong(command, json.loads(output.as_json_text(document))))
        emit(document, as_json, show)

    return look


def _called() -> str | None:
    """The command of this process that is running now, without the program's name."""
    context = click.get_current_context(silent=True)
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(names) or None


def _read_along(communicate: Callable[..., Any]) -> Callable[..., Any]:
    def told(process: subprocess.Popen[Any], *args: Any, **kwargs: Any) -> Any:
        printed = communicate(process, *args, **kwargs)
        words = [process.args] if isinstance(process.args, str | bytes | Path) else list(process.args)  # type: ignore[arg-type]
        command = command_in([str(word) for word in words])
        if command is not None and process.returncode in (0, 1, 3) and printed[0]:
            _note(_wrong(command, json.loads(printed[0])))
        return printed

    return told


def _note(wrong: str) -> None:
    if wrong:
        _complaints.append(wrong)


def _wrong(command: str, document: Mapping[str, Any]) -> str:
    """What is not as the schema says; empty when all is."""
    if command not in DOCUMENTS:
        return f"the document of plumbline {command} has no schema: add it to tools/json_documents.py"
    found = [f"{error.json_path}: {error.message}" for error in _validator(command).iter_errors(document)]
    return f"the document of plumbline {command} is not as its schema says: {found}" if found else ""


@cache
def _validator(command: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / schema_file(command)).read_text(encoding="utf-8")))
