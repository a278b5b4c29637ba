"""What `plumbline check` says of an aggregate: its columns with their types, and which are compared within an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from plumbline.contract.aggregate import WINDOW_END, WINDOW_START, known_types, on_order, value_types
from plumbline.contract.aggregate_types import ORDER, spelled

if TYPE_CHECKING:
    from plumbline.contract.model import Contract
    from plumbline.document_types import CheckedAggregate, CheckedColumn

UNKNOWN = "unknown"
"""The type of a column that only Spark can tell, while there is no Spark."""


def described(contract: Contract, row_types: Mapping[str, str]) -> dict[str, Any]:
    """The parts of `output` that an aggregate has in its own way: `key`, `columns` and `aggregate`.

    `row_types` are those of the joined rows below it, as far as Spark told them; the contract says some by itself.
    """
    aggregate = contract.output.aggregate
    assert aggregate is not None
    held = known_types(contract) | dict(row_types)
    found = value_types(contract, held)
    kinds = {name: spelled(found[name]) if name in found else UNKNOWN for name in aggregate.columns}
    origins = {WINDOW_START: "the window", WINDOW_END: "the window", **aggregate.groups, **aggregate.values}
    columns: list[CheckedColumn] = [
        {"name": name, "from": origins[name], "type": "timestamp" if name in (WINDOW_START, WINDOW_END) else kind}
        for name, kind in kinds.items()
    ]
    body: CheckedAggregate = {
        "window": aggregate.model_dump(mode="json")["window"],
        "group_by": list(aggregate.groups),
        "values": dict(aggregate.values),
        "within_error": on_order(contract, held),
    }
    return {"key": list(aggregate.key), "columns": columns, "aggregate": body}


def lines(output: Mapping[str, Any]) -> Iterator[str]:
    """The columns of an aggregate as a page shows them."""
    yield f"  windows of {output['aggregate']['window']} over the joined rows; empty ones have no row"
    for column in output["columns"]:
        yield f"  {column['name']:<24} {column['type']:<14} {' '.join(column['from'].split())}"
    if output["aggregate"]["within_error"]:
        yield f"  {', '.join(output['aggregate']['within_error'])}: {ORDER}"
