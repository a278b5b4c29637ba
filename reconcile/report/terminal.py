"""A reconcile on a terminal: the verdict, the books, the causes, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from plumbline.reconcile import format
from plumbline.reconcile.causes import named
from plumbline.reconcile.document import (
    archive_lacks,
    record_lines,
    report_lines,
    why_not_closed,
)
from plumbline.reconcile.format import figures_table
from plumbline.reconcile.judge.books import CLASSES, PENDING, Page, by_month
from plumbline.reconcile.report.answers import answers
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.not_judged import not_compared, unobserved_line
from plumbline.reconcile.report.stories import of_each_cause
from plumbline.reconcile.run import Run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from plumbline.reconcile.judge.document_types import ReconcileDocument

MOST_DAYS = 62
COLUMNS = ("batch", "stream", "match", *CLASSES, PENDING)


def show(run: Run, facts: Facts, console: Console) -> None:
    """Print the run as a readable page."""
    document = run.document
    console.print(_headline(run))
    console.print(_scope(run))
    console.print(_books(run))
    if run.books.total.entries:
        console.print(_causes(run.books.total))
    if document["columns"]:
        differing = ", ".join(f"{name} {count:,}" for name, count in document["columns"].items())
        console.print(f"columns that differ: {differing}")
    for finding in document["schema"]:
        console.print(
            f"schema: column {finding['column']}: {finding['finding']} ({finding['left']}, {finding['right']})"
        )
    for alert in document["alerts"]:
        console.print(f"alert: {alert['name']} {alert['limit']}: {alert['count']:,} of {alert['of']:,} batch rows")
    for line in filter(None, (*record_lines(document), *report_lines(document), unobserved_line(document))):
        console.print(line)
    if document["unknown"]["causes"] and document["unexplained"]:
        console.print(_unknown(document["unknown"]))
    console.print(_prediction(run, facts))
    if document["edges"]:
        console.print(_edges(document["edges"]))
    if document["against"]:
        console.print(_third(document["against"]))
    for line in _what_next(run, facts):
        console.print(line)


def _headline(run: Run) -> str:
    document, total = run.document, run.books.total
    drift = sum(total.count(kind) for kind in CLASSES)
    said = {
        "clean": f"clean: {total.match:,} of {total.batch:,} batch rows are in the stream with the same values"
        if total.batch or total.stream
        else "nothing to compare: neither table holds a row of the range, which the batch has run over",
        "drift": f"drift: {drift:,} differences among {total.batch:,} batch rows, "
        f"{document['unexplained']:,} unexplained",
        "incomplete": f"incomplete: {drift:,} differences, {total.count(PENDING):,} rows pending{_held_back(document)}"
        if total.batch or total.stream
        else "incomplete: nothing to compare, neither table holds a row of a range that "
        + ("no batch run covers" if document["settled"] else "is not settled"),
    }[document["verdict"]]
    if archive_lacks(document):
        said += f"; the books do not balance: {archive_lacks(document)}"
    elif not document["balanced"]:
        said += "; the books do not balance, which is a defect of Plumbline"
    elif total.count(PENDING) and document["verdict"] != "incomplete":
        said += f", {total.count(PENDING):,} pending{_held_back(document)}"
    return said


def _held_back(document: ReconcileDocument) -> str:
    held = document["unobserved"]
    may_be = document["held_back"]
    told = f", {may_be['rows']:,} of them held back or lost" if may_be and may_be["rows"] else ""
    return told + (f", {held['rows']:,} stream rows of epochs that are not observed yet" if held else "")


def _scope(run: Run) -> str:
    document = run.document
    spelled = format.span(document["range"])
    closed = document["stream"]["closed_until"]
    state = "settled" if document["settled"] else "not settled"
    until = f": windows are closed up to {closed}" if closed else f": {why_not_closed(document)}"
    replayed = f"; {document['replayed']:,} stream rows come from replays" if document["replayed"] else ""
    reused = document["reused"]
    known = f"; {reused['partitions']:,} of {reused['of']:,} days are from earlier runs" if reused["partitions"] else ""
    return f"run {document['run_id']} of {document['contract']}, {spelled}, {state}{until}{replayed}{known}\n"


def _books(run: Run) -> Table:
    table = figures_table("window", *COLUMNS)
    pages = run.books.pages
    monthly = len(pages) > MOST_DAYS
    for page in by_month(pages) if monthly else pages:
        table.add_row(_window(page.window, monthly), *_figures(page))
    table.add_section()
    table.add_row("total", *_figures(run.books.total))
    return table


def _figures(page: Page) -> tuple[str, ...]:
    figures = (page.batch, page.stream, page.match, *(page.count(kind) for kind in (*CLASSES, PENDING)))
    return tuple(f"{figure:,}" for figure in figures)


def _window(window: datetime | None, monthly: bool) -> str:
    return "no event time" if window is None else f"{window:%Y-%m}" if monthly else f"{window:%Y-%m-%d}"


def _causes(total: Page) -> Table:
    table = figures_table("cause", *CLASSES)
    table.add_column("what it means", justify="left")
    for name, kinds in total.causes().items():
        table.add_row(name, *(f"{kinds.get(kind, 0):,}" for kind in CLASSES), named(name).title)
    return table


def _prediction(run: Run, facts: Facts) -> str:
    predicted, agreed, why = (
        run.document["predicted"],
        run.document["agrees"],
        not_compared(run.document, facts.contract),
    )
    if predicted is None:
        return why
    figures = ", ".join(f"{name} {count:,}" for name, count in predicted.items())
    ending = {True: ": as found", False: ": NOT as found", None: f"; {why}" if why else ""}[agreed]
    return f"predicted from archive and ledger alone: {figures}{ending}"


def _unknown(unknown: Mapping[str, Any]) -> str:
    """What is lacking, and what it leaves open of the unexplained rows."""
    return (
        f"without {' and '.join(unknown['lacking'].values())} an unexplained row may be any of these, which could not "
        f"be told: {', '.join(unknown['causes'])}"
    )


def _edges(edges: Mapping[str, Any]) -> str:
    """What came out by a hair."""
    forgiven = ", ".join(f"{name} {count:,}" for name, count in edges["tolerance"].items()) or "none"
    return (
        f"at the edge: {forgiven} equal only by tolerance, {edges['window']:,} pairs at a bound of the window, "
        f"{edges['watermark']:,} records at the late watermark"
    )


def _third(against: Mapping[str, Any]) -> str:
    """What the third table says."""
    faults = ", ".join(f"{fault} {count:,}" for fault, count in against["faults"].items() if count) or "none"
    unlike = f"{against['unlike_live']:,} of its {against['rows']:,} rows are not as in the live table"
    return f"against {against['table']}: {unlike}; faults: {faults}"


def _what_next(run: Run, facts: Facts) -> Iterable[str]:
    """The same advice as on the page, with its commands."""
    todo = answers([run.document], facts, of_each_cause(run.examples, facts.contract)).what_to_do
    if run.document["verdict"] == "clean":
        return ()
    return (f"\nnext: {todo.short}. {todo.long}", *(f"  {command}" for command in todo.commands))
