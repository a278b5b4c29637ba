"""Which stateful operators a query has, from what Spark notes of them beside their state. Pure but for its readers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

Numbers = Callable[[str], Sequence[int]]
"""Folder of the checkpoint to the numbers that name what it holds, ascending."""
Text = Callable[[str], str | None]
"""File of the checkpoint to its text; None where it is not there."""


def operators_of(numbers: Numbers, text: Text) -> tuple[str, ...] | None:
    """The names of a query's stateful operators by their number; None where it has not noted all of them.

    Spark notes them all before it commits a first batch (`IncrementalExecution`), and does not go on from a checkpoint
    with others. The folders of an operator's own partitions and stores do not count.
    """
    known = numbers("state")
    found = [name for name in (_operator(number, numbers, text) for number in known) if name is not None]
    return tuple(found) if found and list(known) == list(range(len(found))) else None


def _operator(number: int, numbers: Numbers, text: Text) -> str | None:
    """The name that `OperatorStateMetadata` (its version 1, or the newest of version 2) gives an operator."""
    folder = f"state/{number}/_metadata"
    names = ["metadata", *(f"v2/{batch}" for batch in reversed(numbers(f"{folder}/v2")))]
    noted = next(filter(None, (text(f"{folder}/{name}") for name in names)), "")
    try:
        told = json.loads(noted.partition("\n")[2])["operatorInfo"]
        return str(told["operatorName"]) if told["operatorId"] == number else None
    except (ValueError, KeyError, TypeError):
        return None
