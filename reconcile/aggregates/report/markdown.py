"""A recorded comparison of aggregates as Markdown for a pull request or a chat message. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from plumbline.reconcile import document as reading
from plumbline.reconcile.aggregates.report.answers import answers
from plumbline.reconcile.aggregates.report.page import worst
from plumbline.reconcile.aggregates.terminal import key_of, sum_of_rows, sums_of
from plumbline.reconcile.report.markdown import MARKS, MOST_KEYS, alerts, answered, books, code

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.document_types import AggregateDocument
    from plumbline.reconcile.report.context import Facts


def render(document: AggregateDocument, facts: Facts) -> str:
    """The message for one run."""
    read, found = cast("reading.Document", document), answers(document, facts)
    rows = document["rows"]
    keys = [f"- {code(key_of(one))} {code(one['cause'])}: {code(sums_of(one))}" for one in worst(document, MOST_KEYS)]
    blocks = [
        f"### {MARKS[document['verdict']]} {code(document['contract'])}: {document['verdict']}",
        f"**{found.true.short}.** {found.true.long} {reading.covered(read)}.",
        books(read, "lines"),
        rows and f"joined rows below closed windows: {code(sum_of_rows(rows))}",
        answered(found.how_much),
        answered(found.why),
        "\n".join(keys),
        alerts(read),
        answered(found.what_to_do),
        f"run {code(document['run_id'])}",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"
