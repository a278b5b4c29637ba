"""A recorded reconcile as Markdown that fits a pull request or a chat message: the four answers and the books. Pure.

Whatever comes from data or contract stands in a code span: there nothing is a link, a mention, a table or a heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from plumbline.contract.safe_text import shown
from plumbline.reconcile import document as reading
from plumbline.reconcile import format
from plumbline.reconcile.document import Document
from plumbline.reconcile.report import stories
from plumbline.reconcile.report.answers import Answer, answers
from plumbline.reconcile.report.context import Facts

MOST_LETTERS = 120
MOST_KEYS = 3
MARKS = {"clean": "🟢", "drift": "🔴", "incomplete": "🟡"}


def render(documents: Sequence[Document], findings: Iterable[stories.Finding], facts: Facts | None = None) -> str:
    """The message for one document, or for several in order: the drift first, then what repaired it."""
    facts, first = facts or Facts(), documents[0]
    findings = list(findings)
    told = stories.worst(findings, MOST_KEYS, facts.contract)
    found = answers(documents, facts, stories.of_each_cause(findings, facts.contract))
    blocks = [
        f"### {MARKS.get(first['verdict'], '')} {code(first['contract'])}: {first['verdict']}".replace("  ", " "),
        f"**{found.true.short}.** {found.true.long} {reading.covered(first)}.",
        found.repaired and f"**{found.repaired}**",
        books(first),
        answered(found.how_much),
        answered(found.why),
        _keys(told),
        alerts(first),
        _held_back(first),
        answered(found.what_to_do),
        f"run {code(first['run_id'])}",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def code(text: str) -> str:
    """`text` as a code span for any place, a table's cell included: on one line, its length bounded."""
    text = shown(text)
    if len(text) > MOST_LETTERS:
        text = text[: MOST_LETTERS - 1] + "…"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{pad}{text or ' '}{pad}{fence}".replace("|", "\\|")


def block(lines: Iterable[str]) -> str:
    """Commands as a fenced block: its fence is longer than any run of backticks within."""
    text = "\n".join(shown(line) for line in lines)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}sh\n{text}\n{fence}"


def books(document: Document, what: str = "rows") -> str:
    """From the batch reference to the stream table, as a table."""
    counts = document["counts"]
    rows = [f"| batch reference | {format.count(counts['batch'])} |"]
    rows += [
        f"| {code(line.cause)} {line.what} | {'+' if line.rows > 0 else ''}{format.count(line.rows)} |"
        for line in reading.book_lines(document)
    ]
    rows += [f"| **stream table** | **{format.count(counts['stream'])}** |"]
    off = "" if reading.balanced(document) else "\n\n**The books do not balance.**"
    return "\n".join([f"| the books | {what} |", "|---|--:|", *rows]) + off


def answered(answer: Answer) -> str:
    """One answer with its commands."""
    said = f"**{answer.question}** {answer.short}. {answer.long}".strip()
    return f"{said}\n\n{block(answer.commands)}" if answer.commands else said


def alerts(document: Document) -> str:
    """The limits that were crossed."""
    crossed = [f"{code(a['name'])} {code(a['limit'])} ({format.count(a['count'])})" for a in document["alerts"]]
    return f"**Limits crossed:** {', '.join(crossed)}" if crossed else ""


def _held_back(document: Document) -> str:
    held = document.get("unobserved")
    if not held:
        return ""
    newest = format.count(held["last_epoch"])
    return (
        f"**Not compared:** {format.counted(held['rows'], 'stream row')} of epochs after {newest}, the newest observed"
    )


def _keys(told: Sequence[stories.Story]) -> str:
    def line(story: stories.Story) -> str:
        late = f", {format.delay(story.late_by_ms)} late" if story.late_by_ms is not None else ""
        return f"- {code(story.key)} {code(story.kind)} by {code(story.cause)}{late}"

    return "\n".join(map(line, told))
