"""The drift report of an aggregate: one HTML file that needs no network and runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from plumbline.reconcile import document as reading
from plumbline.reconcile import format
from plumbline.reconcile.aggregates.books import net
from plumbline.reconcile.aggregates.report.answers import answers, parts
from plumbline.reconcile.aggregates.spelling import apart, both, spelled
from plumbline.reconcile.aggregates.terminal import facts as facts_of
from plumbline.reconcile.report import checks
from plumbline.reconcile.report.answers import GRAVEST
from plumbline.reconcile.report.next_commands import Commands
from plumbline.reconcile.report.page import cause_bar, drift_chart
from plumbline.reconcile.report.templating import environment

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.document_types import AggregateDocument, LineFinding
    from plumbline.reconcile.report.context import Facts

MOST_LINES = 12
PER_CAUSE = 4


def render(document: AggregateDocument, facts: Facts) -> str:
    """The page of one recorded run."""
    return environment().get_template("lines_page.html").render(context(document, facts))


def context(document: AggregateDocument, facts: Facts) -> dict[str, Any]:
    """Everything that lines_page.html shows, as plain values."""
    read = cast("reading.Document", document)
    commands = Commands(facts.contract_path, facts.home_option)
    bars, unit = reading.merged(reading.windows(read))
    whole = reading.range_of(read)
    return {
        "document": document,
        "answers": answers(document, facts),
        "span": reading.covered(read),
        "closed": format.clock(document["closed_until"]) if document["closed_until"] else "not known",
        "made_at": facts.made_at,
        "books": reading.book_lines(read),
        "rows": _rows(document),
        "causes": [cause_bar(line, read, facts.contract) for line in reading.cause_lines(read)],
        "said": [line for line in facts_of(document) if not line.startswith(("joined rows", "alert"))],
        "chart": drift_chart(bars, unit, [], facts.contract, "lines"),
        "unit": unit,
        "lines": [_line(one, commands) for one in worst(document)],
        "found": reading.drift(read),
        "checks": checks.shown(facts.checks, document["snapshots"]),
        "named": lambda cause: format.cause_name(cause, facts.contract),
        "commands": [
            ("Compare again", (commands.reconcile(whole),)),
            ("When the batch reference is what is old: recompute it", (commands.batch(whole),)),
            ("This page, from the records as they are", (commands.report([document["run_id"]], facts.page),)),
        ],
    }


def worst(document: AggregateDocument, most: int = MOST_LINES) -> Sequence[LineFinding]:
    """The lines worth a look: loss and the unexplained first, of each cause a few."""
    taken: dict[str, int] = {}
    found = []
    for one in sorted(
        document["findings"], key=lambda one: (*(one["cause"] != name for name in GRAVEST), one["cause"])
    ):
        taken[one["cause"]] = taken.get(one["cause"], 0) + 1
        if taken[one["cause"]] <= PER_CAUSE:
            found.append(one)
    return found[:most]


def _rows(document: AggregateDocument) -> dict[str, Any] | None:
    """The joined rows below closed windows, from the batch's to the stream's."""
    rows = document["rows"]
    if rows is None:
        return None
    lost = [(cause, -net(one), one) for cause, one in rows["lost"].items()]
    return {"batch": rows["batch"], "stream": rows["stream"], "lost": lost}


def _line(one: LineFinding, commands: Commands) -> dict[str, Any]:
    key = parts(one["key"])
    lost = one["rows"]["lost"]
    causes = list(dict.fromkeys(cause for value in one["values"].values() for cause in value.get("causes", {})))
    return {
        "key": ", ".join(f"{name} {'NULL' if value is None else value}" for name, value in key),
        "cause": one["cause"],
        "kind": one["kind"],
        "causes": causes,
        "values": [
            (name, *_sides(value), [_taken(value, cause) for cause in causes]) for name, value in one["values"].items()
        ],
        "rows": (one["rows"]["batch"], one["rows"]["stream"]),
        "lost": [(cause, of["gone"], of["alone"], of.get("came", 0)) for cause, of in lost.items()],
        "explain": commands.explain(key),
    }


def _sides(value: Mapping[str, Any]) -> tuple[str, str, str]:
    """The value of both sides, and by how much the stream's is apart."""
    batch, stream = value["batch"], value["stream"]
    return (*both(batch, stream), apart(batch, stream))


def _taken(value: Mapping[str, Any], cause: str) -> str:
    return spelled(value["causes"][cause]) if cause in value.get("causes", {}) else ""
