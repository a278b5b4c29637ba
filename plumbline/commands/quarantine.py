"""`plumbline quarantine`: what could not enter the join, and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.connect.home import Home
from plumbline.contract.generations import spelled
from plumbline.options import contract_argument, home_option, json_option, newest_option
from plumbline.output import emit, printable

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.contract.model import Contract
    from plumbline.document_types import QuarantineDocument, QuarantinedRecord


@click.command(short_help="Show what could not enter the join, and why.")
@contract_argument
@newest_option
@home_option
@json_option
def quarantine(contract_path: Path, limit: int, home: Home, as_json: bool) -> None:
    """Show what could not enter the join: how many records of each source, why, and the newest with coordinates.

    The first bytes of a value are shown, escaped. The whole record is in `plumbline.quarantine`, and in the archive.
    docs/quarantine.md explains each reason. Exit 0, whatever is in quarantine.

    \b
    Examples:
      plumbline quarantine flights.yaml
      plumbline quarantine flights.yaml --limit 100 --json
    """
    from plumbline.connect.lake import Lake
    from plumbline.contract.loader import load
    from plumbline.stream_job.quarantine import counts, newest

    contract = load(contract_path, aggregates=True, upserts=True, reduced=True)
    lake = Lake.open(home, contract.catalog)
    document: QuarantineDocument = {
        "contract": contract.contract,
        "counts": counts(lake, contract),
        "newest": [_sample(row, contract) for row in newest(lake, contract, limit)],
    }
    emit(document, as_json, lambda console: _show(document, console))


def _sample(row: Mapping[str, Any], contract: Contract) -> QuarantinedRecord:
    value = row["value"]
    return {
        "source": row["source"],
        "topic": row["topic"],
        "partition": row["partition"],
        "offset": row["offset"],
        "reason": row["reason"],
        "record_time": row["kafka_timestamp"],
        "noted_at": row["noted_at"],
        "bytes": None if value is None else len(value),
        "value": printable(value),
        "hint": _hint(row, contract),
    }


def _hint(row: Mapping[str, Any], contract: Contract) -> str | None:
    """What else is known of why the record was refused: the schema that its headers name, or what its own says."""
    from plumbline.contract import connect_schema
    from plumbline.contract.avro import HEADER, spelled_head
    from plumbline.contract.formats import FORMATS
    from plumbline.contract.safe_text import shown

    if row["reason"] == "other_encoding" and row["source"] in contract.sources:
        wrong = connect_schema.differing(contract.sources[row["source"]], row["value"])
        return shown("; ".join(f"{name} is {told}, in the contract {kind}" for name, told, kind in wrong)) or None
    heads = {header["value"] for header in row.get("headers") or () if header["key"] == HEADER}
    if row["reason"] not in FORMATS["avro"].reasons or not heads - {None}:
        return None
    return f"its schema is named in the header {HEADER}: {' and '.join(sorted(map(spelled_head, heads - {None})))}"


def _show(document: QuarantineDocument, console: Console) -> None:
    from plumbline.contract.admission import REASONS
    from plumbline.reconcile.format import moment

    for source, reasons in document["counts"].items():
        console.print(f"{source}: {sum(reasons.values()):,} in quarantine")
        for reason, count in reasons.items():
            console.print(f"  {count:>9,}  {reason}: {REASONS.get(reason, 'not a reason of this version')}")
    if document["newest"]:
        console.print("\nnewest:")
    for one in document["newest"]:
        place = f"{one['topic']} partition {spelled(one['partition'])} offset {one['offset']}"
        when = moment(one["record_time"]) if one["record_time"] else "at no known time"
        console.print(f"  {when}  {place}  {one['reason']}")
        console.print(f"    {'no value' if one['value'] is None else one['value']}")
        if one["hint"]:
            console.print(f"    {one['hint']}")
