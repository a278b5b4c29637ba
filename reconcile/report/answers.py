"""The four things that a reader asks first: is the stream true, how much differs, why, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from plumbline.contract.operators import SAY_HOW_LONG, next_step, why_unproven
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile import document as reading
from plumbline.reconcile import format
from plumbline.reconcile.document import PENDING, CauseLine, Document
from plumbline.reconcile.lateness.curve import choices
from plumbline.reconcile.report.next_commands import Commands
from plumbline.reconcile.report.not_judged import held_line
from plumbline.reconcile.report.repaired import Repaired

if TYPE_CHECKING:
    from plumbline.contract.model import Contract
    from plumbline.reconcile.report.context import Facts
    from plumbline.reconcile.report.stories import Story

GRAVEST = ("unexplained", "lost_output", "archive_gap", "double_commit", "value_divergence", "out_of_contract")
"""Causes that decide what to do whatever else there is, the gravest first."""
OF_UPSERTS = "Replays of upserted tables are not built yet: a file with the findings has the evidence of each row."
OF_REDUCED = (
    "Replays and stories of one key are not built yet where a source is reduced: a file with the findings has the "
    "evidence of each row."
)
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
    done = Repaired.since(documents)
    return Answers(
        Answer("Is the stream true?", *_is_true(first, done)),
        Answer("How much differs?", *_how_much(first, done)),
        Answer("Why?", *_why(first, facts, done)),
        _what_to_do(first, facts, stories, done),
        _repaired(documents, facts, done) if len(documents) > 1 else None,
    )


def deciding(document: Document) -> CauseLine | None:
    """The cause that says what to do: the gravest there is, else the most frequent; pending only when alone."""
    lines = sorted(reading.cause_lines(document), key=lambda line: line.name == PENDING)
    grave = [line for name in GRAVEST for line in lines if line.name == name]
    return next(iter([*grave, *lines]), None)


def all_left(document: Document, facts: Facts, done: Repaired) -> tuple[str, ...]:
    """The commands that repair everything that is left at once; none where no replay is the answer."""
    cause = deciding(document)
    if only_findings(facts.contract, "replay"):
        return ()
    if cause is None or format.cause(cause.name).repair != "replay" or reading.drift(document) == done.differences:
        return ()
    if reading.closing_unknown(document):
        return ()
    names = [line.name for line in reading.cause_lines(document) if format.cause(line.name).repair == "replay"]
    if worst_stretch(document, names, done, reading.closed_end(document)) is None:
        return ()
    commands = Commands(facts.contract_path, facts.home_option)
    if not done.ranges:
        return commands.replay_all(str(document["run_id"]))
    again = commands.reconcile(reading.range_of(document))
    return (again, *commands.replay_all("latest"))


def _is_true(document: Document, done: Repaired) -> tuple[str, str]:
    """The verdict's word, and its numbers: what is left where later runs found a part repaired."""
    found = reading.drift(document)
    if not done.differences:
        return _yes_or_no(document), reading.headline(document)
    if found == done.differences:
        return "Repaired", f"No difference left ({format.count(found)} found, all repaired since)."
    left = f"{format.counted(found - done.differences, 'difference')} left"
    return "No", f"{left} ({format.count(found)} found, {format.count(done.differences)} repaired since)."


def _yes_or_no(document: Document) -> str:
    counts = document["counts"]
    if counts["batch"] == counts["stream"] == 0:
        return "Nothing to compare"
    waits = "Not known yet" if reading.balanced(document) else "Not known"
    return {"clean": "Yes", "drift": "No"}.get(document["verdict"], waits)


def _how_much(document: Document, done: Repaired) -> tuple[str, str]:
    counts, found = document["counts"], reading.drift(document)
    wait = reading.waiting(document)
    if not found:
        return "Nothing", wait
    parts = [f"{format.count(counts[kind])} {word}" for kind, word in WORDS.items() if counts[kind]]
    noun = "row" if next(counts[kind] for kind in WORDS if counts[kind]) == 1 else "rows"
    parts[0] = parts[0].replace(" ", f" {noun} ", 1)
    bars, unit = reading.merged(reading.windows(document))
    worst = reading.worst(bars)
    most = ""
    if worst and len([bar for bar in bars if bar.drift]) > 1:
        where = format.range_days(TimeRange(worst.start, worst.end))
        since = " (repaired)" if done.holds_part(document, worst.start, worst.end) else ""
        most = f"Most in the {unit} {where}: {format.count(worst.drift)}{since}."
    kinds = ", ".join(parts)
    if done.differences:
        left = found - done.differences
        now = f"{format.counted(left, 'difference')} left" if left else "Nothing any more"
        return now, " ".join(filter(None, (f"Before the repair: {kinds}.", most, wait)))
    if len(parts) > 2:
        return format.counted(found, "difference"), " ".join(filter(None, (f"{kinds}.", most, wait)))
    return kinds, " ".join(filter(None, (most, wait)))


def _why(document: Document, facts: Facts, done: Repaired) -> tuple[str, str]:
    lines = [line for line in reading.cause_lines(document) if line.name != PENDING]
    if not lines:
        return ("Nothing to explain", "") if reading.balanced(document) else ("Not known", "")
    told = [f"{format.counted(n.findings, 'row')}: {format.cause_title(n.name, facts.contract)}" for n in lines[:3]]
    more = f"; and {format.counted(len(lines) - 3, 'further cause')}" if len(lines) > 3 else ""
    unexplained = document["unexplained"]
    short = f"{format.count(unexplained)} unexplained" if unexplained else "Every one is explained"
    before = "Before the repair: " if done.differences else ""
    return short, before + "; ".join(told) + more + "."


def only_findings(contract: Contract | None, repair: str) -> str | None:
    """Why what repairs a cause, or tells more of it, is not built for the contract; None where it is."""
    if contract is not None and contract.output.is_upsert and repair == "replay":
        return OF_UPSERTS
    if contract is not None and contract.reduces and repair in ("replay", "explain", "archive"):
        return OF_REDUCED
    return None


def _what_to_do(first: Document, facts: Facts, stories: Sequence[Story], done: Repaired) -> Answer:
    question, commands = "What to do?", Commands(facts.contract_path, facts.home_option)
    again, cause = commands.reconcile(reading.range_of(first)), deciding(first)
    if first["verdict"] == "incomplete" or not reading.balanced(first):
        return _for_a_verdict(first, commands, again)
    if cause is None and reading.not_in_both(first):
        long = "A column of the contract is not compared, and that is drift: bring the columns of both tables in line"
        return Answer(question, "Look at the columns", f"{long}, then compare again.", (again,))
    if cause is None:
        return Answer(question, "Nothing", "Nothing differs.")
    meant = format.cause(cause.name)
    if why := only_findings(facts.contract, meant.repair):
        return Answer(question, "Look at the findings", why, (f"{again} --out drift.parquet",))
    unknown = cause.name == "unexplained" or (meant.repair == "replay" and reading.closing_unknown(first))
    if unknown and (step := next_step(first.get("unproven_spark") or (), "")):
        why = f"Which rows came late is not known: {why_unproven(first['unproven_spark'])}."
        return Answer(
            question, "Look at the query's plan", f"{why} {step[0].upper()}{step[1:]}", (commands.observe(), again)
        )
    alike = [line.name for line in reading.cause_lines(first) if format.cause(line.name).repair == meant.repair]
    stretch = worst_stretch(first, alike, done)
    if meant.repair == "replay" and reading.closing_unknown(first):
        why = f"Nobody knows which windows are closed ({reading.why_not_closed(first)}), and a replay is refused."
        long = f"{why} Compare again when it has read on."
        return Answer(question, "Run the stream on a proven Spark", long, (again,))
    if meant.repair == "replay":
        closed = worst_stretch(first, alike, done, reading.closed_end(first))
        return _replay(first, facts, done, cause.name, closed, open_still=stretch is not None)
    if meant.repair == "batch":
        steps = (commands.batch(stretch or reading.range_of(first)), again)
        return Answer(question, "Run the batch reference again", meant.remedy, steps)
    if meant.repair == "archive":
        batch = commands.batch(stretch or reading.range_of(first))
        return Answer(question, "Fill the archive", meant.remedy, (*commands.archive(), batch, again))
    if meant.repair == "quarantine":
        return Answer(question, "Look into quarantine", meant.remedy, (commands.quarantine(),))
    if meant.repair == "wait":
        return Answer(question, "Nothing yet", meant.remedy, (again,))
    key = next((story.parts for story in stories if story.cause == cause.name), (("", "KEY"),))
    return Answer(question, "Look at one key", meant.remedy, (commands.explain(key),))


def _for_a_verdict(first: Document, commands: Commands, again: str) -> Answer:
    """What to do where there is no verdict yet."""
    question = "What to do?"
    if reading.archive_lacks(first):
        long = (
            "While the topic still holds them they can be archived again. If they were deleted on purpose, delete their"
        )
        long += " rows from plumbline.quarantine too. Then compare again."
        return Answer(question, "Fill the archive", long, (*commands.fill(), again))
    if not reading.balanced(first):
        return Answer(question, "Report a defect", "Repair nothing by these numbers; compare again first.", (again,))
    if first.get("unobserved"):
        long = "The job wrote rows in epochs that were not observed yet. Compare again when they are."
        return Answer(question, "Observe the job", long, (commands.observe(), again))
    if (held := first.get("held_back")) and held["rows"] and first["stream"]["closed_until"] is None:
        long = f"{held_line(first)}. {SAY_HOW_LONG[0].upper()}{SAY_HOW_LONG[1:]}."
        return Answer(question, "Say how long rows are held", long, (again,))
    return Answer(question, "Wait", "Compare again when the stream has closed these windows.", (again,))


def _replay(
    first: Document, facts: Facts, done: Repaired, cause: str, stretch: TimeRange | None, *, open_still: bool
) -> Answer:
    """What to do where a replay repairs: plan what the stream has closed, and no more, for that would be refused."""
    question, commands = "What to do?", Commands(facts.contract_path, facts.home_option)
    again, meant, end = commands.reconcile(reading.range_of(first)), format.cause(cause), reading.closed_end(first)
    if stretch is not None:
        cut = end is not None and stretch.end == end
        told = (
            f"The stream has closed windows before {format.clock(end)}; later ones can follow." if cut and end else ""
        )
        most = "" if cut else _most(first, stretch, done)
        long = " ".join(filter(None, (most, told, meant.remedy, _longer(cause, facts))))
        return Answer(question, f"Replay {format.range_days(stretch)}", long, commands.replay(stretch))
    if open_still:
        until = f" (it has come to {format.clock(end)})" if end else ""
        why = f"A replay can repair this when the stream has closed these windows{until}. Compare again then."
        return Answer(question, "Wait", why, (again,))
    if reading.drift(first) > done.differences:
        why = "A replay repairs a range of event times, and the rows that are left have none: no range holds them."
        return Answer(question, "Look at the rows without an event time", why, (again,))
    return Answer(question, "Nothing more", "What differed was replayed, and is clean now.")


def _most(document: Document, stretch: TimeRange, done: Repaired) -> str:
    """How much lies in the stretch that drifted most; nothing when it holds all there is."""
    within, left = reading.within(document, stretch), reading.drift(document) - done.differences
    here = sum(within[kind] for kind in reading.CLASSES)
    of_the_rest = " of what is left" if done.differences else ""
    return f"It drifted most{of_the_rest} ({format.count(here)})." if here < left else ""


def _longer(cause: str, facts: Facts) -> str:
    """What the shortest of the longer delays that halves the loss would have lost of the cause's source."""
    side = {"late_left": 0, "late_right": 1}.get(cause)
    if side is None or side >= len(facts.lateness):
        return ""
    lost = facts.lateness[side].lost(0)
    better = ((ms, rows[side]) for ms, rows in choices(facts.lateness) if ms > 0 and rows[side] * 2 <= lost)
    ms, less = next(better, (0, 0))
    curve = facts.lateness[side]
    most = "at most " if curve.at_most else ""
    told = f"{format.count(less)} {curve.source} records lost instead of {most}{format.count(lost)}"
    return f"With both delays {format.exactly(ms)} longer: {told}." if ms else ""


def worst_stretch(
    document: Document, causes: Collection[str], done: Repaired, until: datetime | None = None
) -> TimeRange | None:
    """The day, week, month or year with most findings of the causes, what is repaired left out; None without any.

    Of it what the document compared, and no more: the batch reference need not cover the rest. With `until` only what
    lies before it.
    """
    bars, _ = reading.merged(reading.windows(document))
    parts = {reading.part_of(document, TimeRange(bar.start, bar.end)): bar for bar in bars}
    cut = {part and part.intersect(TimeRange(None, until)): bar for part, bar in parts.items()}
    found = {
        part: sum(bar.causes.get(name, 0) for name in causes)
        for part, bar in cut.items()
        if part and not done.holds(part.start, part.end)
    }
    worst = max(found, key=lambda part: found[part], default=None)
    return worst if worst and found[worst] else None


def _repaired(documents: Sequence[Document], facts: Facts, done: Repaired) -> str:
    """What the last run says of its range, which replays repaired it, and what is left outside it."""
    first, last = documents[0], documents[-1]
    where = format.range_days(reading.range_of(last))
    before = reading.within(first, reading.range_of(last))
    found = sum(before[kind] for kind in reading.CLASSES)
    if last["verdict"] != "clean" or not found:
        return f"{where}: {reading.headline(last)}"
    by = ", ".join(dict.fromkeys(format.range_days(replay.time_range) for replay in facts.replays))
    which = f"{'the difference' if found == 1 else f'all {format.count(found)} differences'} of {where}"
    how = f" by the replay of {by}" if by and by != where else ""
    left = reading.drift(first) - done.differences
    rest = (
        f"{format.counted(left, 'difference')} outside it {'is' if left == 1 else 'are'} left."
        if left
        else "Nothing else differs."
    )
    return f"Repaired since{how}: {which}, now clean with all {format.count(last['counts']['match'])} rows. {rest}"
