"""A source's `reduce`: of its events that are of one window and equal in the columns `by`, one enters the join.

Windows are tumbling ones of the source's event time, counted from 1970 in UTC. The event that is taken is the newest or
the oldest by event time; of two of one time the one with the greater (`first`: the smaller) event id, or, where the
source has none, the one that stands later (earlier) in its topic: by partition, then offset. For the join it has the
last microsecond of its window as event time: Spark's watermark goes through an aggregation with the window only.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from plumbline.contract.consistency import PartError, beside_plain_rows
from plumbline.contract.debezium import SOURCE_TIME
from plumbline.contract.durations import milliseconds
from plumbline.contract.errors import UsageError
from plumbline.contract.kinds import Duration, Name
from plumbline.contract.lineage import RIGHT_EVENT_TIME
from plumbline.contract.yaml_lines import Path

if TYPE_CHECKING:
    from plumbline.contract.model import Contract, Source

NOT_BUILT = "a contract with a source that has reduce is not built yet for this command"
INSTEAD = (
    "`plumbline stream run CONTRACT` and `plumbline batch run CONTRACT` write it, `plumbline reconcile CONTRACT` "
    "compares it; see docs/reduce.md"
)
PLACE = "_right_place"
"""The column of the joined rows beside the batch table that says at which place the right event stands among those of
its window and key; the first is taken. NULL without a right event."""
_ORDERED = ("string", "int", "long")
"""Types of an event id by whose order Spark and DuckDB agree."""
_UNEVEN = ("float", "double", "binary")
"""Types of which equal values may differ in their bytes, or that no archive spells as they are."""


class Reduce(BaseModel):
    """Many events of a source become one, before the join."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: list[Name] = Field(min_length=1, description="what the events that become one have in common: the join columns")
    every: Duration = Field(description="length of the windows of event time, counted from 1970 in UTC")
    take: Literal["last", "first"] = Field(description="which of them enters the join, by event time")

    @property
    def every_us(self) -> int:
        """The length of the windows in microseconds."""
        return milliseconds(self.every) * 1000


def window_end_sql(us: str, reduce: Reduce) -> str:
    """DuckDB's SQL of the end (us) of the window that holds a moment `us` (SQL, BIGINT), before 1970 too."""
    every = reduce.every_us
    return f"({us} - ({us} % {every} + {every}) % {every} + {every})"


def window_end_us(us: int, reduce: Reduce) -> int:
    """The end (us) of the window that holds a moment (us)."""
    return (us // reduce.every_us + 1) * reduce.every_us


def place_of(contract: Contract) -> Path:
    """Where the contract says so."""
    return next(("sources", name, "reduce") for name, source in contract.sources.items() if source.reduce is not None)


def refuse_reduce(contract: Contract) -> None:
    """Raise UsageError for a contract that reduces a source, from what takes each event for one of the join."""
    if contract.reduces:
        raise UsageError(NOT_BUILT, where=contract.place(place_of(contract)), next_step=INSTEAD)


def check_reduce(contract: Contract) -> None:
    """Raise PartError where a `reduce` does not fit the other parts, or asks for what is not built."""
    for name, source in contract.sources.items():
        if source.reduce is not None:
            _check_block(("sources", name, "reduce"), source, source.reduce)
            _check_side(contract, name)
            _refuse_unbuilt(contract)
            _check_by(contract, name, source.reduce)
            _check_id(("sources", name, "event_id"), source)
            _check_states(("sources", name), source, source.reduce)
            _check_names(contract)


def _check_block(path: Path, source: Source, reduce: Reduce) -> None:
    if reduce.every <= timedelta(0):
        raise PartError((*path, "every"), "a window is longer than zero. Next: write it as '10 minutes' or '1 day'")
    for i, name in enumerate(reduce.by):
        if name in reduce.by[:i]:
            raise PartError((*path, "by", i), f"{name!r} is named twice; keep one")
        kind = source.fields.get(name)
        if kind is None:
            raise PartError((*path, "by", i), f"{name!r} is not among the fields ({', '.join(source.fields)})")
        if kind in _UNEVEN:
            told = f"{name!r} is a {kind}, by which events are not told apart alike everywhere"
            raise PartError((*path, "by", i), f"{told}. Next: join by a string or a number that is whole or a decimal")


def _check_side(contract: Contract, name: str) -> None:
    if name == contract.join.left:
        told = f"reduce is built for the right source of the join, and {name} is the left one"
        step = f"Next: write join.left: {contract.join.right} and join.right: {name}, or leave reduce out"
        raise PartError(("sources", name, "reduce"), f"{told}. {step}")
    if contract.join.keeps_right:
        told = f"a {contract.join.kind} join gives rows for unmatched events, and is not built with reduce"
        raise PartError(("join", "kind"), f"{told}. Next: write inner or left_outer, or leave reduce out")


def _refuse_unbuilt(contract: Contract) -> None:
    for path in beside_plain_rows(contract):
        raise PartError(path, "not built beside a source's reduce yet. Next: remove one of the two")


def _check_by(contract: Contract, name: str, reduce: Reduce) -> None:
    """The columns `by` are those of the join: then a left event and a window say which events became one."""
    joined = contract.key_columns(name)
    if set(reduce.by) != set(joined):
        told = f"reduce is built by the join columns of {name} ({', '.join(joined)})"
        step = f"Next: write by: [{', '.join(joined)}], or change join.on"
        raise PartError(("sources", name, "reduce", "by"), f"{told}. {step}")


def _check_id(path: Path, source: Source) -> None:
    if source.event_id is not None and source.fields[source.event_id] not in _ORDERED:
        told = f"{source.event_id!r} is a {source.fields[source.event_id]}, by which reduce cannot order two events"
        raise PartError(path, f"{told} of one time. Next: name a string, int or long")


def _check_states(path: Path, source: Source, reduce: Reduce) -> None:
    """An update has the id of its row: as a further delivery of the insert it would not count."""
    if source.format != "debezium" or reduce.take != "last":
        return
    if source.event_id is not None:
        told = f"by {source.event_id!r} an update of a row would count as another delivery of it, and be left out"
        step = "Next: remove event_id: of what a snapshot repeats, take: last takes one"
        raise PartError((*path, "event_id"), f"{told}. {step}")
    if source.fields.get(SOURCE_TIME, "timestamp_millis") != "timestamp_millis":
        told = f"{SOURCE_TIME} is the envelope's time of the change, a number of milliseconds"
        raise PartError((*path, "fields", SOURCE_TIME), f"{told}. Next: write timestamp_millis")
    if SOURCE_TIME in source.aliases:
        told = f"{SOURCE_TIME} is no column of the row, and had no other name"
        raise PartError((*path, "aliases", SOURCE_TIME), f"{told}. Next: remove its aliases")


def _check_names(contract: Contract) -> None:
    for i, item in enumerate(contract.output.columns):
        for name in item if isinstance(item, dict) else [item.partition(".")[2]]:
            if name.lower() in (RIGHT_EVENT_TIME, PLACE):
                told = f"{name!r} is a column that tables of a reduced source have of their own"
                raise PartError(("output", "columns", i), f"{told}. Next: choose another name")
