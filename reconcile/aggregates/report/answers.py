"""The four things that a reader asks first, of a comparison of aggregates. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from plumbline.contract.aggregate import whole_windows
from plumbline.contract.ranges import TimeRange, parse_time
from plumbline.reconcile import document as reading
from plumbline.reconcile import format
from plumbline.reconcile.aggregates.terminal import headline
from plumbline.reconcile.report.answers import WORDS, Answer, Answers, deciding, worst_stretch
from plumbline.reconcile.report.next_commands import Commands
from plumbline.reconcile.report.repaired import Repaired

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.document_types import AggregateDocument
    from plumbline.reconcile.report.context import Facts

SHORT = {"clean": "Yes", "drift": "No", "incomplete": "Not known yet"}
QUESTION = "What to do?"


def answers(document: AggregateDocument, facts: Facts) -> Answers:
    """What the document says."""
    return Answers(
        Answer("Is the stream true?", *_is_true(document)),
        Answer("How much differs?", *_how_much(document)),
        Answer("Why?", *_why(document, facts)),
        _what_to_do(document, facts),
    )


def _is_true(document: AggregateDocument) -> tuple[str, str]:
    counts = document["counts"]
    if counts["batch"] == counts["stream"] == 0:
        return "Nothing to compare", "Neither table holds a line in this range."
    told = headline(document).partition(": ")[2]
    return SHORT[document["verdict"]] if document["balanced"] else "Not known", f"{told[:1].upper()}{told[1:]}."


def _how_much(document: AggregateDocument) -> tuple[str, str]:
    counts = cast("dict[str, int]", document["counts"])
    parts = [f"{format.counted(counts[kind], 'line')} {word}" for kind, word in WORDS.items() if counts[kind]]
    pending = counts[reading.PENDING]
    wait = f"{format.counted(pending, 'line')} cannot be compared yet." if pending else ""
    bars, unit = reading.merged(reading.windows(_read(document)))
    worst = reading.worst(bars)
    most = ""
    if worst and len([bar for bar in bars if bar.drift]) > 1:
        where = format.range_days(TimeRange(worst.start, worst.end))
        most = f"Most in the {unit} {where}: {format.count(worst.drift)}."
    return ", ".join(parts) or "Nothing", " ".join(filter(None, (most, wait)))


def _why(document: AggregateDocument, facts: Facts) -> tuple[str, str]:
    lines = [line for line in reading.cause_lines(_read(document)) if line.name != reading.PENDING]
    if not lines:
        return ("Nothing to explain" if document["balanced"] else "Not known"), ""
    told = [f"{format.counted(one.findings, 'line')}: {format.cause_title(one.name, facts.contract)}" for one in lines]
    short = f"{format.count(document['unexplained'])} unexplained" if document["unexplained"] else "Every one is proven"
    return short, "; ".join(told) + "."


def _what_to_do(document: AggregateDocument, facts: Facts) -> Answer:
    commands, read = Commands(facts.contract_path, facts.home_option), _read(document)
    whole = reading.range_of(read)
    again = commands.reconcile(whole)
    if not document["balanced"]:
        return Answer(QUESTION, "Report a defect", "Repair nothing by these numbers; compare again first.", (again,))
    if document["untold"] is not None:
        return Answer(QUESTION, "Wait", f"{document['untold'][:1].upper()}{document['untold'][1:]}.", (again,))
    if document["stale"] or document["apart"]:
        why = "The batch's lines are older than the stream, or not what the rows below them come to."
        return Answer(QUESTION, "Run the batch reference again", why, (commands.batch(whole), again))
    if document["verdict"] == "incomplete":
        return Answer(QUESTION, "Wait", "Compare again when the stream has closed these windows.", (again,))
    cause = deciding(read)
    if cause is None and reading.not_in_both(read):
        long = "A value is not compared, and that is drift: bring the columns of both tables in line."
        return Answer(QUESTION, "Look at the columns", long, (again,))
    if cause is None or cause.name == reading.PENDING:
        return Answer(QUESTION, "Nothing", "Nothing differs.")
    if document.get("unarchived"):
        why = "The archive lacks offsets that the stream has read: a record there is in no line of the batch."
        return Answer(QUESTION, "Fill the archive", why, (*commands.fill(), commands.batch(whole), again))
    meant = format.cause(cause.name)
    if meant.repair == "batch":
        return Answer(QUESTION, "Run the batch reference again", meant.remedy, (commands.batch(whole), again))
    if meant.repair == "quarantine":
        return Answer(QUESTION, "Look into quarantine", meant.remedy, (commands.quarantine(),))
    if meant.repair == "replay":
        return _replay(document, facts, commands, cause.name)
    return Answer(QUESTION, "Look at one line", meant.remedy, _explain(document, commands, cause.name))


def _replay(document: AggregateDocument, facts: Facts, commands: Commands, cause: str) -> Answer:
    read, meant = _read(document), format.cause(cause)
    names = [line.name for line in reading.cause_lines(read) if format.cause(line.name).repair == "replay"]
    stretch = worst_stretch(read, names, Repaired.since([read]), _closed_windows(document, facts))
    if stretch is None:
        return Answer(QUESTION, "Look at one line", meant.remedy, _explain(document, commands, cause))
    return Answer(QUESTION, f"Replay {format.range_days(stretch)}", meant.remedy, commands.replay(stretch))


def _closed_windows(document: AggregateDocument, facts: Facts) -> datetime | None:
    """The end of the last window that the stream has closed: a replay beyond it is refused."""
    if document["closed_until"] is None:
        return None
    until = parse_time(document["closed_until"])
    around = TimeRange(until, until + timedelta(microseconds=1))
    return until if facts.contract is None else whole_windows(facts.contract, around).start


def _explain(document: AggregateDocument, commands: Commands, cause: str) -> tuple[str, ...]:
    """The story of the first line with that cause."""
    key = next((one["key"] for one in document["findings"] if one["cause"] == cause), None)
    return () if key is None else (commands.explain(parts(key)),)


def parts(key: dict[str, Any]) -> tuple[tuple[str, str | None], ...]:
    """A line's key as (column, value) for a command."""
    return tuple((name, None if value is None else format.raw(value)) for name, value in key.items())


def _read(document: AggregateDocument) -> reading.Document:
    return cast("reading.Document", document)
