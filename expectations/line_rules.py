"""What the contract implies for an aggregate's lines: windows, keys, what its values say of each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import WINDOW_END, WINDOW_START, Aggregate, known_types, value_types
from plumbline.contract.aggregate_calls import Call
from plumbline.contract.aggregate_types import spelled
from plumbline.contract.durations import milliseconds, spell_duration
from plumbline.contract.model import Contract
from plumbline.expectations.rules import BETWEEN, COLUMNS, NO_ROWS, Rule, interval, no_rows, not_null, typed, unique
from plumbline.expectations.types import iceberg_type

COUNTS = ("count", "count_distinct")
OF_VALUES = ("min", "max", "avg")
"""Functions whose result is null exactly where nothing is counted. A sum may be null as it is beyond its type too."""


def line_rules(contract: Contract, aggregate: Aggregate) -> tuple[Rule, ...]:
    """The rules of the stream's table and the batch's, each alone."""
    alone = {name: calls[0] for name, calls in aggregate.calls.items() if len(calls) == 1}
    return (
        Rule(
            COLUMNS,
            {"column_set": list(aggregate.columns), "exact_match": False},
            "the window, the groups and the values; an earlier contract's may stay",
        ),
        *_types(contract),
        *(not_null(name, "each line is of a window") for name in (WINDOW_START, WINDOW_END)),
        unique(aggregate.key, "a window and a group have one line: the same twice is a double commit"),
        *_windows(aggregate),
        *_counts(aggregate, alone),
        *_extremes(alone),
        *_nothing_counted(alone),
    )


def _types(contract: Contract) -> Iterator[Rule]:
    """Those of which the contract itself says the type; of SQL only Spark knows it."""
    for name in (WINDOW_START, WINDOW_END):
        yield typed(name, "timestamptz", "a moment in UTC")
    for name, kind in value_types(contract, known_types(contract)).items():
        yield typed(name, iceberg_type(spelled(kind)), f"as its fields give it: {spelled(kind)}")


def _windows(aggregate: Aggregate) -> Iterator[Rule]:
    length, us = spell_duration(aggregate.window), milliseconds(aggregate.window) * 1000
    ends = "{0} <> {1} + " + interval(aggregate.window)
    yield _never(ends, f"a window is {length} long", WINDOW_END, WINDOW_START)
    query = f"SELECT * FROM {{batch}} WHERE unix_micros(`{WINDOW_START}`) % {us} <> 0"
    yield Rule(
        NO_ROWS,
        {"unexpected_rows_query": query},
        f"windows of {length} are counted from 1970 in UTC",
        (WINDOW_START,),
        "time",
        broken=f"epoch_us({ident(WINDOW_START)}) % {us} <> 0",
    )


def _counts(aggregate: Aggregate, alone: dict[str, Call]) -> Iterator[Rule]:
    """Counts are there and not negative, none counts more than one of which it is a part, and shares are 0 to 1."""
    counts = {name: call for name, call in alone.items() if call.function in COUNTS}
    for name, call in counts.items():
        least = int(call == Call("count", None))
        yield not_null(name, "a count is 0 where nothing is counted")
        yield _between(name, least, None, "a line has a row" if least else "a count is not negative")
    for small, part in counts.items():
        for large, whole in counts.items():
            if small != large and is_part(part, whole):
                why = f"{aggregate.values[small]} is a part of {aggregate.values[large]}"
                yield _never("{0} > {1}", why, small, large)
    for name, calls in aggregate.calls.items():
        if len(calls) == 2 and is_part(*calls):
            yield _between(name, 0, 1, f"{aggregate.values[name]} is a share")


def is_part(part: Call, whole: Call) -> bool:
    """Whether what `part` counts is among what `whole` counts, whatever the rows are."""
    counted = part.function in COUNTS and whole.function in COUNTS
    within = whole.where is None or part.where == whole.where
    if whole.function == "count_distinct":
        return counted and within and part.function == "count_distinct" and part.of == whole.of
    return counted and within and (whole.of is None or part.of == whole.of)


def _extremes(alone: dict[str, Call]) -> Iterator[Rule]:
    for low, least in alone.items():
        for high, most in alone.items():
            if (least.function, most.function) == ("min", "max") and (least.of, least.where) == (most.of, most.where):
                yield _never("{0} > {1}", f"the least {least.of} is not beyond the greatest", low, high)


def _nothing_counted(alone: dict[str, Call]) -> Iterator[Rule]:
    for name, call in alone.items():
        for counted, count in alone.items():
            if call.function in OF_VALUES and count == Call("count", call.of, call.where):
                why = f"{name} is null exactly where {counted} is 0"
                yield _never("({0} IS NULL) <> ({1} = 0)", why, name, counted)


def _never(condition: str, why: str, *columns: str) -> Rule:
    """No line meets the condition, in which {0} is the first column."""
    return no_rows(lambda quote: condition.format(*map(quote, columns)), why, columns)


def _between(name: str, least: int, most: int | None, why: str) -> Rule:
    arguments = {"column": name, "min_value": least, "max_value": most}
    beyond = f"{ident(name)} < {least}" + (f" OR {ident(name)} > {most}" if most is not None else "")
    return Rule(BETWEEN, arguments, why, (name,), "number", broken=beyond)
