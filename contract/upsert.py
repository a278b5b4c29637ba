"""The contract's `output.mode: upsert`: the tables hold the newest row per key, in place of all rows.

A row of the join takes the place of an older one of the same key and event time. Newer is what has the later right
event time; a row without a right side is older than any other. Of two right events of one time the one with the greater
event id is newer, or, where the right source has none, the one that stands later in its topic: by partition, then
offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.consistency import PartError, beside_plain_rows, resolve_columns
from plumbline.contract.errors import UsageError
from plumbline.contract.lineage import EVENT_TIME, RIGHT_EVENT_TIME, RIGHT_OFFSET, RIGHT_PARTITION
from plumbline.contract.yaml_lines import Path

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

MODE: Path = ("output", "mode")
NOT_BUILT = "a contract with output.mode: upsert is not built yet for this command"
INSTEAD = (
    "`plumbline stream run CONTRACT` and `plumbline batch run CONTRACT` write it, `plumbline reconcile CONTRACT` "
    "compares it; see docs/upserts.md"
)
_ORDERED = ("string", "int", "long")
"""Types of an event id by whose order Spark and DuckDB agree."""


def refuse_upsert(contract: Contract) -> None:
    """Raise UsageError for a contract whose rows are updated, from what takes all rows for what the join made."""
    if contract.output.is_upsert:
        raise UsageError(NOT_BUILT, where=contract.place(MODE), next_step=INSTEAD)


def state_columns(contract: Contract) -> tuple[str, ...]:
    """The columns of which each combination has one row: the key, and the event time of the left event."""
    return (*contract.output.key, EVENT_TIME)


def newness(contract: Contract) -> tuple[str, ...]:
    """The columns by which a row is newer than another of its key, the first that differs decides; NULL is oldest."""
    id = _event_id_column(contract)
    return (RIGHT_EVENT_TIME, id) if id else (RIGHT_EVENT_TIME, RIGHT_PARTITION, RIGHT_OFFSET)


def check_upsert(contract: Contract) -> None:
    """Raise PartError where the mode does not fit the other parts, or asks for what is not built."""
    if not contract.output.is_upsert:
        return
    _refuse_unbuilt(contract)
    _check_key(contract)
    _check_right(contract)


def _refuse_unbuilt(contract: Contract) -> None:
    if contract.join.keeps_right:
        why = "a row without a left event has no event time of its own key"
        step = "Next: write left_outer or inner, or mode: append"
        raise PartError(("join", "kind"), f"a {contract.join.kind} join cannot be upserted: {why}. {step}")
    for path in beside_plain_rows(contract):
        if path != MODE:
            raise PartError(path, "not built for output.mode: upsert yet. Next: remove one of the two")


def _check_key(contract: Contract) -> None:
    """The key is one of left events: then all of its rows have one event time, and ranges do not touch each other."""
    left, id = contract.join.left, contract.left.event_id
    if id is None:
        told = f"output.mode: upsert needs to know which events of {left} are one"
        raise PartError(("sources", left), f"{told}. Next: name its event_id, and have it in output.key")
    key = [column for column in resolve_columns(contract) if column.name in contract.output.key]
    for column in key:
        if column.source != left:
            told = f"{column.name!r} is not a field of {left}; a row of another key would not take its place"
            raise PartError(("output", "key"), f"{told}. Next: name fields of {left} in the key of output.mode: upsert")
    if id not in {column.field for column in key}:
        told = f"lacks {id!r}, the event_id of {left}: rows of one key would have several event times"
        raise PartError(("output", "key"), f"{told}. Next: add {id!r}, or write mode: append")


def _check_right(contract: Contract) -> None:
    """What decides between two right events of one time must be in the table."""
    right, id = contract.join.right, contract.right.event_id
    for i, item in enumerate(contract.output.columns):
        for name in item if isinstance(item, dict) else [item.partition(".")[2]]:
            if name.lower() == RIGHT_EVENT_TIME:
                told = f"{name!r} is a column that output.mode: upsert has of its own. Next: choose another name"
                raise PartError(("output", "columns", i), told)
    if id is None:
        return
    if contract.right.fields[id] not in _ORDERED:
        told = f"{right}.{id} is a {contract.right.fields[id]}, by which output.mode: upsert cannot order two events"
        raise PartError(("sources", right, "event_id"), f"{told} of one time. Next: name a string, int or long")
    if _event_id_column(contract) is None:
        told = f"output.mode: upsert orders two events of {right} of one time by their event_id, which no column has"
        raise PartError(("output", "columns"), f"{told}. Next: add {right}.{id}")


def _event_id_column(contract: Contract) -> str | None:
    """The output column that is the right source's event id."""
    right = contract.join.right
    for column in resolve_columns(contract):
        if column.source == right and column.field is not None and column.field == contract.right.event_id:
            return column.name
    return None
