"""What `plumbline report` writes for a contract with `output.aggregate`: the page, Markdown, or the answers as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError

if TYPE_CHECKING:
    from plumbline.contract.model import Contract
    from plumbline.reconcile.aggregates.document_types import AggregateDocument
    from plumbline.reconcile.report.context import Facts


def read(contract: Contract, shown: str, home: Home, runs: Sequence[str]) -> tuple[AggregateDocument, Facts]:
    """The recorded document of a run, and what else a report may say. Raises UsageError for several runs."""
    from plumbline.connect.lake import Lake
    from plumbline.expectations.record import recorded as checked
    from plumbline.reconcile.report import stored_runs
    from plumbline.reconcile.report.context import Facts

    if len(runs) > 1:
        raise UsageError("a report of an aggregate shows one run", where=shown, next_step="give --run once")
    lake = Lake.open(home, contract.catalog)
    [document] = stored_runs.documents(contract, lake, runs)
    checks = checked(lake, contract, document["range"])
    return cast("AggregateDocument", document), Facts(contract, shown, home.option, checks=checks)


def page(document: AggregateDocument, facts: Facts, target: Path, shown: str) -> dict[str, Any]:
    """Write the page; `{"file", "bytes", "runs", "verdicts", "replays"}`."""
    from plumbline.reconcile.aggregates.report.page import render
    from plumbline.reconcile.report.page import write

    size = write(target, render(document, replace(facts, page=shown)))
    told = {"runs": [document["run_id"]], "verdicts": [document["verdict"]], "replays": []}
    return {"file": str(target.absolute()), "bytes": size, **told}


def spelled(form: str, document: AggregateDocument, facts: Facts) -> str:
    """The same as Markdown, or as one JSON document: `{"answers", "runs", "lines"}`."""
    from plumbline.output import as_json_text
    from plumbline.reconcile.aggregates.report import markdown
    from plumbline.reconcile.aggregates.report.answers import answers
    from plumbline.reconcile.aggregates.report.page import worst

    if form == "md":
        return markdown.render(document, facts)
    told = {"answers": asdict(answers(document, facts)), "runs": [document], "lines": worst(document)}
    return as_json_text(told) + "\n"
