"""A whole contract, drafted from what the tables of a team's own job tell. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from plumbline.contract.errors import UsageError
from plumbline.contract.lineage import EVENT_TIME, LINEAGE
from plumbline.contract.safe_text import shown
from plumbline.contract.unfilled import FILL_IN
from plumbline.draft.lines import Line, listed, remark, spelled
from plumbline.draft.samples import apart, outward, shared, spelled_span
from plumbline.draft.seen import Seen
from plumbline.draft.sources import Side, field_type, source_lines, typed

WHOLE = ("int", "long")


@dataclass(frozen=True)
class Told:
    """What a draft is made from. `key` and `job` are what the options say; `taken` are the tables that are there
    already, of those that the draft would name as new; `catalog` and `kafka` are as they were typed."""

    stream: Seen
    batch: Seen | None
    left: Side
    right: Side
    key: Sequence[str]
    job: str | None
    taken: Collection[str]
    catalog: Mapping[str, str]
    kafka: Mapping[str, str]


def new_tables(stream: str, sides: Sequence[Side]) -> tuple[str, ...]:
    """Names for the batch table and the archives of both sides, where none are told."""
    return (f"{stream}_batch", *(f"raw.{side.name}" for side in sides))


def draft(told: Told) -> list[Line]:
    """The contract's lines. Raises UsageError for a key column that the tables do not have."""
    _refuse_wrong_key(told)
    batch, *archives = (None if name in told.taken else name for name in new_tables(told.stream.name, _sides(told)))
    return [
        remark(0, f"Drafted from {told.stream.name}. {FILL_IN} stands where only you know what belongs there;"),
        remark(
            0, "`plumbline check` names those lines. The rest comes from the tables' schemas, from options and from the"
        ),
        remark(0, "topics' records, if they were looked at: look it over. docs/contract.md explains each key."),
        Line(),
        _name(told.stream),
        Line(),
        *_job_lines(told),
        Line(),
        Line("sources:"),
        *source_lines(told.left, "left", archives[0]),
        *source_lines(told.right, "right", archives[1]),
        Line(),
        *_join_lines(told),
        Line(),
        *_output_lines(told, batch),
        Line(),
        *_door_lines(told),
    ]


def _sides(told: Told) -> tuple[Side, Side]:
    return told.left, told.right


def _refuse_wrong_key(told: Told) -> None:
    for table in (told.stream, told.batch):
        for name in told.key:
            if table is None or name in _comparable(table):
                continue
            near = difflib.get_close_matches(name, _comparable(table), 1, 0.5)
            raise UsageError(
                f"--key {shown(name)}: {table.name} has no such column that a contract can name",
                next_step=f"did you mean {near[0]}?" if near else f"use one of {listed(_comparable(table), 'or')}",
            )


def _comparable(table: Seen) -> list[str]:
    return [name for name in typed(table.columns) if name.lower() not in LINEAGE]


def _name(stream: Seen) -> Line:
    name = re.sub(r"^[_0-9]+", "", stream.name.split(".")[-1].lower())
    return Line(f"contract: {spelled(name) if name else FILL_IN}", "its name in the records of runs; in lower case")


def _job_lines(told: Told) -> Iterator[Line]:
    yield Line("job:", "your own: no command starts it, or writes its table unasked")
    kind, engine = told.job, told.stream.engine
    why = "" if kind else "the commits of its table say so" if engine else "spark, flink or other"
    yield Line(f"  kind: {kind or engine or FILL_IN}", why)
    if EVENT_TIME not in told.stream.columns:
        yield _event_time(told.stream, "the left event's time")
    if (kind or engine) == "spark":
        yield Line("  # checkpoint: s3a://jobs/take/ck", "where it lies, for `plumbline observe`: late rows are proven")
    whole = [name for name in _comparable(told.stream) if told.stream.columns[name] in WHOLE]
    hint = f"the whole numbers are {listed(whole)}" if whole else ""
    if not set(LINEAGE) & set(told.stream.columns):
        yield Line("  # lineage:", "if each row says which records it was made from: causes are named by it")
        yield Line("  #   left: {partition: COLUMN, offset: COLUMN}", hint)
        yield Line("  #   right: {partition: COLUMN, offset: COLUMN}")
    yield Line("  # dropped: ops.dropped", "a table in which it notes what it drops, if it does")


def _event_time(table: Seen, what: str) -> Line:
    times = [name for name in table.times if name in _comparable(table)]
    if len(times) == 1 == len(table.times):
        return Line(f"  event_time: {spelled(times[0])}", f"the only timestamp of {table.name}; must be {what}")
    told = f" ({listed(times, 'or')})" if times else ""
    return Line(f"  event_time: {FILL_IN}", f"the column of {table.name} with {what}{told}; or delete the line")


def _join_lines(told: Told) -> Iterator[Line]:
    left, right = (side.fields for side in _sides(told))
    both = [name for name, kind in left.items() if right.get(name) == kind]
    yield Line("join:")
    yield Line(f"  left: {spelled(told.left.name)}", "the side whose event time the rows have")
    yield Line(f"  right: {spelled(told.right.name)}")
    yield Line(f"  kind: {FILL_IN}", "inner, left_outer, right_outer or full_outer, as your job joins")
    known = f"; in both: {listed(both)}" if both else ""
    yield Line(f"  on: [{FILL_IN}]", f"fields that must be equal: name, or {{left name: right name}}{known}")
    yield from _joined_samples(told)
    yield Line(f"  within: {FILL_IN}", "right event time minus left, both ends included: [0 minutes, 1 hour]")


def _joined_samples(told: Told) -> Iterator[Line]:
    """By which field the samples of both topics meet, and how far apart."""
    left, right = told.left.sample, told.right.sample
    if left is None or right is None:
        return
    for on, events in list(shared(left, right).items())[:3]:
        of = f"{events} of {len(left.events)} sampled {told.left.name}"
        same = on[0] == on[1]
        where = f"{on[0]}: {of} have its value" if same else f"{{{on[0]}: {on[1]}}}: {of} have their {on[0]} as {on[1]}"
        yield remark(2, f"{where} in {told.right.name}")
        if len(left.times) == len(right.times) == 1:
            found = apart(left, right, on, (left.times[0], right.times[0]))
            if found is not None:
                pairs, least, most = found
                span = f"{spelled_span(outward(least, up=False))} to {spelled_span(outward(most, up=True))}"
                yield remark(2, f"  their {pairs} pairs lie {span} apart")


def _output_lines(told: Told, new_batch: str | None) -> Iterator[Line]:
    key = ", ".join(map(spelled, told.key)) or FILL_IN
    yield Line("output:")
    yield Line(f"  key: [{key}]", "what identifies a row" if told.key else "the columns that identify a row")
    yield Line("  columns:", f"of {told.stream.name}; leave out lineage")
    lines = [_column(told, name) for name in _comparable(told.stream)]
    yield from (
        lines
        if any(not line.text.lstrip().startswith("#") for line in lines)
        else [*lines, Line(f"    - {FILL_IN}", "source.field")]
    )
    for name, kind in told.stream.columns.items():
        if name not in _comparable(told.stream) and name.lower() not in LINEAGE:
            yield remark(4, f"left out, a contract cannot name it: {name}, {kind}")
    yield Line(f"  stream_table: {told.stream.name}")
    yield _batch_line(told, new_batch)
    if told.batch is not None and EVENT_TIME not in told.batch.columns:
        yield _event_time(told.batch, "the rows' event time")


def _column(told: Told, name: str) -> Line:
    """A compared column with its origin: the one source that has a field of its name and type."""
    kind = told.stream.columns[name]
    if told.batch is not None and name not in _comparable(told.batch):
        return remark(4, f"not compared, {told.batch.name} does not have it: {name}, {kind}")
    had_by = [side.name for side in _sides(told) if side.fields.get(name) == field_type(kind) is not None]
    if len(had_by) == 1 and all(side.fields for side in _sides(told)):
        return Line(f"    - {had_by[0]}.{name}")
    where = listed([f"{source}.{name}" for source in had_by], "or") if had_by else "source.field"
    more = "" if name in told.key else ", or delete the line to leave it out"
    return Line(f"    - {{{spelled(name)}: {FILL_IN}}}", f"{kind}: {where}{more}")


def _batch_line(told: Told, new_batch: str | None) -> Line:
    if told.batch is not None:
        return Line(f"  batch_table: {told.batch.name}", "your own: only read")
    if any(side.decoded for side in _sides(told)):
        what = "a table that a query of your own fills: `plumbline batch run` needs archives of Plumbline's"
        return Line(f"  batch_table: {FILL_IN}", what)
    if new_batch is None:
        there = f"{told.stream.name}_batch is there already: it, if it is the batch twin"
        return Line(f"  batch_table: {FILL_IN}", f"{there}, else a new table for `plumbline batch run`")
    return Line(f"  batch_table: {new_batch}", "a new table: `plumbline batch run` writes it")


def _door_lines(told: Told) -> Iterator[Line]:
    yield remark(0, "${NAME} is taken from the environment. Without kafka: a local broker is meant.")
    if not told.kafka:
        yield Line('# kafka: {bootstrap.servers: "${PLUMBLINE_KAFKA}"}')
    for block, properties in (("kafka", told.kafka), ("catalog", told.catalog)):
        if properties:
            yield Line(f"{block}:")
            yield from (Line(f"  {spelled(name)}: {spelled(value)}") for name, value in properties.items())
