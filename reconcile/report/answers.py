"""The four things that a reader asks first: is the stream true, how much differs, why, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.ranges import TimeRange
from reconcile.report import reading, spell
from reconcile.report.commands import Commands
from reconcile.report.reading import PENDING, CauseLine, Document

if TYPE_CHECKING:
    from reconcile.report.facts import Facts
    from reconcile.report.stories import Story

GRAVEST = ("unexplained", "lost_output", "archive_gap", "double_commit", "value_divergence", "out_of_contract")
"""Causes that decide what to do whatever else there is, the gravest first."""
WORDS = {
    "missing": "missing from the stream",
    "extra": "in the stream only",
    "mismatch": "with other values",
    "duplicate": "there another number of times",
}


@dataclass(frozen=True)
class Answer:
    """One answer: `short` for the eye, `long` in a sentence, and the commands that act on it, in order."""

    question: str
    short: str
    long: str = ""
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """All four, and what has been repaired since the run (None: nothing)."""

    true: Answer
    how_much: Answer
    why: Answer
    what_to_do: Answer
    repaired: str | None = None


def answers(documents: Sequence[Document], facts: Facts, stories: Sequence[Story] = ()) -> Answers:
    """What the first document says; the documents after it tell what a replay has repaired since."""
    first = documents[0]
    clean = [reading.range_of(d) for d in documents[1:] if d["verdict"] == "clean"]
    return Answers(
        Answer("Is the stream true?", _yes_or_no(first), reading.headline(first)),
        Answer("How much differs?", *_how_much(first)),
        Answer("Why?", *_why(first, facts)),
        _what_to_do(first, facts, stories, clean),
        _repaired(first, documents[-1]) if len(documents) > 1 else None,
    )


def deciding(document: Document) -> CauseLine | None:
    """The cause that says what to do: the gravest there is, else the most frequent; pending only when alone."""
    lines = sorted(reading.cause_lines(document), key=lambda line: line.name == PENDING)
    grave = [line for name in GRAVEST for line in lines if line.name == name]
    return next(iter([*grave, *lines]), None)


def _yes_or_no(document: Document) -> str:
    counts = document["counts"]
    if counts["batch"] == counts["stream"] == 0:
        return "Nothing to compare"
    waits = "Not known yet" if reading.balanced(document) else "Not known"
    return {"clean": "Yes", "drift": "No"}.get(document["verdict"], waits)


def _how_much(document: Document) -> tuple[str, str]:
    counts, found = document["counts"], reading.drift(document)
    wait = f"{spell.counted(counts[PENDING], 'row')} still wait for their window to close." if counts[PENDING] else ""
    if not found:
        return "Nothing", wait
    parts = [f"{spell.count(counts[kind])} {word}" for kind, word in WORDS.items() if counts[kind]]
    bars, unit = reading.merged(reading.windows(document))
    worst = reading.worst(bars)
    most = ""
    if worst and len([bar for bar in bars if bar.drift]) > 1:
        most = f"Most in the {unit} {spell.range_days(TimeRange(worst.start, worst.end))}: {spell.count(worst.drift)}."
    share, kinds = f"{spell.share(found, counts['batch'])} of the batch rows", ", ".join(parts)
    if len(parts) > 2:
        return spell.counted(found, "difference"), " ".join(filter(None, (f"{share}: {kinds}.", most, wait)))
    return kinds, " ".join(filter(None, (f"{share}.", most, wait)))


def _why(document: Document, facts: Facts) -> tuple[str, str]:
    lines = [line for line in reading.cause_lines(document) if line.name != PENDING]
    if not lines:
        return ("Nothing to explain", "") if reading.balanced(document) else ("Not known", "")
    told = [f"{spell.count(line.findings)}: {spell.cause_title(line.name, facts.contract)}" for line in lines[:3]]
    more = f"; and {spell.counted(len(lines) - 3, 'further cause')}" if len(lines) > 3 else ""
    unexplained = document["unexplained"]
    short = f"{spell.count(unexplained)} unexplained" if unexplained else "Every one is explained"
    return short, "; ".join(told) + more + "."


def _what_to_do(first: Document, facts: Facts, stories: Sequence[Story], repaired: Sequence[TimeRange]) -> Answer:
    question, commands = "What to do?", Commands(facts.contract_path, facts.home_option)
    again, cause = commands.reconcile(reading.range_of(first)), deciding(first)
    if not reading.balanced(first):
        return Answer(question, "Report a defect", "Repair nothing by these numbers; compare again first.", (again,))
    if first["verdict"] == "incomplete":
        return Answer(question, "Wait", "Compare again when the stream has closed these windows.", (again,))
    if cause is None:
        return Answer(question, "Nothing", "Nothing differs.")
    meant = spell.cause(cause.name)
    alike = [line.name for line in reading.cause_lines(first) if spell.cause(line.name).repair == meant.repair]
    stretch = worst_stretch(first, alike, repaired)
    if meant.repair == "replay" and stretch:
        return Answer(question, f"Replay {spell.range_days(stretch)}", meant.remedy, commands.replay(stretch))
    if meant.repair == "replay":
        return Answer(question, "Nothing more", "What differed was replayed, and is clean now.")
    if meant.repair == "batch":
        steps = (commands.batch(stretch or reading.range_of(first)), again)
        return Answer(question, "Run the batch reference again", meant.remedy, steps)
    if meant.repair == "quarantine":
        return Answer(question, "Look into quarantine", meant.remedy, (commands.quarantine(),))
    if meant.repair == "wait":
        return Answer(question, "Nothing yet", meant.remedy, (again,))
    key = next((story.parts for story in stories if story.cause == cause.name), (("", "KEY"),))
    return Answer(question, "Look at one key", meant.remedy, (commands.explain(key),))


def worst_stretch(document: Document, causes: Collection[str], repaired: Sequence[TimeRange] = ()) -> TimeRange | None:
    """The day, week, month or year with most findings of the causes, what is repaired left out; None without any."""
    bars, _ = reading.merged(reading.windows(document))
    found = {
        bar: sum(bar.causes.get(name, 0) for name in causes)
        for bar in bars
        if not any(_inside(bar, done) for done in repaired)
    }
    worst = max(found, key=lambda bar: found[bar], default=None)
    return TimeRange(worst.start, worst.end) if worst and found[worst] else None


def _inside(bar: reading.Window, done: TimeRange) -> bool:
    return TimeRange(bar.start, bar.end).intersect(done) == TimeRange(bar.start, bar.end)


def _repaired(first: Document, last: Document) -> str:
    """What the last run says of its range, and what is left outside it."""
    where = spell.range_days(reading.range_of(last))
    if last["verdict"] != "clean":
        return f"{where}: {reading.headline(last)}"
    before: Mapping[str, int] = reading.within(first, reading.range_of(last))
    left = reading.drift(first) - sum(before[kind] for kind in reading.CLASSES)
    rest = "Nothing else differs." if left <= 0 else f"{spell.counted(left, 'difference')} outside it are left."
    return f"Repaired since: {where}, now clean with all {spell.count(last['counts']['match'])} rows. {rest}"
