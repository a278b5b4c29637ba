"""What the contract implies for both output tables, as rules: an expectation and the rows that break it. Pure.

The rules of a source's archive are in archive_rules.py, those that need a moment or another table in range_rules.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.durations import spell_duration
from plumbline.contract.lineage import (
    COORDINATES,
    EVENT_TIME,
    LEFT_OFFSET,
    LEFT_PARTITION,
    RIGHT_EVENT_TIME,
    RIGHT_OFFSET,
    RIGHT_PARTITION,
)
from plumbline.contract.model import Contract
from plumbline.contract.upsert import state_columns
from plumbline.expectations.limits import not_among, outside
from plumbline.expectations.types import expected_types, type_names

Quote = Callable[[str], str]
Broken = str | Callable[[str], str]
"""A predicate, or what makes one for the Iceberg type of the column."""

COLUMNS = "expect_table_columns_to_match_set"
TYPE = "expect_column_values_to_be_in_type_list"
NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
EQUAL = "expect_column_pair_values_to_be_equal"
UNIQUE = "expect_compound_columns_to_be_unique"
ROW_COUNT = "expect_table_row_count_to_be_between"
NO_ROWS = "unexpected_rows_expectation"
_SHOWN = 10


@dataclass(frozen=True)
class Rule:
    """One expectation on one table.

    `kind` and `arguments` are Great Expectations' own. `columns` are read; their types must be of `family` ("number",
    "text", "boolean", "time"; None: any). `others` are read too, whatever their types. A row is unexpected where the
    DuckDB predicate `broken` holds, or, when `groups` is given, where a group of rows with equal values in those
    columns meets the HAVING predicate `broken`. `observed` is a DuckDB aggregate shown to the reader. `of_all` marks
    a rule about all rows together: one about their number or a share, not about each.
    """

    kind: str
    arguments: Mapping[str, Any]
    why: str
    columns: tuple[str, ...] = ()
    family: str | None = None
    broken: Broken | None = None
    groups: tuple[str, ...] = ()
    observed: str | None = None
    of_all: bool = False
    others: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """All columns that are read."""
        return (*self.columns, *self.others, *self.groups)


def rules(contract: Contract) -> tuple[Rule, ...]:
    """Every rule of the contract: its columns, types and lineage first, then its `expectations:` block."""
    return (
        Rule(
            COLUMNS,
            {"column_set": list(contract.table_columns), "exact_match": False},
            "the contract's columns and the lineage; an earlier contract's may stay",
        ),
        *_types(contract),
        *_never_null(contract),
        *_lineage(contract),
        *_newest(contract),
        *_event_times(contract),
        *_block(contract),
    )


def _types(contract: Contract) -> Iterator[Rule]:
    return (typed(name, kind, f"declared as {kind}") for name, kind in expected_types(contract).items())


def typed(name: str, kind: str, why: str) -> Rule:
    """The column is of an Iceberg type."""
    return Rule(TYPE, {"column": name, "type_list": list(type_names(kind))}, why, (name,))


def not_null(name: str, why: str) -> Rule:
    """The column has a value in every row."""
    return Rule(NOT_NULL, {"column": name}, why, (name,), broken=f"{ident(name)} IS NULL")


def unique(columns: tuple[str, ...], why: str) -> Rule:
    """No two rows are equal in the columns; nulls are equal here."""
    arguments = {"column_list": list(columns), "ignore_row_if": "never"}
    return Rule(UNIQUE, arguments, why, columns, groups=columns, broken="count(*) > 1")


def _never_null(contract: Contract) -> Iterator[Rule]:
    reasons = dict.fromkeys((name for name in contract.output.key if _always_there(contract, name)), "a key column")
    reasons |= {EVENT_TIME: "ranges are cut by it"}
    if not contract.join.keeps_right:
        reasons |= dict.fromkeys((LEFT_PARTITION, LEFT_OFFSET), "each row has a left record")
    if not contract.join.keeps_left:
        reasons |= dict.fromkeys((RIGHT_PARTITION, RIGHT_OFFSET), "each row has a right record")
    reasons |= {name: "expectations.not_null" for name in contract.expectations.not_null if name not in reasons}
    for name, why in reasons.items():
        yield not_null(name, why)


def _always_there(contract: Contract, name: str) -> bool:
    """Whether every row has the side that an output column comes from. A join column comes from whichever is there."""
    column = next(c for c in contract.output_columns if c.name == name)
    absent = {contract.join.right} if contract.join.keeps_left else set()
    absent |= {contract.join.left} if contract.join.keeps_right else set()
    return column.sql is not None or column.source not in absent


def _lineage(contract: Contract) -> Iterator[Rule]:
    yield unique(COORDINATES, "a pair of records is joined once: the same pair twice is a double commit")
    left, right = (LEFT_PARTITION, LEFT_OFFSET), (RIGHT_PARTITION, RIGHT_OFFSET)
    if contract.join.keeps_left:
        yield from _unmatched("left", left, "right", right)
    if contract.join.keeps_right:
        yield from _unmatched("right", right, "left", left)


def _unmatched(side: str, own: tuple[str, str], other_side: str, other: tuple[str, str]) -> Iterator[Rule]:
    """Rows of records that nothing matched, on one side. A group without a record of that side has nothing to say."""
    yield no_rows(
        lambda quote: f"({quote(other[0])} IS NULL) <> ({quote(other[1])} IS NULL)",
        f"the {other_side} coordinates are both there or both missing",
        other,
    )
    yield no_groups(
        lambda quote: f"count(*) > 1 AND count({quote(own[1])}) > 0 AND count({quote(other[1])}) < count(*)",
        f"an unmatched row is the only row of its {side} record",
        own,
        (other[1],),
    )


def _newest(contract: Contract) -> Iterator[Rule]:
    """Of the newest row per key: that there is one, and that it says how new it is."""
    if contract.output.is_upsert:
        yield unique(state_columns(contract), "the newest row per key and event time: each has one row")
        yield no_rows(
            lambda quote: f"({quote(RIGHT_EVENT_TIME)} IS NULL) <> ({quote(RIGHT_OFFSET)} IS NULL)",
            "the time of the right event is there exactly where the row has one",
            (RIGHT_EVENT_TIME,),
            others=(RIGHT_OFFSET,),
        )


def _event_times(contract: Contract) -> Iterator[Rule]:
    left, alone = _output_of(contract, contract.join.left, contract.left.event_time), contract.join.keeps_right
    if left:
        yield Rule(
            EQUAL,
            {
                "column_A": left,
                "column_B": EVENT_TIME,
                "ignore_row_if": "either_value_is_missing" if alone else "neither",
            },
            "the row's event time is the left record's",
            (left, EVENT_TIME),
            "time",
            broken=f"{ident(left)} {'<>' if alone else 'IS DISTINCT FROM'} {ident(EVENT_TIME)}",
        )
    for right in _right_times(contract):
        yield _within(contract, right)


def _within(contract: Contract, right: str) -> Rule:
    """Whose left and right event are as far apart as the join lets them be. `right`: the column of the right time."""
    (low, high), alone = contract.join.within, contract.join.keeps_right
    return no_rows(
        lambda quote: _apart(quote, right, low, high) + f" AND {quote(LEFT_OFFSET)} IS NOT NULL" * alone,
        f"a joined right event time lies {spell_duration(low)} to {spell_duration(high)} after the left one",
        (right, EVENT_TIME),
        "time",
        (RIGHT_OFFSET, LEFT_OFFSET) if alone else (RIGHT_OFFSET,),
    )


def _right_times(contract: Contract) -> Iterator[str]:
    """The columns with the right event's time."""
    named = _output_of(contract, contract.join.right, contract.right.event_time)
    if named:
        yield named
    if contract.output.is_upsert:
        yield RIGHT_EVENT_TIME


def _apart(quote: Quote, right: str, low: timedelta, high: timedelta) -> str:
    moment, start = quote(right), quote(EVENT_TIME)
    outside = f"{moment} < {start} + {interval(low)} OR {moment} > {start} + {interval(high)}"
    return f"{quote(RIGHT_OFFSET)} IS NOT NULL AND ({moment} IS NULL OR {outside})"


def _block(contract: Contract) -> Iterator[Rule]:
    block = contract.expectations
    for name, (low, high) in block.between.items():
        column = ident(name)
        yield Rule(
            BETWEEN,
            {"column": name, "min_value": low, "max_value": high},
            f"expectations.between {spell_bounds(low, high)}",
            (name,),
            "number",
            broken=partial(outside, column, low=low, high=high),
            observed=f"[min({column}), max({column})]",
        )
    for name, values in block.in_set.items():
        why, family = f"expectations.in_set [{_some(values)}]", _family(values)
        yield Rule(IN_SET, {"column": name, "value_set": list(values)}, why, (name,), family, _strange(name, values))
    if block.matched_at_least is not None:
        column = ident(RIGHT_OFFSET)
        yield Rule(
            NOT_NULL,
            {"column": RIGHT_OFFSET, "mostly": block.matched_at_least},
            f"expectations.matched_at_least {block.matched_at_least:g}",
            (RIGHT_OFFSET,),
            broken=f"{column} IS NULL",
            observed=f"count({column}) / count(*)",
            of_all=True,
        )
    if block.min_rows is not None:
        arguments = {"min_value": block.min_rows}
        yield Rule(ROW_COUNT, arguments, f"expectations.min_rows {block.min_rows}", observed="count(*)", of_all=True)


def _strange(name: str, values: Sequence[str | int | float | bool]) -> Broken:
    """The rows whose value is none of `values`."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if numbers:
        return lambda kind: not_among(ident(name), kind, numbers)
    listed = ", ".join(_literal(value) for value in values)
    return f"{ident(name)} NOT IN ({listed})" if values else f"{ident(name)} IS NOT NULL"


def spell_bounds(low: float | None, high: float | None) -> str:
    """Bounds as a contract has them."""
    return f"[{', '.join(map(_spelled, (low, high)))}]"


def _spelled(bound: float | None) -> str:
    return "null" if bound is None else str(bound).removesuffix(".0")


def _some(values: list[str | int | float | bool]) -> str:
    """The first values of a set, for the reader."""
    return ", ".join(map(str, values[:_SHOWN])) + (f", … of {len(values)}" if len(values) > _SHOWN else "")


def no_rows(
    condition: Callable[[Quote], str],
    why: str,
    columns: tuple[str, ...],
    family: str | None = None,
    others: tuple[str, ...] = (),
) -> Rule:
    """No row meets the condition. The exported query is in Spark's quoting, the one run here in DuckDB's."""
    query = f"SELECT * FROM {{batch}} WHERE {condition(_spark)}"
    return Rule(NO_ROWS, {"unexpected_rows_query": query}, why, columns, family, condition(ident), others=others)


def no_groups(having: Callable[[Quote], str], why: str, groups: tuple[str, ...], others: tuple[str, ...]) -> Rule:
    """No group of rows with equal values in `groups` meets the condition; it reads `others` too."""
    names = ", ".join(_spark(name) for name in groups)
    query = f"SELECT {names} FROM {{batch}} GROUP BY {names} HAVING {having(_spark)}"
    arguments = {"unexpected_rows_query": query}
    return Rule(NO_ROWS, arguments, why, (*groups, *others), broken=having(ident), groups=groups)


def _output_of(contract: Contract, source: str, field_name: str) -> str | None:
    """The output column that carries a source's field, if one does."""
    found = (c.name for c in contract.output_columns if c.source == source and c.field == field_name)
    return next(found, None)


def interval(duration: timedelta) -> str:
    """Spark and DuckDB read this form alike."""
    return f"INTERVAL '{spell_duration(duration)}'"


def _spark(name: str) -> str:
    return f"`{name}`"


def _literal(value: str | int | float | bool) -> str:
    return text(value) if isinstance(value, str) else str(value)


def _family(values: list[str | int | float | bool]) -> str | None:
    if values and all(isinstance(value, bool) for value in values):
        return "boolean"
    if values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "number"
    return "text" if values else None
