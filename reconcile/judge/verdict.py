"""From books to a verdict: pure functions over counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from plumbline.contract.errors import UsageError
from plumbline.contract.findings import LATE
from plumbline.reconcile.diff.limits import Limit
from plumbline.reconcile.judge.books import CLASSES, Page

if TYPE_CHECKING:
    from plumbline.contract.document_types import Alert
    from plumbline.contract.findings import Verdict

CLEAN: Final = "clean"
DRIFT: Final = "drift"
INCOMPLETE: Final = "incomplete"
EXIT: dict[Verdict, int] = {CLEAN: 0, DRIFT: 1, INCOMPLETE: 3}


def verdict(*, drift: bool, complete: bool) -> Verdict:
    """`incomplete` beats `drift`: what is not known for certain is not claimed."""
    return INCOMPLETE if not complete else DRIFT if drift else CLEAN


def limits(fail_when: Mapping[str, str]) -> dict[str, Limit]:
    """`reconcile.fail_when` read. Its names were checked with the contract (contract.findings)."""
    read = {}
    for name, spelled in fail_when.items():
        limit = Limit.read(spelled)
        if limit is None:
            raise UsageError(
                f"reconcile.fail_when {name}: {spelled!r} is not a limit", next_step="write '> 0' or '> 1%'"
            )
        read[name] = limit
    return read


def alerts(fail_when: Mapping[str, str], total: Page) -> list[Alert]:
    """The crossed limits: `{"name", "limit", "count", "of"}`. Percentages are of the batch rows (of an empty table: any
    finding is 100%)."""
    crossed: list[Alert] = []
    for name, limit in limits(fail_when).items():
        count = findings_of(name, total)
        if limit.crossed(count, total.batch):
            crossed.append({"name": name, "limit": fail_when[name], "count": count, "of": total.batch})
    return crossed


def findings_of(name: str, total: Page) -> int:
    """Findings of a cause, of a class, or of the late causes."""
    if name in CLASSES:
        return total.count(name)
    wanted = ("late_left", "late_right", "reported_late") if name == LATE else (name,)
    return sum(entry[0] for (cause, _), entry in total.entries.items() if cause in wanted)
