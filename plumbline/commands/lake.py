"""`plumbline lake`: where the tables are, for tools that are not ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.next_steps import note_contract
from plumbline.options import home_option, json_option
from plumbline.output import emit

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.connect.document_types import LakeDocument


@click.command(short_help="Show where the tables are and how other tools open them.")
@click.argument(
    "contract_path", metavar="[CONTRACT]", required=False, type=click.Path(path_type=Path), callback=note_contract
)
@home_option
@json_option
def lake(contract_path: Path | None, home: Home, as_json: bool) -> None:
    """Show where the tables are and how PyIceberg, Spark and DuckDB open them; secrets are masked.

    With a contract: the catalog that its `catalog:` block names, else the local one.

    \b
    Examples:
      plumbline lake
      plumbline lake flights.yaml --json
    """
    from plumbline.connect.lake import Lake
    from plumbline.contract.loader import load

    block = load(contract_path, aggregates=True, upserts=True, reduced=True).catalog if contract_path else None
    document = Lake.open(home, block).describe()
    emit(document, as_json, lambda console: _show(document, console))


def _show(document: LakeDocument, console: Console) -> None:
    for part in ("pyiceberg", "spark"):
        console.print(part)
        for key, value in document[part].items():
            console.print(f"  {key}={value}")
    console.print("tables (newest metadata file, for DuckDB's iceberg_scan)")
    tables = document["duckdb"]["metadata"]
    for name, metadata in tables.items():
        console.print(f"  {name:<28} {metadata}")
    if not tables:
        console.print("  none yet")
