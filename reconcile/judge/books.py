"""The drift ledger: every row of both tables stands in it once, per window and in total, or it does not balance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, cast

from plumbline.contract.ranges import from_micros, spell_time
from plumbline.reconcile.causes import registry
from plumbline.reconcile.relations.evidence import DAY_COUNTS

if TYPE_CHECKING:
    from plumbline.contract.findings import Cause, Class
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.judge.document_types import LedgerPage, TotalCounts
    from plumbline.reconcile.relations.relation import Relation

CLASSES = ("missing", "extra", "mismatch", "duplicate")
PENDING = "pending"


@dataclass
class Page:
    """The books of one window (a UTC day of left event time; None: rows without one), or of the whole range.

    `batch` and `stream` are counted in the pinned tables, apart from the diff. `entries` maps (cause, class) to
    [findings, batch rows, stream rows]: what each cause takes out of both tables. What is left must be the same
    number of rows on both sides, the matches.
    """

    window: datetime | None = None
    batch: int = 0
    stream: int = 0
    entries: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def enter(self, cause: str, kind: str, findings: int, batch: int, stream: int) -> None:
        """Add findings and the rows they stand for."""
        entry = self.entries.setdefault((cause, kind), [0, 0, 0])
        for place, number in enumerate((findings, batch, stream)):
            entry[place] += number

    @property
    def match(self) -> int:
        """Batch rows that no finding stands for."""
        return self.batch - sum(entry[1] for entry in self.entries.values())

    @property
    def balanced(self) -> bool:
        """Whether both tables have equally many rows left, and none too many."""
        left = self.stream - sum(entry[2] for entry in self.entries.values())
        return self.match == left and left >= 0

    def count(self, kind: str) -> int:
        """Findings of a class, pending ones left out; `pending` counts those, in batch rows."""
        if kind == PENDING:
            return sum(entry[1] for (cause, _), entry in self.entries.items() if cause == PENDING)
        return sum(entry[0] for (cause, found), entry in self.entries.items() if found == kind and cause != PENDING)

    def causes(self) -> dict[str, dict[str, int]]:
        """Cause to findings per class, in order of precedence; only what occurs."""
        found: dict[str, dict[str, int]] = {}
        for cause in registry():
            for kind in CLASSES:
                if (cause.name, kind) in self.entries:
                    found.setdefault(cause.name, {})[kind] = self.entries[cause.name, kind][0]
        return found

    def as_json(self) -> LedgerPage:
        """One entry of the document's `ledger`."""
        window = None if self.window is None else spell_time(self.window)
        causes = cast("dict[Cause, dict[Class, int]]", self.causes())
        return {"window": window, **self.counts(), "causes": causes, "balanced": self.balanced}

    def counts(self) -> TotalCounts:
        """The rows of both tables, those that match, and the findings of each class."""
        return {
            "batch": self.batch,
            "stream": self.stream,
            "match": self.match,
            "mismatch": self.count("mismatch"),
            "missing": self.count("missing"),
            "extra": self.count("extra"),
            "duplicate": self.count("duplicate"),
            "pending": self.count(PENDING),
        }


@dataclass(frozen=True)
class Books:
    """The pages of all windows in order, and their total."""

    pages: tuple[Page, ...]
    total: Page

    def balance(self, match: int) -> bool:
        """Whether each page balances and the total's matches are the `match` rows that the diff found equal."""
        return self.total.match == match and all(page.balanced for page in (*self.pages, self.total))


def keep(pins: Pins, attributed: Relation) -> Books:
    """The books of a finished attribution. Rows are counted in both pinned views (DAY_COUNTS), apart from the diff."""
    pages: dict[datetime | None, Page] = {}
    timed = pins.timed
    for day_us, batch, stream in _rows(pins, timed):
        window = _moment(day_us)
        pages[window] = Page(window, batch, stream)
    for day_us, cause, kind, findings, batch, stream in _findings(pins, attributed, timed):
        window = _moment(day_us)
        pages.setdefault(window, Page(window)).enter(cause, kind, findings, batch, stream)
    ordered = sorted(pages.values(), key=lambda page: (page.window is not None, page.window))
    return Books(tuple(ordered), total(ordered))


def total(pages: Iterable[Page]) -> Page:
    """All pages added up."""
    summed = Page()
    for page in pages:
        summed.batch += page.batch
        summed.stream += page.stream
        for (cause, kind), (findings, batch, stream) in page.entries.items():
            summed.enter(cause, kind, findings, batch, stream)
    return summed


def by_month(pages: Iterable[Page]) -> tuple[Page, ...]:
    """The same books on coarser pages, for long ranges on a terminal."""
    months: dict[datetime | None, list[Page]] = {}
    for page in pages:
        month = None if page.window is None else page.window.replace(day=1)
        months.setdefault(month, []).append(page)
    return tuple(_titled(total(group), month) for month, group in months.items())


def _titled(page: Page, window: datetime | None) -> Page:
    page.window = window
    return page


def _moment(us: int | None) -> datetime | None:
    return None if us is None else from_micros(us)


_DAY, _NO_DAY = 'epoch_us("window")', "NULL::BIGINT"


def _rows(pins: Pins, timed: bool) -> list[tuple[int | None, int, int]]:
    """Rows of both tables per UTC day of left event time (its start in us); all on one page, without a day, where one
    table does not say its rows'."""
    return pins.con.execute(
        f"""
        SELECT {"epoch_us(plumbline_day)" if timed else _NO_DAY},
            coalesce(sum(held) FILTER (output = 'batch'), 0)::BIGINT,
            coalesce(sum(held) FILTER (output = 'stream'), 0)::BIGINT
        FROM {DAY_COUNTS} GROUP BY 1
        """
    ).fetchall()


def _findings(pins: Pins, attributed: Relation, timed: bool) -> list[tuple[int | None, str, str, int, int, int]]:
    """Findings, batch rows and stream rows per window, cause and class; each side in the window of its own row."""
    return pins.con.execute(
        f"""
        SELECT {_DAY if timed else _NO_DAY}, cause, class,
            sum(findings)::BIGINT, sum(batch)::BIGINT, sum(stream)::BIGINT
        FROM (
            SELECT date_trunc('day', event_time) AS "window", cause, class,
                count(*) AS findings, 0 AS batch, 0 AS stream
            FROM {attributed} GROUP BY ALL
            UNION ALL
            SELECT date_trunc('day', batch_event_time), cause, class, 0, sum(left_count), 0
            FROM {attributed} WHERE left_count > 0 GROUP BY ALL
            UNION ALL
            SELECT date_trunc('day', stream_event_time), cause, class, 0, 0, sum(right_count)
            FROM {attributed} WHERE right_count > 0 GROUP BY ALL
        )
        GROUP BY ALL
        """
    ).fetchall()
