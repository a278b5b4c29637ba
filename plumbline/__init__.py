"""Plumbline keeps a streaming join true to its batch reference. This is its public door; docs/python.md lists it.

Each name is loaded on first use: `import plumbline` itself costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plumbline.batch_reference.run import run as run_batch
    from plumbline.connect.home import Home
    from plumbline.contract.equality import Tolerance
    from plumbline.contract.errors import PlumblineError
    from plumbline.contract.loader import load
    from plumbline.contract.model import Contract
    from plumbline.contract.ranges import TimeRange
    from plumbline.reconcile.aggregates.report.recorded import RecordedLines, open_lines
    from plumbline.reconcile.diff.diff import Diff, diff
    from plumbline.reconcile.explain.explain import explain
    from plumbline.reconcile.format import plain as as_text
    from plumbline.reconcile.report.recorded_run import RecordedRun, open_run
    from plumbline.reconcile.run import Run
    from plumbline.reconcile.run import reconcile as run_reconcile
    from plumbline.replay.audit import audit as audit_replay
    from plumbline.replay.opened import Replay
    from plumbline.replay.plan import make_plan as plan_replay
    from plumbline.replay.play import run as run_replay
    from plumbline.replay.publish import publish as publish_replay
    from plumbline.replay.steps import open_replay
    from plumbline.stream_job.observe.coordinates import lineage
    from plumbline.stream_job.observe.listener import Listener
    from plumbline.stream_job.run import run as run_stream

PUBLIC = {
    "Contract": ("plumbline.contract.model", "Contract"),
    "Diff": ("plumbline.reconcile.diff.diff", "Diff"),
    "Home": ("plumbline.connect.home", "Home"),
    "Listener": ("plumbline.stream_job.observe.listener", "Listener"),
    "PlumblineError": ("plumbline.contract.errors", "PlumblineError"),
    "RecordedLines": ("plumbline.reconcile.aggregates.report.recorded", "RecordedLines"),
    "RecordedRun": ("plumbline.reconcile.report.recorded_run", "RecordedRun"),
    "Replay": ("plumbline.replay.opened", "Replay"),
    "Run": ("plumbline.reconcile.run", "Run"),
    "TimeRange": ("plumbline.contract.ranges", "TimeRange"),
    "Tolerance": ("plumbline.contract.equality", "Tolerance"),
    "as_text": ("plumbline.reconcile.format", "plain"),
    "audit_replay": ("plumbline.replay.audit", "audit"),
    "diff": ("plumbline.reconcile.diff.diff", "diff"),
    "explain": ("plumbline.reconcile.explain.explain", "explain"),
    "lineage": ("plumbline.stream_job.observe.coordinates", "lineage"),
    "load": ("plumbline.contract.loader", "load"),
    "open_lines": ("plumbline.reconcile.aggregates.report.recorded", "open_lines"),
    "open_replay": ("plumbline.replay.steps", "open_replay"),
    "open_run": ("plumbline.reconcile.report.recorded_run", "open_run"),
    "plan_replay": ("plumbline.replay.plan", "make_plan"),
    "publish_replay": ("plumbline.replay.publish", "publish"),
    "run_batch": ("plumbline.batch_reference.run", "run"),
    "run_reconcile": ("plumbline.reconcile.run", "reconcile"),
    "run_replay": ("plumbline.replay.play", "run"),
    "run_stream": ("plumbline.stream_job.run", "run"),
}
"""Public name to its module and its name there. `run_reconcile` beside the package `plumbline.reconcile`."""

__all__ = [
    "Contract",
    "Diff",
    "Home",
    "Listener",
    "PlumblineError",
    "RecordedLines",
    "RecordedRun",
    "Replay",
    "Run",
    "TimeRange",
    "Tolerance",
    "as_text",
    "audit_replay",
    "diff",
    "explain",
    "lineage",
    "load",
    "open_lines",
    "open_replay",
    "open_run",
    "plan_replay",
    "publish_replay",
    "run_batch",
    "run_reconcile",
    "run_replay",
    "run_stream",
]


def __getattr__(name: str) -> Any:
    """The public name, loaded when it is first asked for."""
    if name not in PUBLIC:
        raise AttributeError(f"module 'plumbline' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = PUBLIC[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
