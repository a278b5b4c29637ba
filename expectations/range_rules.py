"""Rules that need more than the table's own rows: a moment, or another table's rows. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction

from plumbline.connect.sql_quoting import ident
from plumbline.contract.durations import spell_duration
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.expectations.rules import ROW_COUNT, Rule, spell_bounds

NEVER = -1
"""An upper bound that no count of rows keeps."""
MAX = "expect_column_max_to_be_between"


def fresh(contract: Contract, column: str, span: TimeRange, now: datetime) -> Iterator[Rule]:
    """The newest time in `column` lies near the end of the range, or near now where that has not come."""
    within = contract.expectations.fresh_within
    if within is None:
        return
    least = _spelled(_before(min(span.end or now, now), within))
    name = ident(column)
    yield Rule(
        MAX,
        {"column": column, "min_value": least},
        f"expectations.fresh_within {spell_duration(within)}",
        (column,),
        "time",
        observed=f"strftime(max({name}), '%Y-%m-%dT%H:%M:%S.%fZ')",
        of_all=True,
    )


def proportion(contract: Contract, batch_rows: int) -> Iterator[Rule]:
    """The stream has about as many rows as the batch table has in the same range."""
    low, high = contract.expectations.stream_to_batch or (None, None)
    least, most = _rows(low, batch_rows, math.ceil), _rows(high, batch_rows, math.floor)
    if contract.expectations.stream_to_batch is not None:
        why = f"expectations.stream_to_batch {spell_bounds(low, high)}, of {batch_rows:,} batch rows"
        if least is not None and most is not None and least > most:  # Great Expectations refuses such bounds
            least, most, why = None, NEVER, f"{why}: no number of rows is within"
        bounds = {"min_value": least, "max_value": most}
        yield Rule(ROW_COUNT, bounds, why, observed="count(*)", of_all=True)


def _rows(share: float | None, of: int, whole: Callable[[Fraction], int]) -> int | None:
    """The share of the rows, exactly: 0.07 of 100 are 7, and as doubles a bit more."""
    return None if share is None or math.isinf(share) else whole(Fraction(repr(share)) * of)


def _before(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment - by
    except OverflowError:
        return datetime.min.replace(tzinfo=moment.tzinfo)


def _spelled(moment: datetime) -> str:
    """Of one length, as DuckDB spells the maximum: texts in this form are in the order of their times."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
