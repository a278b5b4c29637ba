"""`plumbline late`: the rows that the stream dropped as late."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.connect.home import Home
from plumbline.contract.generations import spelled
from plumbline.contract.ranges import TimeRange
from plumbline.options import contract_argument, home_option, json_option, newest_option, range_options
from plumbline.output import emit, printable

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.stream_job.document_types import By, LateDocument, LateKnown, LateRecord, LateSource


@click.command(short_help="Show the rows that the stream dropped as late, as soon as it did.")
@contract_argument
@range_options
@click.option(
    "--by",
    type=click.Choice(["dropped", "event"]),
    default="dropped",
    show_default=True,
    help="What the range selects by: when the stream dropped the row, or its event time.",
)
@newest_option
@home_option
@json_option
def late(contract_path: Path, time_range: TimeRange, by: By, limit: int, home: Home, as_json: bool) -> int:
    """Show the records that the stream dropped because they came behind the watermark: how many of each source, by how
    much, and the newest with coordinates. They are known within about a minute, without a batch run: the streaming job
    and `plumbline observe` write them to `plumbline.late`, whole.

    Exit 0, whatever was late; 3 where epochs are unknown, so that rows may be missing here.

    \b
    Examples:
      plumbline late flights.yaml --last 1h
      plumbline late flights.yaml --by event --date 2013-01-15 --json
    """
    from plumbline.connect.lake import Lake
    from plumbline.contract.loader import load
    from plumbline.stream_job.late.listing import listed

    contract = load(contract_path, aggregates=True, upserts=True)
    sources, rows, known = listed(Lake.open(home, contract.catalog), contract, time_range, by, limit)
    document: LateDocument = {
        "contract": contract.contract,
        "range": time_range.as_json(),
        "by": by,
        "sources": sources,
        "newest": [_record(row) for row in rows],
        "known": known,
    }
    emit(document, as_json, lambda console: _show(document, console))
    return 3 if known["unseen"] or known["unproven_spark"] else 0


def _record(row: Mapping[str, Any]) -> LateRecord:
    from plumbline.contract.ranges import from_micros, spell_time

    value = row["value"]
    return {
        "source": row["source"],
        "side": row["side"],
        "topic": row["topic"],
        "partition": row["partition"],
        "offset": row["offset"],
        "event_time": spell_time(row["event_time"]),
        "late_watermark": spell_time(from_micros(row["late_watermark_ms"] * 1000)),
        "late_by_ms": row["late_by_ms"],
        "query_id": row["query_id"],
        "epoch": row["epoch"],
        "dropped_at": spell_time(row["dropped_at"]),
        "unsure": row["passes_where"] is None,
        "bytes": None if value is None else len(value),
        "value": printable(value),
    }


def _show(document: LateDocument, console: Console) -> None:
    for name, source in document["sources"].items():
        console.print(_counted(name, source))
    if document["newest"]:
        _show_newest(document["newest"], console)
    for line in _unknown(document["known"]):
        console.print(line)


def _counted(name: str, source: LateSource) -> str:
    from plumbline.reconcile import format

    if not source["records"]:
        return f"{name}: none dropped as late"
    rows = f"{name}: {source['records']:,} dropped as late, the latest by {format.exactly(source['worst_ms'] or 0)}"
    if source["unsure"]:
        rows += f"; {source['unsure']:,} of them may be left out by its `where`: only Spark can tell"
    return rows


def _show_newest(rows: list[LateRecord], console: Console) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from plumbline.reconcile import format

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("dropped at", "record", "event time"):
        table.add_column(title, overflow="fold")
    table.add_column("late by", justify="right", no_wrap=True)
    table.add_column("epoch", justify="right", no_wrap=True)
    table.add_column("value", overflow="fold")
    for row in rows:
        place = f"{row['topic']} partition {spelled(row['partition'])} offset {row['offset']}"
        value = "no value" if row["value"] is None else row["value"]
        late_by = format.exactly(row["late_by_ms"])
        table.add_row(row["dropped_at"], place, row["event_time"], late_by, f"{row['epoch']:,}", value)
    console.print(table)


def _unknown(known: LateKnown) -> list[str]:
    """What the rows may lack, in words."""
    from plumbline.contract.operators import next_step, why_unproven

    lines = []
    for name, offsets in known["waiting"].items():
        lines.append(
            f"{name}: up to {offsets:,} records that the stream has read are not looked at yet: "
            "they are once the archive has them"
        )
    for name, offsets in known["unseen"].items():
        lines.append(f"{name}: of {offsets:,} offsets nothing is known: their epochs were purged before they were seen")
    if known["unproven_spark"]:
        versions = known["unproven_spark"]
        lines.append(f"what was late is not known in full: {why_unproven(versions)}")
        lines += [f"next: {step}" for step in [next_step(versions, "")] if step]
    return lines
