"""The drift report: what a reconcile document says, as one HTML page and as plots for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconcile.report.facts import Facts as Facts
    from reconcile.report.facts import Replay as Replay
    from reconcile.report.lateness import Lateness as Lateness
    from reconcile.report.lateness import measure as measure
    from reconcile.report.page import render as render
    from reconcile.report.page import write as write

_PUBLIC = {
    "Facts": "facts",
    "Lateness": "lateness",
    "Replay": "facts",
    "measure": "lateness",
    "render": "page",
    "write": "page",
}
__all__ = ["Facts", "Lateness", "Replay", "measure", "render", "write"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: `plumbline --help` must not pay for Jinja."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'reconcile.report' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"reconcile.report.{_PUBLIC[name]}"), name)
