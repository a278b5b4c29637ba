"""How a result looks in a notebook: a headline, small tables, commands; every value escaped as on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.reconcile import document as reading
from plumbline.reconcile import format
from plumbline.reconcile.report.answers import answers
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.stories import Finding, of_each_cause

if TYPE_CHECKING:
    from plumbline.reconcile.document import Document
    from plumbline.reconcile.explain.story import Story


@dataclass(frozen=True)
class Grid:
    """One table: its caption, the names of its columns, its rows; None is an empty cell."""

    caption: str
    head: Sequence[Any]
    rows: Iterable[Sequence[Any]]


def card(headline: str, grids: Iterable[Grid] = (), commands: Sequence[str] = (), state: str = "") -> str:
    """The HTML. `state` colours it: clean, drift or incomplete; anything else is neutral."""
    from plumbline.reconcile.report.templating import environment

    template = environment().get_template("card.html")
    return template.render(headline=headline, grids=list(grids), commands=commands, state=state)


def of_run(document: Document, examples: Sequence[Finding] = ()) -> str:
    """A reconcile: the four answers and the books. `examples` are findings whose key a command may name."""
    found = answers([document], Facts(), of_each_cause(examples))
    counts = document["counts"]
    books = [
        ("batch reference", format.count(counts["batch"])),
        *((f"{line.cause} {line.what}", format.count(line.rows)) for line in reading.book_lines(document)),
        ("stream table", format.count(counts["stream"])),
    ]
    four = [(a.question, a.short, a.long) for a in (found.true, found.how_much, found.why, found.what_to_do)]
    return card(
        f"{document['contract']}, {reading.covered(document)}: {document['verdict']}",
        [Grid("Four answers", ("question", "answer", ""), four), Grid("The books", ("entry", "rows"), books)],
        found.what_to_do.commands,
        document["verdict"],
    )


def of_story(story: Story) -> str:
    """One key's story: what happened in order of time, and what came of it."""
    moments = [(format.moment(m.at) if m.at else "", m.what, m.text) for m in story.moments]
    findings = [(f["class"], f["cause"], f["sentence"]) for f in story.findings]
    grids = [Grid("In order of time", ("when (UTC)", "what", ""), moments)]
    grids += [Grid("Findings", ("class", "cause", ""), findings)] if findings else []
    state = {"match": "clean", "drift": "drift", "pending": "incomplete"}.get(story.verdict, "")
    return card(f"{format.key(story.key)}: {story.verdict}", grids, state=state)
