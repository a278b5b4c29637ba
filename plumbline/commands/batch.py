"""`plumbline batch`: the reference that the stream is held to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.contract.ranges import TimeRange
from plumbline.options import contract_argument, home_option, json_option, range_options
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.batch_reference.document_types import BatchDocument
    from plumbline.contract.document_types import Range


@click.group(short_help="Run the batch reference of a contract over its archive.")
def batch() -> None:
    """Run the batch reference of a contract over its archive.

    \b
    Examples:
      plumbline batch run flights.yaml --date 2013-01-15
      plumbline batch run flights.yaml
    """


@batch.command(short_help="Compute a range of the batch table and replace it in one commit.")
@contract_argument
@range_options
@home_option
@json_option
def run(contract_path: Path, time_range: TimeRange, home: Home, as_json: bool) -> None:
    """Compute the rows whose left event time is in the range and replace that range of the batch table.

    It is one atomic commit that records the archive snapshots it read; repeating it on the same archive changes
    nothing. Without a range: everything.

    \b
    Examples:
      plumbline batch run flights.yaml --from 2013-01-15T00:00Z --to 2013-01-22T00:00Z
      plumbline batch run flights.yaml --last 24h --json
    """
    from plumbline.batch_reference import run as reference
    from plumbline.contract.loader import load

    result = reference.run(load(contract_path, aggregates=True, upserts=True, reduced=True), home, time_range, say=say)
    emit(result, as_json, lambda console: _show(result, console))


def _show(result: BatchDocument, console: Console) -> None:
    what = "replaced by" if result["changed"] else "is already"
    console.print(f"{result['table']} {_spell(result['range'])} {what} {result['rows']:,} rows")
    console.print(f"  snapshot {result['snapshot_id']}")
    for source, snapshot in result["archives"].items():
        console.print(f"  from {source}: archive snapshot {snapshot}")


def _spell(time_range: Range) -> str:
    return f"[{time_range['from'] or 'open'}, {time_range['to'] or 'open'})"
