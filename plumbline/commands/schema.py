"""`plumbline schema`: the contract's JSON Schema."""

from __future__ import annotations

import json

import click


@click.command(short_help="Print the JSON Schema of the contract file, for editors.")
def schema() -> None:
    """Print the JSON Schema of the contract file; editors complete and check a contract with it.

    The same schema is in docs/contract.schema.json.

    \b
    Examples:
      plumbline schema
      plumbline schema > contract.schema.json
    """
    from plumbline.contract.loader import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
