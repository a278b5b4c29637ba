"""`plumbline size`: what the job takes at another rate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.contract.aggregate import BLOCK
from plumbline.contract.errors import UsageError
from plumbline.contract.upsert import MODE
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.contract.model import Contract
    from plumbline.document_types import SizeDocument
    from plumbline.sizing.model import Sample


@click.command(short_help="Estimate state, tables, topics, memory and CPU at a rate of events.")
@contract_argument
@click.option(
    "--events-per-second",
    "rates",
    metavar="N | SOURCE=N",
    multiple=True,
    required=True,
    help="Rate of both sources together, shared out as archived so far; or of each source.",
)
@click.option(
    "--days", type=click.FloatRange(min=0, min_open=True), default=30, show_default=True, help="How long it is kept."
)
@home_option
@json_option
def size(contract_path: Path, rates: tuple[str, ...], days: float, home: Home, as_json: bool) -> int:
    """Estimate what the jobs of a contract take at a rate of events: rows in state, topics and tables after so many
    days, memory and CPU of the stream, CPU of a night. Bytes and ratios are those of what the job has archived and
    joined so far, a small sample of the real events will do; CPU and memory are our own measurements of two cores.

    The rate is taken as even: size for the busiest hour.

    \b
    Examples:
      plumbline size takes.yaml --events-per-second 20000 --days 30
      plumbline size takes.yaml --events-per-second impressions=12000 --events-per-second plays=8000 --json
    """
    from plumbline.connect.lake import Lake
    from plumbline.contract.foreign_job import refuse_job_of_theirs
    from plumbline.contract.loader import load
    from plumbline.sizing.model import sized
    from plumbline.sizing.sample import sample_of

    contract = load(contract_path, aggregates=True, upserts=True)
    _refuse_lines(contract)
    _refuse_updated(contract)
    refuse_job_of_theirs(contract, "size", "what it takes its own engine tells")
    asked = _asked(contract, rates)
    sample = sample_of(contract, home, Lake.open(home, contract.catalog))
    document = sized(contract, sample, _shared(sample, asked), days)
    emit(document, as_json, lambda console: _show(document, console))
    return 0


def _refuse_lines(contract: Contract) -> None:
    if contract.output.aggregate is not None:
        raise UsageError(
            "the lines of an aggregate do not grow with the rate of events, so a sample does not tell how many come",
            where=contract.place(BLOCK),
            next_step="size the join in a copy of the contract with output.columns in place of output.aggregate; a "
            "line for each open window and group comes on top of its state",
        )


def _refuse_updated(contract: Contract) -> None:
    if contract.output.is_upsert:
        raise UsageError(
            "what the MERGE of each epoch costs, and the delete files that it leaves, was never measured, and the "
            "rows of the table's files are not those that it holds",
            where=contract.place(MODE),
            next_step="size the join in a copy of the contract with output.mode: append; state, topics and archives "
            "are the same",
        )


def _asked(contract: Contract, rates: tuple[str, ...]) -> float | dict[str, float]:
    """One rate for both sources together, or one for each."""
    if len(rates) == 1 and "=" not in rates[0]:
        return _number(rates[0])
    named = [rate.partition("=") for rate in rates]
    found = {name: _number(number) for name, mark, number in named if mark}
    if set(found) != set(contract.sources) or len(named) != len(found):
        raise UsageError(
            f"--events-per-second {' '.join(rates)} does not give one rate for each source",
            next_step=f"write {' '.join(f'--events-per-second {name}=N' for name in contract.sources)}, or one number",
        )
    return found


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e12:
        raise UsageError(f"--events-per-second {text!r} is not a rate above zero", next_step="write it as 20000")
    return number


def _shared(sample: Sample, asked: float | dict[str, float]) -> dict[str, float]:
    if isinstance(asked, dict):
        return asked
    held = {name: source.records for name, source in sample.sources.items()}
    return {name: asked * records / sum(held.values()) for name, records in held.items()}


def _show(document: SizeDocument, console: Console) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.filesize import decimal
    from rich.table import Table

    stream, nightly = document["stream"], document["nightly"]
    rates = ", ".join(f"{rate:,.0f} {name}" for name, rate in document["events_per_second"].items())
    console.print(f"At {rates} a second, kept for {document['days']:g} days")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("rows", justify="right")
    table.add_column("size", justify="right")
    for topic, held in document["topics"].items():
        table.add_row(f"topic {topic}, one replica, not compressed", "", decimal(held))
    for name, of in document["tables"].items():
        table.add_row(f"table {name}", f"{of['rows']:,}", decimal(of["bytes"]))
    table.add_row(
        f"state ({stream['state']})", f"{sum(stream['open_rows'].values()):,}", decimal(stream["state_bytes"])
    )
    console.print(table)
    console.print(
        f"stream: {stream['cores']:.2f} cores, {decimal(stream['memory_bytes'])} of memory, "
        f"{stream['epochs_per_day']:,} epochs a day"
    )
    console.print(
        f"a night of one day: {nightly['batch_cpu_seconds']:,.0f} CPU seconds for the batch run, "
        f"{nightly['reconcile_cpu_seconds']:,.0f} for reconcile"
    )
    console.print(f"from a sample of {_counts(document['sample'])}")


def _counts(sample: Mapping[str, int]) -> str:
    return ", ".join(f"{records:,} {name}" for name, records in sample.items())
