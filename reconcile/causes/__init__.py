"""Why a row differs: one module per cause, each with its proof over the evidence. A new file here is a new cause."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib import import_module


@dataclass(frozen=True)
class Cause:
    """One reason for which a row may differ.

    Of all causes whose `proof` holds, the one with the lowest `precedence` wins. `proof` is a SQL predicate over the
    columns of EVIDENCE and its notes (see `reconcile/relations/`); NULL, that is a missing piece of evidence, proves
    nothing. `evidence` names the columns that a reader needs to check it, `story` is one sentence with `{column}`
    places, filled by reconcile.report.stories. `is_drift` is false for what is not a difference yet. `needs` are the
    sources without which nothing is proven (see `reconcile/judge/unknown_causes.py`): such a cause is then unknown, not
    absent. `without_rule` is the part of the proof that holds whatever Spark's rule of lateness is; None: all of it.
    `instead` is what may stand for lineage that the rows of a team's own job lack (see `judge/unknown_causes.py`).
    `of_batch_row`: of a mismatch it says why the stream lacks the batch's row, whatever stands in its place.
    `remedy` says in one sentence what to do about it, and `repair` by which command: replay, batch, archive,
    quarantine, explain, or wait for none.
    """

    name: str
    precedence: int
    title: str
    proof: str
    evidence: tuple[str, ...]
    story: str
    is_drift: bool = True
    needs: tuple[str, ...] = ()
    without_rule: str | None = None
    instead: tuple[str, ...] = ("archive",)
    of_batch_row: bool = False
    remedy: str = "Take the story of one of its keys."
    repair: str = "explain"


@cache
def registry() -> tuple[Cause, ...]:
    """All causes, in order of precedence; the last, `unexplained`, always holds."""
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return tuple(sorted((module.CAUSE for module in modules), key=lambda cause: cause.precedence))


def named(name: str) -> Cause:
    """The cause of that name. Raises KeyError for an unknown one."""
    return {cause.name: cause for cause in registry()}[name]
