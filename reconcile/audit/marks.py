"""Stretches of offsets that are told: doubled, lacking, or beyond the topic's end; with the kind of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from plumbline.reconcile.audit.runs import Runs, stretches, uneven

if TYPE_CHECKING:
    import duckdb

DOUBLED, UNASKED, ARCHIVED, DELETED = "doubled", "unasked", "archived", "deleted"
BEFORE_FIRST, ABSENT, BEYOND_END, BEHIND = "before_first", "absent", "beyond_end", "behind"

DRIFT = {
    DOUBLED: "held more than once",
    "held": "missing, and the topic still holds records there",
    ARCHIVED: "missing, and the archive holds records there",
    DELETED: "missing: a commit deleted the rows",
    BEFORE_FIRST: "before the first row of the partition; the topic holds records there",
    ABSENT: "of partitions without any row; the topic holds records there",
    BEYOND_END: "beyond the topic's end: the topic was made again, or the rows are of another one",
}
"""What is wrong in any case."""
UNKNOWN = {
    UNASKED: "missing; no topic was asked whether it holds records there (--topic)",
    "expired": "missing; the topic no longer reaches back so far",
    "compacted": "missing; the topic is compacted: a record may have been removed for a newer one of its key",
    "open": "missing; a transaction that has not ended stands before them",
}
"""What may be a loss, and may be none."""
HARMLESS = {
    "marker": "missing, and never held a record (transaction markers)",
    "aborted": "missing, and hold records of aborted transactions",
}
"""What is not a loss."""
KINDS = {**DRIFT, **UNKNOWN, **HARMLESS}

AT_ONCE = 1 << 16
_THEN = 1 << 40


class Marks:
    """Marked stretches of a connection. Tags of their runs are negative, so that facts may lie beside them."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.runs = Runs(con, "marked")
        self._kinds: list[tuple[str, int]] = []
        self._waiting: list[tuple[int, int, int, int]] = []

    def add(self, kind: str, group: int, start: int, end: int, copies: int = 0) -> None:
        """Mark one stretch; `flush` when all are there."""
        if (kind, copies) not in self._kinds:
            self._kinds.append((kind, copies))
        self._waiting.append((group, start, end, -1 - self._kinds.index((kind, copies))))
        if len(self._waiting) >= AT_ONCE:
            self.flush()

    def need_past(self, deleted: bool) -> bool:
        """Whether what led to a mark matters; `deleted`: some commit may have taken rows away."""
        return any(kind not in HARMLESS and (kind != BEHIND or deleted) for kind, _ in self._kinds)

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self.runs.add(*(np.array(column, np.int64) for column in zip(*self._waiting, strict=True)))
            self._waiting.clear()

    def of(self, active: dict[int, int]) -> list[tuple[str, int]]:
        """(kind, copies) of the marks over a stretch; what the archive holds needs no second word of the topic's."""
        found = [self._kinds[-1 - tag] for tag in active if tag < 0]
        archived = any(kind == ARCHIVED for kind, _ in found)
        return [one for one in found if not (archived and one[0] in (BEFORE_FIRST, ABSENT, BEHIND))]


def unlike(now: Runs, then: Runs | None) -> Iterator[tuple[int, int, int, int]]:
    """(group, start, end, copies) of what is not there once in `now`, but for what was as bad in `then` already."""
    if then is None:
        for arrays in uneven(now):
            yield from zip(*(array.tolist() for array in arrays), strict=True)
        return
    told = Runs(now.con, "uneven")
    for runs, apart in ((now, 0), (then, _THEN)):
        for groups, starts, ends, counts in uneven(runs):
            told.add(groups, starts, ends, counts + apart)
    for group, start, end, active in stretches(now.con, told.events()):
        copies = next((tag for tag in active if tag < _THEN), 1)
        before = next((tag - _THEN for tag in active if tag >= _THEN), 1)
        if copies > max(1, before) or (copies == 0 and before != 0):
            yield group, start, end, copies
    told.drop()
