"""What a sample of a topic's records tells of a contract: fields and types, times, disorder, pairs. Pure."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from plumbline.contract.connect_schema import types_of
from plumbline.contract.debezium import ADDED, ENVELOPE, op_of
from plumbline.contract.fields import TIMESTAMPS
from plumbline.contract.kinds import NAME
from plumbline.contract.lineage import RESERVED
from plumbline.contract.ranges import from_micros

_YEARS_US = 60_000_000_000_000_000
"""Some 1,900 years."""
Place = tuple[int, int]
"""Partition and offset."""
Pair = tuple[str, str]
"""A field of the left events and one of the right ones."""


@dataclass(frozen=True)
class Sample:
    """Some records of a topic that are JSON objects, by place, in order of their offsets; `others` are no objects.

    Of Debezium's envelopes (`format`) the rows that were added; `changes` are the other envelopes, `updates` those of
    them with the row after an update, and `told` the types that their own schema says.
    """

    topic: str
    events: Mapping[Place, Mapping[str, Any]]
    others: int = 0
    format: str = "json"
    changes: int = 0
    told: Mapping[str, str | None] = field(default_factory=dict)
    updates: int = 0

    @property
    def fields(self) -> dict[str, str]:
        """Each field that a contract can name to the one type that all its values have. Those with two, or with one
        that no contract has, are left out."""
        return {name: kind for name, kind in self._kinds().items() if kind is not None}

    @property
    def left_out(self) -> list[str]:
        """The other fields."""
        return [name for name, kind in self._kinds().items() if kind is None]

    @property
    def times(self) -> list[str]:
        return [name for name, kind in self.fields.items() if kind in TIMESTAMPS]

    def moments(self, field: str) -> dict[Place, datetime]:
        """The time of each event that has one in this field."""
        per_second = {"timestamp_millis": 1_000, "timestamp_micros": 1_000_000}.get(self.fields.get(field, ""))
        found = ((place, moment(event.get(field), per_second)) for place, event in self.events.items())
        return {place: at for place, at in found if at is not None}

    def _kinds(self) -> dict[str, str | None]:
        values: dict[str, list[Any]] = defaultdict(list)
        for event in self.events.values():
            for name, value in event.items():
                values[name].append(value)
        return {name: _kind(name, held, self.told) for name, held in values.items()}


def sample_of(topic: str, records: Iterable[tuple[int, int, bytes | None]]) -> Sample:
    """The sample of some records: partition, offset, value."""
    events: dict[Place, Mapping[str, Any]] = {}
    others = 0
    for partition, offset, value in sorted(records, key=lambda one: one[:2]):
        event = _object(value)
        if event is None:
            others += 1
        else:
            events[partition, offset] = event
    ops = {place: op for place, event in events.items() if (op := op_of(event))}
    if 2 * len(ops) <= len(events):
        return Sample(topic, events, others)
    rows = {place: ENVELOPE.fields(events[place]) for place, op in ops.items() if op in ADDED}
    told = types_of(events[max(ops, key=lambda place: place[1])])
    changes = len(ops) - len(rows)
    updates = list(ops.values()).count("u")
    return Sample(topic, rows, others + len(events) - len(ops), "debezium", changes, told, updates)


def behind(sample: Sample, field: str) -> timedelta:
    """How far an event came behind the newest time before it in its partition, at most."""
    newest: dict[int, datetime] = {}
    most = timedelta()
    for (partition, _), at in sample.moments(field).items():
        newest[partition] = max(newest.get(partition, at), at)
        most = max(most, newest[partition] - at)
    return most


def shared(left: Sample, right: Sample) -> dict[Pair, int]:
    """Fields of one type by which events of both samples have equal values, to how many left events. Numbers that are
    equal say something where both fields have one name only."""
    found = {}
    for name, kind in left.fields.items():
        for other, its in right.fields.items():
            if its == kind and (kind == "string" or (name == other and kind in ("long", "boolean"))):
                theirs = {event.get(other) for event in right.events.values()} - {None}
                found[name, other] = sum(event.get(name) in theirs for event in left.events.values())
    most = sorted(found.items(), key=lambda one: (-one[1], one[0][0] != one[0][1]))
    return {pair: number for pair, number in most if number}


def apart(left: Sample, right: Sample, on: Pair, times: Pair) -> tuple[int, timedelta, timedelta] | None:
    """Of the pairs with equal values in `on`: how many, and the least and greatest of right time minus left."""
    spans = sorted(_spans(left, right, on, times))
    return (len(spans), spans[0], spans[-1]) if spans else None


def _spans(left: Sample, right: Sample, on: Pair, times: Pair) -> Iterator[timedelta]:
    lefts, rights = left.moments(times[0]), right.moments(times[1])
    by_value: dict[Any, list[datetime]] = defaultdict(list)
    for place, at in rights.items():
        by_value[right.events[place].get(on[1])].append(at)
    for place, at in lefts.items():
        value = left.events[place].get(on[0])
        if value is not None:
            yield from (other - at for other in by_value[value])


def _object(value: bytes | None) -> Mapping[str, Any] | None:
    try:
        event = json.loads(value or b"")
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _kind(name: str, values: Sequence[Any], told: Mapping[str, str | None]) -> str | None:
    """The type that the schema says, or the one type of a contract that all values have but the absent ones; whole
    numbers are numbers too."""
    kinds = {_kind_of(value) for value in values if value is not None}
    if re.match(NAME, name) is None or name.lower() in RESERVED:
        return None
    if name in told:
        return told[name]
    for several, one in (({"long", "double"}, "double"), ({"timestamp", "string"}, "string")):
        kinds = {one} if kinds == several else kinds
    return kinds.pop() if len(kinds) == 1 else None


def _kind_of(value: Any) -> str | None:
    if isinstance(value, str):
        return "string" if moment(value) is None else "timestamp"
    return {bool: "boolean", int: "long", float: "double"}.get(type(value))


def moment(value: Any, per_second: int | None = None) -> datetime | None:
    """A time as ISO 8601 spells it, with a date and a time of day; without a zone it is UTC. None for another value.
    With `per_second`: a whole number since 1970."""
    if per_second and isinstance(value, int):
        us = value * (1_000_000 // per_second)
        return from_micros(us) if abs(us) < _YEARS_US else None
    if not isinstance(value, str) or "T" not in value.replace(" ", "T", 1):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def outward(span: timedelta, *, up: bool) -> timedelta:
    """The span as a bound that a reader can take in: in whole minutes from ten minutes on, in whole seconds from ten
    seconds on, rounded up or down."""
    for grain in (timedelta(minutes=1), timedelta(seconds=1)):
        if abs(span) >= 10 * grain:
            return (-(-span // grain) if up else span // grain) * grain
    return span


def spelled_span(span: timedelta) -> str:
    """A span for a reader, in the largest unit that divides its milliseconds."""
    ms = abs(span) // timedelta(milliseconds=1)
    sign = "-" if span < timedelta() else ""
    for unit, size in (("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000)):
        if ms and ms % size == 0:
            return f"{sign}{ms // size} {unit}"
    return f"{sign}{ms} ms"
