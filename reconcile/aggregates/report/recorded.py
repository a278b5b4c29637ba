"""A recorded run of an aggregate to look at in a notebook: its books, causes, days, lines and the plot of its drift."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from plumbline.contract.aggregate import WINDOW_START
from plumbline.contract.errors import UsageError
from plumbline.reconcile import document as reading
from plumbline.reconcile.aggregates.report.answers import answers
from plumbline.reconcile.aggregates.report.page import worst
from plumbline.reconcile.aggregates.terminal import facts, headline, key_of, sums_of
from plumbline.reconcile.report import plots, stored_runs
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.notebook_card import Grid, card
from plumbline.reconcile.report.page import fragment
from plumbline.reconcile.report.recorded_run import Plot

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.contract.model import Contract
    from plumbline.reconcile.aggregates.document_types import ShownLines


@dataclass(frozen=True)
class RecordedLines:
    """A run of an aggregate that `plumbline reconcile` recorded. `document` is what it printed with `--json`; reading
    changes nothing.

    Lines come as lists of dicts, ready for a DataFrame.
    """

    contract: Contract = field(repr=False)
    home: Home
    document: ShownLines = field(repr=False)

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.document["run_id"]

    def __str__(self) -> str:
        return headline(self.document)

    def _repr_html_(self) -> str:
        found = answers(self.document, Facts(self.contract))
        four = [(a.question, a.short, a.long) for a in (found.true, found.how_much, found.why, found.what_to_do)]
        title = f"{self.document['contract']}, {reading.covered(self._read)}: {self.document['verdict']}"
        grid = Grid("Four answers", ("question", "answer", ""), four)
        return card(title, [grid], found.what_to_do.commands, self.document["verdict"])

    def books(self) -> list[dict[str, Any]]:
        """What leads from the batch's lines to the stream's: `cause`, `lines` (signed) and `what`."""
        return [{"cause": one.cause, "lines": one.rows, "what": one.what} for one in reading.book_lines(self._read)]

    def joined_rows(self) -> list[dict[str, Any]]:
        """What each cause took of the joined rows below closed windows: `cause`, rows that are `gone`, left events that
        came `alone` in their place, and rows that `came` of records which the batch run had not read."""
        rows = self.document["rows"]
        lost = {} if rows is None else rows["lost"]
        return [
            {"cause": cause, "gone": one["gone"], "alone": one["alone"], "came": one.get("came", 0)}
            for cause, one in lost.items()
        ]

    def causes(self) -> dict[str, dict[str, int]]:
        """Each cause with its lines per class (missing, extra, mismatch, duplicate), the most frequent first."""
        return {line.name: dict(line.classes) for line in reading.cause_lines(self._read)}

    def said(self) -> list[str]:
        """What else is to be known, a sentence each: values that differ, rounding, stale lines, alerts."""
        return list(facts(self.document))

    def days(self) -> list[dict[str, Any]]:
        """Each day of the windows' start: `day`, `batch` and `stream` lines, `drift` (lines that differ)."""
        days = reading.windows(self._read)
        return [{"day": one.start, "batch": one.batch, "stream": one.stream, "drift": one.drift} for one in days]

    def drift_plot(self) -> Plot:
        """Lines that differ per day (week, month or year where there are many), by cause."""
        return Plot(fragment(plots.drift_per_window(*reading.merged(reading.windows(self._read)), of="lines")))

    def worth_a_look(self) -> list[dict[str, Any]]:
        """Some lines of each cause, the gravest first: `line`, `cause`, `class`, and the `sum` of each value."""
        return [
            {"line": key_of(one), "cause": one["cause"], "class": one["kind"], "sum": sums_of(one)}
            for one in worst(self.document)
        ]

    def lines(self) -> list[dict[str, Any]]:
        """All lines that differ: the key, `class` and `cause`, then of each value `NAME batch` and `NAME stream`."""
        return [_flat(row) for row in self._found()]

    def _found(self) -> list[dict[str, Any]]:
        from pyiceberg.expressions import EqualTo

        from plumbline.connect.lake import Lake
        from plumbline.reconcile.judge.store import FINDINGS

        table = Lake.open(self.home, self.contract.catalog).load(FINDINGS)
        found: list[dict[str, Any]] = table.scan(row_filter=EqualTo("run_id", self.run_id)).to_arrow().to_pylist()
        return sorted(found, key=lambda row: (row["event_time"], row["key"]))

    @property
    def _read(self) -> reading.Document:
        return cast("reading.Document", self.document)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    key = json.loads(row["key"]) | {WINDOW_START: row["event_time"]}
    values = json.loads(row["evidence"])["values"]
    sides = {f"{name} {side}": one[side] for name, one in values.items() for side in ("batch", "stream")}
    return {**key, "class": row["class"], "cause": row["cause"], **sides}


def open_lines(contract: Contract, home: Home, run_id: str = stored_runs.LATEST) -> RecordedLines:
    """The recorded run of an aggregate with this id; `latest` is the newest.

    Raises SetupError when the contract has no recorded run, UsageError for an unknown id, naming the nearest, and for a
    contract of rows.
    """
    from plumbline.connect.lake import Lake

    if contract.output.aggregate is None:
        raise UsageError(
            f"contract {contract.contract} has rows, not an aggregate", next_step="open_run opens its runs"
        )
    [document] = stored_runs.documents(contract, Lake.open(home, contract.catalog), [run_id])
    return RecordedLines(contract, home, cast("ShownLines", document))
