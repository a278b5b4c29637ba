"""The drift report: one HTML file that needs no network and runs no script. Every value goes through autoescape."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import SetupError
from plumbline.contract.ranges import TimeRange, parse_time
from plumbline.reconcile import document as reading
from plumbline.reconcile import format
from plumbline.reconcile.document import Document, Window
from plumbline.reconcile.lateness import curve as late
from plumbline.reconcile.report import answers as four
from plumbline.reconcile.report import checks, plots, stories, timeline, watermark
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.next_commands import Commands
from plumbline.reconcile.report.not_judged import not_compared, unobserved_line
from plumbline.reconcile.report.repaired import Repaired
from plumbline.reconcile.report.templating import environment

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

MOST_ROWS = 10
MOST_WINDOWS = 5


def render(documents: Sequence[Document], findings: Iterable[stories.Finding], facts: Facts | None = None) -> str:
    """The page for one document, or for several of one contract in order: the drift first, then what repaired it.

    `findings` are rows of plumbline.findings of the first document's run, all or those that recorded.findings picks.
    """
    facts = facts or Facts()
    page = environment().get_template("page.html")
    return page.render(context(documents, list(findings), facts))


def write(path: str | Path, html: str) -> int:
    """Write the page so that a reader sees the old one or the new one, never a part; its size in bytes.

    Raises SetupError when the file cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    body = html.encode()
    try:
        part.write_bytes(body)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        step = "name a file in a folder that exists and can be written"
        raise SetupError(f"the page cannot be written: {error.strerror}", where=str(target), next_step=step) from None
    return len(body)


def context(documents: Sequence[Document], findings: Sequence[stories.Finding], facts: Facts) -> dict[str, Any]:
    """Everything that page.html shows, as plain values."""
    first, done = documents[0], Repaired.since(documents)
    told = stories.worst(findings, MOST_ROWS, facts.contract)
    return {
        "document": first,
        "repaired": done,
        "whole": done.differences == reading.drift(first) > 0,
        "contract": facts.contract,
        "answers": four.answers(documents, facts, stories.of_each_cause(findings, facts.contract)),
        "span": reading.covered(first),
        "closed": _closed(first),
        "made_at": facts.made_at,
        "books": reading.book_lines(first),
        "records": reading.record_lines(first),
        "unobserved": unobserved_line(first),
        "causes": [_cause(line, first, facts.contract) for line in reading.cause_lines(first)],
        "chapters": timeline.chapters(documents, facts) if len(documents) > 1 or facts.replays else [],
        "repair": timeline.repair_table(documents, facts),
        "stories": told,
        "found": reading.drift(first),
        "why_not": not_compared(first, facts.contract),
        "predicted": predicted_table(first),
        "checks": checks.shown(facts.checks, first["snapshots"]),
        "named": lambda cause: format.cause_name(cause, facts.contract),
        "all_left": four.all_left(first, facts, done),
        "columns": sorted(first["columns"].items(), key=lambda item: -item[1]),
        "snapshots": [(_when(i), d["run_id"], d["snapshots"]) for i, d in enumerate(documents)],
        "commands": commands(documents, facts, done),
        "explain": Commands(facts.contract_path, facts.home_option).explain,
    } | _plots(first, facts, done)


def _plots(document: Document, facts: Facts, done: Repaired) -> dict[str, Any]:
    """The three plots and the tables beside them."""
    days = reading.windows(document)
    bars, unit = reading.merged(days)
    replayed = [replay.time_range for replay in facts.replays]
    rows = [_window_row(document, bar, done) for bar in bars if bar.drift]
    return {
        "unit": unit,
        "untimed": next((w for w in days if w.start is None), None),
        "drift_chart": drift_chart(bars, unit, replayed, facts.contract),
        "windows": rows,
        "worst_windows": sorted(rows, key=lambda row: -row["bar"].drift)[:MOST_WINDOWS],
        "lateness": facts.lateness,
        "lateness_chart": plots.lateness_curve(facts.lateness) if any(c.behind for c in facts.lateness) else None,
        "lateness_rows": late.choices(facts.lateness),
        "costless": list(_costless(document, facts)),
        "watermark_chart": watermark.against_event_time(facts.lateness),
    }


def predicted_table(document: Document) -> list[tuple[str, int, int]]:
    """`(what, predicted, found)`: what the exact rules say of archive and ledger against what the tables hold.

    Rows that are late only by an event from the future are late ones to the rules, of either side.
    """
    predicted, counts, causes = document.get("predicted"), document["counts"], document["causes"]
    if not predicted:
        return []
    if "watermark_poisoned" in causes:
        late = [causes.get(cause, 0) for cause in ("late_left", "late_right", "watermark_poisoned")]
        return [
            ("stream_rows", predicted["stream_rows"], counts["stream"]),
            ("late", predicted["late_left"] + predicted["late_right"], sum(late)),
            ("pending", predicted["pending"], counts["pending"]),
        ]
    found = {
        "stream_rows": counts["stream"],
        "late_left": causes.get("late_left", 0),
        "late_right": causes.get("late_right", 0),
        "pending": counts["pending"],
    }
    return [(name, number, found[name]) for name, number in predicted.items() if name in found]


def commands(documents: Sequence[Document], facts: Facts, done: Repaired) -> list[tuple[str, tuple[str, ...]]]:
    """`(what for, commands)`: repeat the comparison, repair what drifted most, recompute the reference, this page."""
    known, first = Commands(facts.contract_path, facts.home_option), documents[0]
    causes = [line.name for line in reading.cause_lines(first) if line.name != reading.PENDING]
    stretch = four.worst_stretch(first, causes, done)
    closed = four.worst_stretch(first, causes, done, reading.closed_end(first))
    whole = reading.range_of(first)
    lines: list[tuple[str, tuple[str, ...]]] = [("Compare again", (known.reconcile(whole),))]
    repairable = four.only_findings(facts.contract, "replay") is None
    if closed is not None and repairable and not reading.closing_unknown(first):
        days = format.range_days(closed)
        lines.append((f"Repair {days}: plan, run, audit, publish, compare", known.replay(closed)))
        if everything := four.all_left(first, facts, done):
            lines.append(("Repair all that is left: plan and finish", everything))
    if stretch is not None:
        lines.append(("When the batch reference is what is old: recompute it", (known.batch(stretch),)))
    page = known.report([str(document["run_id"]) for document in documents], facts.page)
    return [*lines, ("This page, from the records as they are", (page,))]


def _when(place: int) -> str:
    """What the reader calls a document by its place: the drift first, then what repaired it."""
    return ("before", "after the repair")[place] if place < 2 else f"after, {place}"


def _costless(document: Document, facts: Facts) -> Iterator[str]:
    """Where fewer rows differ by a source's late records than there were such records: how many did not cost one."""
    for cause, curve in zip(("late_left", "late_right"), facts.lateness, strict=False):
        late, rows = curve.lost(0), document["causes"].get(cause, 0)
        if document["agrees"] and late > rows and not curve.at_most:
            rest = f"{format.count(late - rows)} that cost no row of this range by themselves"
            yield f"{curve.source}: {format.count(late)} late = {format.count(rows)} rows + {rest}"


def _cause(line: reading.CauseLine, document: Document, contract: Contract | None) -> dict[str, Any]:
    """The bar of a cause; the remedy of the one that decides is told above, and not again."""
    bar, first = cause_bar(line, document, contract), four.deciding(document)
    return {**bar, "remedy": ""} if first and bar["remedy"] == format.cause(first.name).remedy else bar


def drift_chart(
    bars: Sequence[Window], unit: str, replayed: Sequence[TimeRange], contract: Contract | None, of: str = "rows"
) -> plots.Chart | None:
    """The drift per window, its causes named as the reader knows them; None without a window."""
    if not bars:
        return None
    chart = plots.drift_per_window(bars, unit, replayed, of)
    return replace(chart, legend=tuple((shade, format.cause_name(name, contract)) for shade, name in chart.legend))


def cause_bar(line: reading.CauseLine, document: Document, contract: Contract | None) -> dict[str, Any]:
    """What causes.html shows of a cause."""
    meant = format.cause(line.name)
    most = max(other.findings for other in reading.cause_lines(document))
    return {
        "name": line.name,
        "title": format.cause_title(line.name, contract),
        "remedy": "" if four.only_findings(contract, meant.repair) else meant.remedy,
        "classes": line.classes,
        "findings": line.findings,
        "width": round(100 * line.findings / most, 2),
        "share": format.share(line.findings, document["counts"]["batch"]),
    }


def _window_row(document: Document, bar: Window, done: Repaired) -> dict[str, Any]:
    days = format.range_days(TimeRange(bar.start, bar.end))
    share = format.share(bar.drift, bar.batch)
    repaired = done.holds_part(document, bar.start, bar.end)
    return {"days": days, "bar": bar, "share": share, "repaired": repaired}


def _closed(document: Document) -> str:
    """How far the stream has closed its windows; the ledger counts in whole ms, both ends included."""
    until = (document.get("stream") or {}).get("closed_until")
    if document["settled"]:
        return "all closed"
    if until is None:
        return f"not known, {reading.why_not_closed(document)}"
    return f"closed before {format.clock(parse_time(until) + timedelta(milliseconds=1))}"


def fragment(chart: plots.Chart) -> str:
    """One plot with its style, as HTML to display in a notebook."""
    module: Mapping[str, Any] = {"chart": chart}
    return environment().get_template("fragment.html").render(module)
