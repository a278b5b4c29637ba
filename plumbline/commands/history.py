"""`plumbline history`: the recorded reconciles of a contract, in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.contract.findings import Cause
    from plumbline.reconcile.report.document_types import HistoryDocument, HistoryLine, Trend

BARS = "▁▂▃▄▅▆▇█"


@click.command(short_help="Show the recorded reconciles in order of time: verdicts, causes, trend.")
@contract_argument
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="The newest N runs only.")
@home_option
@json_option
def history(contract_path: Path, last: int | None, home: Home, as_json: bool) -> None:
    """Show the drift ledger over time: each recorded reconcile with its verdict, its findings per cause and the limits
    of reconcile.fail_when that it crossed; then the trend of each cause, per 100 batch rows. Of a contract
    with output.aggregate the lines of both tables are counted.

    A cause has risen when the newest run has more than 1.5 times the usual number: the median of the earlier runs over
    ranges of the same length. With --json each run also names the snapshots that it read.

    \b
    Examples:
      plumbline history flights.yaml
      plumbline history flights.yaml --last 30 --json
    """
    from plumbline.connect.lake import Lake
    from plumbline.contract.loader import load
    from plumbline.reconcile.report.history import history as told
    from plumbline.reconcile.report.stored_runs import runs

    contract = load(contract_path, aggregates=True, upserts=True, reduced=True)
    document = told(contract.contract, runs(contract, Lake.open(home, contract.catalog)), last)
    emit(document, as_json, lambda console: show(document, console))


def show(document: HistoryDocument, console: Console) -> None:
    """The runs as a table, oldest first, then one line for each cause."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, width in (("recorded", 16), ("run", 16), ("range", None), ("verdict", None)):
        table.add_column(name, no_wrap=True, min_width=width)
    for name in ("batch", "findings", *document["trend"]):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("alerts", no_wrap=True)
    for run in document["runs"]:
        table.add_row(*_cells(run, list(document["trend"])))
    console.print(table)
    for cause, trend in document["trend"].items():
        console.print(_line(cause, trend))


def _cells(run: HistoryLine, causes: Sequence[Cause]) -> list[str]:
    from plumbline.reconcile import format

    figures = [run["batch"], run["findings"], *(run["causes"].get(cause, 0) for cause in causes)]
    recorded = f"{run['recorded_at']:%Y-%m-%d %H:%M}"
    alerts = ", ".join(f"{alert['name']} {alert['limit']}" for alert in run["alerts"])
    verdict = run["verdict"] if run["balanced"] else "books do not balance"
    return [recorded, run["run_id"], format.span(run["range"]), verdict, *(f"{n:,}" for n in figures), alerts]


def _line(cause: str, trend: Trend) -> str:
    """`late_left  ▁▁▂█  0.1% of batch rows in the newest run, 0.02% usual: risen`."""
    shares = [share or 0.0 for share in trend["shares"]]
    most = max(shares) or 1.0
    bars = "".join(BARS[round(share / most * (len(BARS) - 1))] for share in shares)
    newest = "no batch rows" if trend["newest"] is None else f"{trend['newest']:.3g}% of batch rows"
    usual = "" if trend["usual"] is None else f", {trend['usual']:.3g}% usual: {trend['direction']}"
    return f"{cause:<20}{bars}  {newest} in the newest run{usual}"
