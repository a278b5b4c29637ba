"""The two sources of a draft: what their archives tell of fields and times, and what is left to fill in. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from plumbline.contract.fields import is_decimal
from plumbline.contract.kinds import NAME
from plumbline.contract.lineage import RESERVED
from plumbline.contract.unfilled import FILL_IN
from plumbline.draft.lines import Line, listed, remark, spelled
from plumbline.draft.samples import Sample, behind, outward, spelled_span
from plumbline.draft.seen import TIMES, Seen

SAME_TYPE = ("string", "boolean", "int", "long", "float", "double", "date", "binary")


@dataclass(frozen=True)
class Side:
    """One side of the join as it was named: its source's name, topic and archive, the latter two if they were told.

    `sample` are some of the topic's records, where they were looked at."""

    name: str
    topic: str | None
    archive: Seen | None
    sample: Sample | None = None

    @property
    def decoded(self) -> Seen | None:
        """The archive, if its columns are the fields: another tool wrote it."""
        return None if self.archive is None or self.archive.of_our_archiver else self.archive

    @property
    def fields(self) -> dict[str, str]:
        """Field to its type, of what the archive's columns tell, else the sample of the topic."""
        if self.decoded is None:
            return self.sample.fields if self.sample else {}
        placed = (self.decoded.places or {}).values()
        columns = {name: kind for name, kind in self.decoded.columns.items() if name not in placed}
        return {name: kind for name, kind in typed(columns).items() if kind is not None}


def named_sides(
    topics: tuple[str | None, str | None],
    archives: tuple[Seen | None, Seen | None],
    samples: Mapping[str, Sample] | None = None,
) -> tuple[Side, Side]:
    """The left side and the right one, called as the last part of archive or topic; left and right where that is no
    name or one name."""
    pairs = tuple(zip(topics, archives, strict=True))
    names = [re.sub(r"\W", "_", ((seen.name if seen else None) or topic or "").split(".")[-1]) for topic, seen in pairs]
    if names[0].lower() == names[1].lower() or not all(_nameable(name) for name in names):
        names = ["left", "right"]
    known = samples or {}
    left, right = (Side(name, *told, known.get(told[0] or "")) for name, told in zip(names, pairs, strict=True))
    return left, right


def typed(columns: Mapping[str, str]) -> dict[str, str | None]:
    """Each column that a contract can name to the field type that holds it, None where there is none. Of names that
    differ in case only the first counts."""
    found: dict[str, str | None] = {}
    for name, kind in columns.items():
        if _nameable(name) and name.lower() not in map(str.lower, found):
            found[name] = field_type(kind)
    return found


def _nameable(name: str) -> bool:
    return re.match(NAME, name) is not None and name.lower() not in RESERVED and name != FILL_IN


def field_type(iceberg: str) -> str | None:
    """The contract's type for an Iceberg type; None where it has none, as for lists and structs."""
    if iceberg in TIMES:
        return "timestamp"
    return iceberg if iceberg in SAME_TYPE or is_decimal(iceberg) else None


def source_lines(side: Side, role: str, new_archive: str | None) -> Iterator[Line]:
    """The source's block. `new_archive`: the name of a table that is not there yet."""
    yield Line(f"  {spelled(side.name)}:", f"the {role} side; your name for it")
    topic = FILL_IN if side.topic is None else spelled(side.topic)
    yield Line(f"    topic: {topic}", "" if side.topic else f"the Kafka topic of {side.name}")
    yield _format(side.sample, role)
    yield from _field_lines(side)
    yield _event_time(side, "    event_time")
    yield from _watermark(side)
    if side.archive is not None:
        yield Line(f"    archive: {side.archive.name}")
    elif new_archive is not None:
        yield Line(f"    archive: {new_archive}", "a new table: `plumbline archive run` writes it")
    else:
        yield Line(
            f"    archive: {FILL_IN}", f"a new table for `plumbline archive run`; raw.{side.name} is there already"
        )
    if side.decoded is not None:
        yield from _place_lines(side, side.decoded)


def _format(sample: Sample | None, role: str) -> Line:
    if sample is None or sample.format == "json":
        return Line("    format: json", "assumed; or avro, with a schema_registry: block")
    changes = f"; {sample.changes} updates or deletes among them would not enter" if sample.changes else ""
    if sample.updates and role == "right":
        changes += f"; with reduce {sample.updates} of them, updates, would: docs/reduce.md"
    return Line(f"    format: {sample.format}", f"the records are its envelopes{changes}")


def _field_lines(side: Side) -> Iterator[Line]:
    fields, decoded = side.fields, side.decoded
    if decoded is None and side.sample and fields:
        yield from _sampled_fields(side.sample)
        return
    if decoded is None or not fields:
        none = f"; none of {side.sample.others} records looked at is a JSON object" if side.sample else ""
        yield Line("    fields:", f"those of the events that join and output need{none}")
        yield Line(f"      {FILL_IN}: string", "a line for each field: its name, its type")
        return
    yield Line("    fields:", f"as {decoded.name} has them")
    for name, kind in fields.items():
        number = "timestamp_millis or timestamp_micros, if the events have a number" if kind == "timestamp" else ""
        yield Line(f"      {spelled(name)}: {kind}", number)
    placed = (decoded.places or {}).values()
    for name, kind in decoded.columns.items():
        if name not in fields and name not in placed:
            yield remark(6, f"left out: {name}, {kind}")


def _sampled_fields(sample: Sample) -> Iterator[Line]:
    read = f"as {len(sample.events)} records of {sample.topic} have them"
    yield Line("    fields:", f"{read}; {sample.others} more are no JSON objects" if sample.others else read)
    for name, kind in sample.fields.items():
        yield Line(f"      {spelled(name)}: {kind}")
    if sample.format == "debezium" and not sample.told:
        yield remark(6, "without a schema: numbers may be times or days, texts decimals. docs/contract.md tells which")
    if sample.left_out:
        yield remark(6, f"left out, of several types or of one that a contract has not: {listed(sample.left_out)}")


def _watermark(side: Side) -> Iterator[Line]:
    yield Line(f"    watermark: {FILL_IN}", f"the lateness of {side.name} that your job tolerates, such as 10 minutes")
    if side.sample and len(side.sample.times) == 1:
        late = spelled_span(outward(behind(side.sample, side.sample.times[0]), up=True))
        read = f"in {len(side.sample.events)} records of {side.sample.topic}"
        yield remark(4, f"  {read} none came more than {late} behind the newest of its partition")


def _event_time(side: Side, key: str) -> Line:
    if side.decoded is None and side.sample and len(side.sample.times) == 1:
        return Line(f"{key}: {spelled(side.sample.times[0])}", f"the only time in the records of {side.topic}")
    times = side.sample.times if side.sample else []
    if side.decoded:
        times = [name for name in side.decoded.times if name in side.fields]
    if side.decoded and len(times) == 1 == len(side.decoded.times):
        return Line(f"{key}: {spelled(times[0])}", f"the only timestamp of {side.decoded.name}")
    told = f": {listed(times, 'or')}" if times else ", a timestamp"
    return Line(f"{key}: {FILL_IN}", f"the field that says when the event happened{told}")


def _place_lines(side: Side, decoded: Seen) -> Iterator[Line]:
    by_names = "; these have the usual names" if decoded.places else ""
    yield Line("    archive_columns:", f"another tool writes the archive{by_names}")
    for place in ("topic", "partition", "offset", "timestamp"):
        column = (decoded.places or {}).get(place)
        if column is not None:
            yield Line(f"      {place}: {spelled(column)}")
        elif place in ("partition", "offset"):
            yield Line(f"      {place}: {FILL_IN}", f"column with the record's Kafka {place}, a whole number")
    yield _event_time(side, "      event_time")
