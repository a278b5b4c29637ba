"""`plumbline lateness`: what other watermark delays would have lost, and held open."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.options import contract_argument, home_option, json_option, memory_option, range_options
from plumbline.output import emit

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.reconcile.lateness.document_types import Choice, LatenessDocument


@click.command(short_help="Show what other watermark delays would have lost, and the state they cost.")
@contract_argument
@range_options
@click.option("--lose", metavar="PERCENT", help="Find the smallest delay that loses at most this share: 0.1%.")
@memory_option
@home_option
@json_option
def lateness(
    contract_path: Path, time_range: TimeRange, lose: str | None, memory: str, home: Home, as_json: bool
) -> None:
    """Show how many records of each source the stream would have dropped as late with other watermark delays, and the
    most rows that it would have held open at once. The numbers come from archive and epoch ledger, for the epochs as
    they were.

    Both delays change by the same amount. --lose finds the smallest change with which no source loses more than that
    share of its records. Of an aggregate it also shows how many lines would have lacked a record.

    \b
    Examples:
      plumbline lateness flights.yaml
      plumbline lateness flights.yaml --lose 0.1%
      plumbline lateness flights.yaml --last '30 days' --lose 0% --json
    """
    from plumbline.contract.loader import load
    from plumbline.reconcile.lateness.what_if import what_if

    document = what_if(
        load(contract_path, aggregates=True, upserts=True),
        home,
        time_range,
        None if lose is None else _share(lose),
        memory,
    )
    emit(document, as_json, lambda console: show(document, console))


def show(document: LatenessDocument, console: Console) -> None:
    """One line for each change of the delays, then what was asked for."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from plumbline.reconcile import format

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("delays", no_wrap=True)
    for name in document["sources"]:
        lost = "lost at most" if document["sources"][name]["at_most"] else "lost"
        for title in (f"{name}: delay", lost, "share", "held open"):
            table.add_column(title, justify="right", no_wrap=True)
    if "lines" in document:
        table.add_column(f"of {document['lines']:,} lines", justify="right", no_wrap=True)
    for choice in document["choices"]:
        cells = [_change(choice["change_ms"])]
        for source in choice["sources"].values():
            share = format.share(source["lost"], round(source["lost"] / source["share"]) if source["share"] else 0)
            cells += [format.in_contract(source["delay_ms"]), f"{source['lost']:,}", share, f"{source['held_rows']:,}"]
        table.add_row(*cells, *([f"{choice['lines']:,}"] if "lines" in choice else []))
    console.print(table)
    if "lines" in document:
        console.print("lines: those of the batch table that would lack a record")
    unsure = [name for name, source in document["sources"].items() if source["at_most"]]
    if unsure:
        console.print(
            f"at most: only Spark can evaluate which records the `where` of {' and '.join(unsure)} leaves out"
        )
    if document["wanted"] is not None and document["lose"] is not None:
        console.print(_wanted(document["wanted"], document["lose"]))


def _wanted(wanted: Choice, lose: float) -> str:
    from plumbline.reconcile import format

    sources = wanted["sources"].items()
    delays = ", ".join(f"{name} {format.in_contract(source['delay_ms'])}" for name, source in sources)
    rows = sum(source["held_rows"] for _, source in sources)
    return (
        f"to lose at most {100 * lose:g}%: {_change(wanted['change_ms'])}, that is {delays}; "
        f"at most {rows:,} rows held open"
    )


def _change(ms: int) -> str:
    from plumbline.reconcile import format

    return "as they are" if ms == 0 else f"{format.exactly(abs(ms))} {'longer' if ms > 0 else 'shorter'}"


def _share(spelled: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *%", spelled.strip())
    if match is None or float(match[1]) > 100:
        raise UsageError(f"--lose {spelled!r} is not a percentage", next_step="write --lose 0.1%")
    return float(match[1]) / 100
