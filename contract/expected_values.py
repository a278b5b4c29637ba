"""The values and bounds of a contract's expectations fit the columns that they are of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

Value = str | int | float | bool
_FAMILIES = {"string": "text", "boolean": "boolean"} | dict.fromkeys(("int", "long", "float", "double"), "number")
_QUOTED = "YAML reads NO, yes, on and 1 as other than text; write texts in quotes: ['NO', '1']"


def family(value: Value) -> str:
    """text, boolean or number."""
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def misfit(contract: Contract) -> tuple[tuple[str | int, ...], str] | None:
    """The place of the first value or bound that no row can be held to, and why; None where all fit."""
    declared = _declared(contract)
    for name, (low, high) in contract.expectations.between.items():
        found = declared.get(name, "number")
        if found != "number":
            return ("between", name), f"{name!r} is {found}, and only numbers have bounds"
        if low is None and high is None:
            return ("between", name), "[null, null] bounds nothing; give a least or a greatest value"
    if contract.expectations.stream_to_batch == (None, None):
        return ("stream_to_batch",), "[null, null] bounds nothing; give a least or a greatest value"
    for name, values in contract.expectations.in_set.items():
        told = _of_set(name, values, declared.get(name))
        if told:
            return ("in_set", name), told
    return None


def _of_set(name: str, values: Sequence[Value], declared: str | None) -> str | None:
    kinds = dict.fromkeys(map(family, values))
    listed = ", ".join(map(repr, values))
    if len(kinds) > 1:
        return f"[{listed}] mixes {' and '.join(kinds)}; {_QUOTED}"
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        return f"[{listed}] holds something that is not a number; leave it out"
    if declared and kinds and declared not in kinds:
        return f"{name!r} is {declared}, [{listed}] is {next(iter(kinds))}; " + (
            _QUOTED if declared == "text" else f"give values that are {declared}"
        )
    return None


def _declared(contract: Contract) -> dict[str, str]:
    """The families of the output columns whose type the contract says; a type without one goes by its own name."""
    found = {}
    for column in contract.output_columns:
        kind = contract.sources[column.source].fields.get(column.field or "") if column.source else None
        if kind and column.sql is None:
            found[column.name] = "number" if kind.startswith("decimal") else _FAMILIES.get(kind, kind)
    return found
