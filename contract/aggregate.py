"""The contract's `output.aggregate` block: numbers per window and group over the joined rows, in place of the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from plumbline.contract.aggregate_calls import Call, parse_value
from plumbline.contract.aggregate_types import PLAIN, hangs_on_order, of_field, quotient_type, result_type
from plumbline.contract.consistency import PartError, refuse_lineage, unknown
from plumbline.contract.durations import milliseconds
from plumbline.contract.errors import ContractError, UsageError
from plumbline.contract.fields import decimal_digits
from plumbline.contract.kinds import Duration, Name
from plumbline.contract.lineage import EVENT_TIME
from plumbline.contract.ranges import TimeRange, from_micros
from plumbline.contract.yaml_lines import Path

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

WINDOW_START, WINDOW_END = "window_start", "window_end"
JOINED = "joined$"
"""The column of the rows below the aggregate that says whether a row is one of the join's. The others, which only a
left outer join has, are each left event as it is where nothing matches it."""
ROWS_SNAPSHOT = "plumbline.rows.snapshot-id"
"""The property of a commit of the batch table that names the snapshot of `rows_table` that it was made from."""
BLOCK: Path = ("output", "aggregate")
NOT_BUILT = "this command works on rows; for a contract with output.aggregate it is not built yet"
INSTEAD = "`plumbline stream run CONTRACT` and `plumbline batch run CONTRACT` write it; see docs/aggregates.md"
_FIELD = re.compile(r"([A-Za-z_]\w*)\.([A-Za-z_]\w*)")
_WORD = re.compile(r"[A-Za-z_]\w*")


class Aggregate(BaseModel):
    """Numbers per window and group over the joined rows, in the place of the rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Duration = Field(description="length of the windows of the rows' event time, counted from 1970 in UTC")
    group_by: list[str | dict[Name, str]] = Field(
        default_factory=list, description="source.field, or {name: source.field}; what is computed needs `compute`"
    )
    values: dict[Name, str] = Field(min_length=1, description="column to what it holds, such as count(*)")

    @property
    def groups(self) -> dict[str, str]:
        """Group column to the `source.field` that it is."""
        named: dict[str, str] = {}
        for item in self.group_by:
            named |= item if isinstance(item, dict) else {item.partition(".")[2]: item}
        return named

    @property
    def calls(self) -> dict[str, tuple[Call, ...]]:
        """Value to the one or two calls that it is made from."""
        return {name: parse_value(text) for name, text in self.values.items()}

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name a row of both tables."""
        return (WINDOW_START, *self.groups)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of both tables, in order."""
        return (WINDOW_START, WINDOW_END, *self.groups, *self.values)


def operand(value: str, number: int) -> str:
    """The column of the joined rows that the `number`th call of a value takes. No name in a contract has a $ in it."""
    return f"{value}$of{number}"


def condition(value: str, number: int) -> str:
    """The column of the joined rows that says whether a row counts in the `number`th call of a value."""
    return f"{value}$where{number}"


def stored(column: str) -> str:
    """The name under which `rows_table` holds a column of the joined rows: Iceberg has files spell a $ as _x24."""
    return f"_{column.replace('$', '_').rstrip('_')}" if "$" in column else column


def row_columns(aggregate: Aggregate) -> dict[str, tuple[str, Path]]:
    """Column of the joined rows below the aggregate to its SQL and the place in the contract that it comes from."""
    found = {name: (sql, (*BLOCK, "group_by")) for name, sql in aggregate.groups.items()}
    for value, calls in aggregate.calls.items():
        path = (*BLOCK, "values", value)
        for number, call in enumerate(calls):
            if call.of is not None:
                found[operand(value, number)] = call.of, path
            if call.where is not None:
                found[condition(value, number)] = call.where, path
    return found


def rows_table(contract: Contract) -> str:
    """The table in which the batch reference keeps the joined rows that the batch table was made from."""
    return f"{contract.output.batch_table}_rows"


def keeps_rows(contract: Contract) -> bool:
    """Whether it does: for an aggregate, for the newest row per key, and where a source is reduced, with those of all
    its events; else all rows are in the batch table."""
    return contract.output.aggregate is not None or contract.one_for_one


def moment_column(contract: Contract) -> str:
    """The column of the output tables by which ranges and partitions are cut."""
    return EVENT_TIME if contract.output.aggregate is None else WINDOW_START


def value_types(contract: Contract, held: Mapping[str, str]) -> dict[str, str]:
    """Group and value columns with their types in Spark SQL's words, by those of the joined rows' columns.

    Raises ContractError, with the line, for a value that cannot be made from what it names. A value of which `held`
    lacks a column is left out.
    """
    aggregate = contract.output.aggregate
    assert aggregate is not None
    found = {name: held[name] for name in aggregate.groups if name in held}
    try:
        for name, kind in found.items():
            _check_group(name, kind)
        typed = {name: _value_type(aggregate, name, held) for name in aggregate.values}
    except PartError as error:
        raise ContractError(f"{'.'.join(map(str, error.path))}: {error}", where=contract.place(error.path)) from None
    return found | {name: kind for name, kind in typed.items() if kind is not None}


def on_order(contract: Contract, held: Mapping[str, str]) -> list[str]:
    """The values that may differ by the order in which floating-point numbers are added up."""
    aggregate = contract.output.aggregate
    assert aggregate is not None
    return [
        name
        for name, calls in aggregate.calls.items()
        if any(hangs_on_order(call, held.get(operand(name, i), "")) for i, call in enumerate(calls))
    ]


def known_types(contract: Contract) -> dict[str, str]:
    """Columns of the joined rows below the aggregate whose types the contract itself says."""
    aggregate = contract.output.aggregate
    assert aggregate is not None
    found = {}
    for name, (sql, _) in row_columns(aggregate).items():
        kind = _field_type(contract, sql)
        if kind is not None:
            found[name] = of_field(kind)
    return found


def whole_windows(contract: Contract, time_range: TimeRange) -> TimeRange:
    """The range with every window that it touches as a whole; without an aggregate it stays as it is."""
    aggregate = contract.output.aggregate
    if aggregate is None:
        return time_range
    window = milliseconds(aggregate.window) * 1000
    start, end = time_range.start_us, time_range.end_us
    return TimeRange(
        None if start is None else _moment(start // window * window),
        None if end is None else _moment(-(-end // window) * window),
    )


def begun_us_sql(us: str, window_us: int) -> str:
    """SQL of the start (us) of the window that holds a moment `us` (SQL), before 1970 too."""
    return f"{us} - ({us} % {window_us} + {window_us}) % {window_us}"


def _moment(us: int) -> datetime | None:
    """The moment; None, which is open, beyond the calendar."""
    try:
        return from_micros(us)
    except OverflowError:
        return None


def check_aggregate(contract: Contract) -> None:
    """Raise PartError where the block does not fit the other parts, or asks for what is not built."""
    aggregate = contract.output.aggregate
    if aggregate is None:
        return
    if aggregate.window <= timedelta(0):
        raise PartError((*BLOCK, "window"), "a window is longer than zero. Next: write it as '10 minutes' or '1 day'")
    _refuse_unbuilt(contract)
    _check_names(contract, aggregate)
    held = known_types(contract)
    for name in aggregate.groups:
        if name in held:
            _check_group(name, held[name])
    for name in aggregate.values:
        _value_type(aggregate, name, held)


def _refuse_unbuilt(contract: Contract) -> None:
    """Raise PartError for a part that works on rows and not on aggregates today."""
    if contract.join.keeps_right:
        why = "Spark's window needs the watermark of one side, and a row without a left event has another time"
        raise PartError(("join", "kind"), f"a {contract.join.kind} join cannot be aggregated: {why}")
    unbuilt = {
        ("stream", "transform"): contract.stream.transform is not None,
        ("batch",): contract.batch is not None,
        ("job",): contract.job is not None,
        ("output", "event_time"): contract.output.event_time is not None,
        ("expectations",): contract.expectations != type(contract.expectations)(),
    }
    for path, given in unbuilt.items():
        if given:
            raise PartError(path, "not built for output.aggregate yet. Next: remove one of the two")


def _check_names(contract: Contract, aggregate: Aggregate) -> None:
    taken = {WINDOW_START: "a column of every aggregate", WINDOW_END: "a column of every aggregate"}
    for i, item in enumerate(aggregate.group_by):
        path = (*BLOCK, "group_by", i)
        for name, spelled in item.items() if isinstance(item, dict) else [(item.partition(".")[2], item)]:
            _check_field(contract, path, spelled)
            _take(taken, path, name, "a group column; rename one as {new_name: source.field}")
    for name, text in aggregate.values.items():
        path = (*BLOCK, "values", name)
        _take(taken, path, name, "another column")
        try:
            calls = parse_value(text)
        except UsageError as error:
            raise PartError(path, f"{error.what}. Next: {error.next_step}" if error.next_step else error.what) from None
        for number, call in enumerate(calls):
            _check_operand(contract, path, call)
            for kept in (stored(operand(name, number)), stored(condition(name, number))):
                if kept in aggregate.groups:
                    raise PartError(path, f"the joined rows have a column {kept} of their own; rename that group")


def _take(taken: dict[str, str], path: Path, name: str, what: str) -> None:
    refuse_lineage(path, name)
    if name.lower() in taken:
        raise PartError(path, f"{name!r} already is {taken[name.lower()]}; choose another name")
    taken[name.lower()] = what


def _check_operand(contract: Contract, path: Path, call: Call) -> None:
    if call.of is None:
        return
    if _FIELD.fullmatch(call.of):
        _check_field(contract, path, call.of)
    elif _WORD.fullmatch(call.of):
        homes = [f"{name}.{call.of}" for name, source in contract.sources.items() if call.of in source.columns]
        step = f"write {' or '.join(homes)}" if homes else "write it as source.field"
        raise PartError(path, f"{call.of!r} does not say of which source it is. Next: {step}")


def _check_field(contract: Contract, path: Path, spelled: str) -> None:
    source, dot, field = spelled.partition(".")
    if not dot or source not in contract.sources:
        raise PartError(path, f"{spelled!r}: {unknown('write it as source.field', source, contract.sources)}")
    known = contract.sources[source].columns
    if field not in known:
        raise PartError(path, f"{spelled!r}: {unknown(f'{source} has no field {field!r}', field, known)}")


def _check_group(name: str, kind: str) -> None:
    if kind not in PLAIN and decimal_digits(kind) is None:
        told = f"{name!r} is of type {kind}, whose values are no groups; cast it to a string or a decimal in compute"
        raise PartError((*BLOCK, "group_by"), told)


def _value_type(aggregate: Aggregate, name: str, held: Mapping[str, str]) -> str | None:
    """The value's type; None where a column that it is made from is not in `held`."""
    path = (*BLOCK, "values", name)
    for column in _conditions(aggregate, name):
        if held.get(column, "boolean") != "boolean":
            raise PartError(path, f"the condition behind where is of type {held[column]}, not a boolean")
    parts = []
    for number, call in enumerate(aggregate.calls[name]):
        if call.of is not None and operand(name, number) not in held:
            return "bigint" if call.function.startswith("count") and len(aggregate.calls[name]) == 1 else None
        try:
            parts.append(result_type(call, held.get(operand(name, number), "")))
        except ValueError as error:
            raise PartError(path, f"{aggregate.values[name]!r}: {error}") from None
    try:
        return quotient_type(tuple(parts))
    except ValueError as error:
        raise PartError(path, f"{aggregate.values[name]!r}: {error}") from None


def _conditions(aggregate: Aggregate, name: str) -> Iterator[str]:
    for number, call in enumerate(aggregate.calls[name]):
        if call.where is not None:
            yield condition(name, number)


def _field_type(contract: Contract, sql: str) -> str | None:
    """The type of a plain `source.field`; None for SQL and computed columns."""
    source, _, field = sql.partition(".")
    return contract.sources[source].fields.get(field) if source in contract.sources else None
