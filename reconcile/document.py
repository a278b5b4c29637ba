"""What a reconcile document says, in the shapes that the page and the notebook show. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from plumbline.contract.operators import next_step
from plumbline.contract.ranges import TimeRange, parse_time
from plumbline.reconcile import format
from plumbline.reconcile.diff.engine.schema_findings import UNCOMPARED

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

Document = Mapping[str, Any]
"""What `plumbline reconcile --json` prints."""

ONE_SIDED = ("arrived_after_batch", "quarantined", "archive_gap", "out_of_contract", "window_edge")
"""Causes by which one side took in records, or joined pairs, that the other did not."""
CLASSES = ("missing", "extra", "mismatch", "duplicate")
MOST_BARS = 124
NONE_IN = ", which lets none in: look at the condition"
PENDING = "pending"


@dataclass(frozen=True)
class CauseLine:
    """One cause of a document: its findings per class (missing, extra, mismatch, duplicate) and altogether."""

    name: str
    classes: Mapping[str, int]

    @property
    def findings(self) -> int:
        return sum(self.classes.values())


@dataclass(frozen=True)
class BookLine:
    """One line on the way from the batch rows to the stream rows; `rows` is signed."""

    cause: str
    rows: int
    what: str


@dataclass(frozen=True, eq=False)
class Window:
    """Drift of one or several days of left event time, `[start, end)` in UTC; `start` None: rows without a time."""

    start: datetime | None
    end: datetime | None
    batch: int
    stream: int
    causes: Mapping[str, int]

    @property
    def drift(self) -> int:
        """Findings that are drift: pending is none."""
        return sum(n for cause, n in self.causes.items() if cause != PENDING)


def cause_lines(document: Document) -> tuple[CauseLine, ...]:
    """All causes of the document, the one with most findings first, from its ledger."""
    found: dict[str, dict[str, int]] = {}
    for page in document["ledger"]:
        for cause, classes in page["causes"].items():
            for kind, number in classes.items():
                entry = found.setdefault(cause, {})
                entry[kind] = entry.get(kind, 0) + number
    return tuple(sorted((CauseLine(*item) for item in found.items()), key=lambda line: (-line.findings, line.name)))


def book_lines(document: Document) -> tuple[BookLine, ...]:
    """What leads from the batch rows to the stream rows: missing out, extra in, and the surplus of duplicates.

    The lines and the batch rows add up to the stream rows always; whether each is proven is what `balanced` says.
    """
    lines = []
    for cause in cause_lines(document):
        if out := cause.classes.get("missing", 0):
            lines.append(BookLine(cause.name, -out, "not in the stream"))
        if extra := cause.classes.get("extra", 0):
            lines.append(BookLine(cause.name, extra, "in the stream only"))
    counts = document["counts"]
    surplus = counts["stream"] - counts["batch"] - sum(line.rows for line in lines)
    if surplus or counts["duplicate"]:
        causes = [line.name for line in cause_lines(document) if line.classes.get("duplicate")]
        lines.append(BookLine(causes[0] if len(causes) == 1 else "duplicate", surplus, "further copies of a row"))
    return tuple(lines)


def report_lines(document: Document) -> tuple[str, ...]:
    """What the job's reports of dropped records are worth, where it writes any; nothing where all is well."""
    reports = document.get("reports")
    lines = []
    if reports and reports["wrong"]:
        wrong = sum(reports["wrong"].values())
        lines.append(
            f"reports: {format.count(wrong)} of {format.count(reports['records'])} in {reports['table']} are "
            f"contradicted, so that none proves a row late; {reports['example']}"
        )
    if reports and reports["incomplete"]:
        lines.append(
            f"reports: {format.counted(reports['incomplete'], 'stretch', 'stretches')} of offsets may lack some, and "
            f"nothing is proven by their absence there; {reports['gaps'][0]}"
        )
    return tuple(lines)


def record_lines(document: Document) -> tuple[str, ...]:
    """Per source what became of its records: `orders: 30 archived = 28 entered + 2 quarantined (2 null_key)`.

    Nothing for a document from before records were counted.
    """
    lines = []
    for name, counts in document.get("records", {}).items():
        reasons = counts["quarantined"]
        parts = [f"{format.count(counts['entered'])} entered"]
        if counts.get("left_out") is not None:
            none = counts["entered"] == 0 < counts["archived"]
            parts.append(f"{format.count(counts['left_out'])} left out by where{NONE_IN if none else ''}")
        elif "left_out" in counts:
            parts = [
                f"{format.count(counts['entered'])} readable (only Spark can evaluate which of them where leaves out)"
            ]
        if reasons:
            told = ", ".join(f"{format.count(number)} {reason}" for reason, number in reasons.items())
            parts.append(f"{format.count(sum(reasons.values()))} quarantined ({told})")
        if counts["waiting"]:
            parts.append(f"{format.count(counts['waiting'])} to be quarantined")
        off = "" if counts["balanced"] else ": this does not balance"
        if counts.get("archive_lacks"):
            off += f", the archive lacks {format.count(counts['archive_lacks'])} of the quarantined"
        lines.append(f"{name}: {format.count(counts['archived'])} archived = {' + '.join(parts)}{off}")
    return tuple(lines)


def balanced(document: Document) -> bool:
    """Whether the books balance: every page of the ledger, and the total against the diff."""
    return bool(document["balanced"])


def archive_lacks(document: Document) -> str:
    """What the archives lack of the quarantined records, where only that keeps the books from balancing; else ''."""
    lacks = document.get("archive_lacks") or {}
    told = " and ".join(f"{format.counted(number, 'record')} of {name}" for name, number in lacks.items())
    return told and f"{told} in quarantine {'is' if sum(lacks.values()) == 1 else 'are'} not in the archive any more"


def drift(document: Document) -> int:
    """Findings that are drift."""
    return sum(document["counts"][kind] for kind in CLASSES)


def windows(document: Document) -> tuple[Window, ...]:
    """The ledger's days in order, without a gap between the first and the last; rows without a time come first."""
    days = {_day(page): page for page in document["ledger"]}
    timed = sorted(day for day in days if day is not None)
    filled = [timed[0] + timedelta(days=i) for i in range((timed[-1] - timed[0]).days + 1)] if timed else []
    empty = {"batch": 0, "stream": 0, "causes": {}}
    untimed = [_window(None, days[None])] if None in days else []
    return (*untimed, *(_window(day, days.get(day, empty)) for day in filled))


def merged(days: Sequence[Window], most: int = MOST_BARS) -> tuple[tuple[Window, ...], str]:
    """Timed windows as at most about `most` bars, and what one bar is: day, week (from Monday), month or year."""
    timed = [window for window in days if window.start is not None]
    for name, begin in _UNITS.items():
        bars: dict[datetime, list[Window]] = {}
        for window in timed:
            assert window.start is not None
            bars.setdefault(begin(window.start), []).append(window)
        if len(bars) <= most or name == "year":
            return tuple(_sum(group) for group in bars.values()), name
    raise AssertionError("years are the last unit")


def within(document: Document, time_range: TimeRange) -> dict[str, int]:
    """Batch rows, stream rows and findings per class of the document's days whose rows lie inside `time_range`."""
    totals = dict.fromkeys(("batch", "stream", "match", *CLASSES, PENDING), 0)
    for page in document["ledger"]:
        day = _day(page)
        rows = None if day is None else part_of(document, TimeRange(day, day + timedelta(days=1)))
        if (day is None and time_range.is_open) or (rows is not None and rows.intersect(time_range) == rows):
            for name in totals:
                totals[name] += page[name]
    return totals


def range_of(document: Document) -> TimeRange:
    """The document's range."""
    bounds = (document["range"].get(end) for end in ("from", "to"))
    return TimeRange(*(parse_time(text) if text else None for text in bounds))


def part_of(document: Document, time_range: TimeRange) -> TimeRange | None:
    """What of `time_range` the document compared: its first and last day need not be whole ones."""
    return time_range.intersect(range_of(document))


def closed_end(document: Document) -> datetime | None:
    """Up to where (exclusive, a whole second) the stream had written all it will; None: nobody knows, no ledger.

    A replay beyond it is refused: its publication would collide with what the stream still writes.
    """
    until = (document.get("stream") or {}).get("closed_until")
    return None if until is None else (parse_time(until) + timedelta(microseconds=1)).replace(microsecond=0)


def closing_unknown(document: Document) -> bool:
    """Whether the stream ran on a Spark of which nobody knows what it has closed: a replay is refused then."""
    return closed_end(document) is None and bool(document.get("unproven_spark"))


def why_not_closed(document: Document) -> str:
    """Why the document does not say up to where windows are closed."""
    versions = document.get("unproven_spark")
    if next_step(versions or (), ""):
        return "another stateful operator may come before the join"
    if document.get("held_back"):
        return "operators after the join may hold rows back, and job.held_back does not say for how long"
    return f"the rule of Spark {' and '.join(versions)} is not proven" if versions else "there is no epoch ledger"


def covered(document: Document) -> str:
    """The document's range in words; an open one as the days in which it found rows."""
    time_range = range_of(document)
    timed = [window for window in windows(document) if window.start]
    if time_range.is_open and timed:
        return f"{format.range_days(TimeRange(timed[0].start, timed[-1].end))} (everything)"
    return format.range_days(time_range)


def verdict_sentence(document: Document, contract: Contract | None = None) -> str:
    """What the verdict means here, with the numbers that decide it."""
    found = drift(document)
    why = _why(document, found, contract) if found and balanced(document) else ""
    return " ".join(filter(None, (headline(document), why, waiting(document))))


def waiting(document: Document) -> str:
    """Which rows nothing can be said of yet; nothing where there is none."""
    held = (document.get("held_back") or {"rows": 0})["rows"]
    pending = document["counts"][PENDING] - held
    wait = f"{format.counted(pending, 'row')} wait for the stream to close their window." if pending else ""
    may_be = f"{format.counted(held, 'row')} may be held back behind the join, or lost." if held else ""
    return " ".join(filter(None, (wait, may_be)))


def headline(document: Document) -> str:
    """The verdict's numbers in one short sentence."""
    counts, found = document["counts"], drift(document)
    if counts["batch"] == 0 and counts["stream"] == 0:
        return "Neither table holds a row in this range."
    if document["verdict"] == "incomplete" and archive_lacks(document):
        return f"The books do not balance: {archive_lacks(document)}."
    if document["verdict"] == "incomplete" and not balanced(document):
        return "The books do not balance: this is a defect of Plumbline, and no verdict can be given."
    if found == 0 and (columns := not_in_both(document)):
        which = f"column {columns[0]}" if len(columns) == 1 else f"columns {', '.join(columns)}"
        return f"Not compared: {which}. In all others {format.count(counts['match'])} rows are the same in both tables."
    if found == 0:
        which = "settled batch rows" if counts[PENDING] else "batch rows"
        if document.get("unobserved"):
            waits = format.counted(document["unobserved"]["rows"], "stream row")
            return f"{waits} cannot be judged yet; all {format.count(counts['match'])} {which} are in the stream."
        if document["verdict"] == "incomplete" and (held := document.get("held_back")) and held["rows"]:
            waits = format.counted(held["rows"], "batch row")
            return f"{waits} may be held back, or lost; all {format.count(counts['match'])} others are in the stream."
        return f"All {format.count(counts['match'])} {which} are in the stream with the same values."
    share = format.share(found, counts["batch"])
    return f"{format.counted(found, 'difference')} among {format.counted(counts['batch'], 'batch row')} ({share})."


def not_in_both(document: Document) -> tuple[str, ...]:
    """The columns that could not be compared: one table lacks them, or their types do not go together."""
    return tuple(str(f["column"]) for f in document["schema"] if f["finding"] in UNCOMPARED)


def _why(document: Document, found: int, contract: Contract | None) -> str:
    unexplained = document["unexplained"]
    if unexplained == found:
        return "None of them has a proven cause."
    proven = f"{format.count(unexplained)} of them unexplained" if unexplained else "Each has a proven cause"
    most = next(line for line in cause_lines(document) if line.name not in (PENDING, "unexplained"))
    often = "always" if most.findings == found else f"most often ({format.counted(most.findings, 'time')})"
    return f"{proven}; {often}: {format.cause_title(most.name, contract)}."


def _day(page: Mapping[str, Any]) -> datetime | None:
    return parse_time(page["window"]) if page["window"] else None


def _window(day: datetime | None, page: Mapping[str, Any]) -> Window:
    causes = {cause: sum(classes.values()) for cause, classes in page["causes"].items()}
    return Window(day, day + timedelta(days=1) if day else None, page["batch"], page["stream"], causes)


def _sum(group: Sequence[Window]) -> Window:
    causes: dict[str, int] = {}
    for window in group:
        for cause, number in window.causes.items():
            causes[cause] = causes.get(cause, 0) + number
    rows = (sum(window.batch for window in group), sum(window.stream for window in group))
    return Window(group[0].start, group[-1].end, *rows, causes)


def worst(bars: Iterable[Window]) -> Window | None:
    """The bar with most drift, the first of equals; None when there is none."""
    return max((bar for bar in bars if bar.drift), key=lambda bar: bar.drift, default=None)


_UNITS: dict[str, Callable[[datetime], datetime]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: datetime(day.year, 1, 1, tzinfo=UTC),
}
