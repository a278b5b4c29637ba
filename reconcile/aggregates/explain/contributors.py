"""The joined rows of one line with the records that they were made from, those that the stream did not make first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from plumbline.contract.aggregate import JOINED, condition, operand
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, SIDES
from plumbline.reconcile.aggregates.changed_rows import fates, why
from plumbline.reconcile.aggregates.in_json import plain
from plumbline.reconcile.aggregates.newer_rows import NEW
from plumbline.reconcile.explain.kafka_records import records_of_rows
from plumbline.reconcile.relations.aggregates import CHANGED, LINE_ROWS, NO_ROWS, ROWS_BELOW

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.views import Opened
    from plumbline.reconcile.explain.story import Delivered

MOST_ROWS = 200
"""Rows of a line that are told; those that the stream did not make come first."""
MADE, GONE, ALONE, CAME = "made", "gone", "alone", "came"


@dataclass(frozen=True)
class Contributor:
    """One record of a joined row: where it lies, and why the stream did not take it in, None where it did.

    `reason` says why it is in quarantine. `record` is None where the archive lacks it.
    """

    side: str
    place: tuple[int, int]
    lost: str | None
    reason: str | None
    record: Delivered | None


@dataclass(frozen=True)
class LineRow:
    """One joined row: `made` of records that the stream took in, `gone` from it, a left event that came `alone`,
    or a row that `came` of a record which the batch run had not read.

    `takes` is what each value takes of it.
    """

    became: str
    cause: str | None
    event_time: datetime
    contributors: tuple[Contributor, ...]
    takes: Mapping[str, Any]


def contributors(inputs: Opened, only: str) -> list[LineRow]:
    """The rows of the line of which `only` (SQL over the key columns) holds; at most MOST_ROWS of them."""
    con = inputs.pins.con
    LINE_ROWS.fill(con, _rows(only))
    NO_ROWS.fill(con, NO_ROWS.nothing)
    told = records_of_rows(replace(inputs.pins, batch=LINE_ROWS, stream=NO_ROWS), inputs.progress)
    left = inputs.pins.contract.join.left
    known = {("left" if one.source == left else "right", one.partition, one.offset): one for one in told}
    rows = con.sql(f"SELECT * FROM {LINE_ROWS} ORDER BY place").to_arrow_table().to_pylist()
    return [_row(inputs, row, known) for row in rows]


def all_rows(inputs: Opened, only: str) -> int:
    """How many rows the line has, told or not."""
    sql = f"""
        SELECT (SELECT count(*) FROM {ROWS_BELOW} WHERE "{JOINED}" AND {only})
            + (SELECT count(*) FROM {CHANGED} WHERE sign = 1 AND {only})
    """
    [(number,)] = inputs.pins.con.execute(sql).fetchall()
    return int(number)


def _rows(only: str) -> str:
    """The rows that the stream did not make, those that it made instead, then those that both made."""
    same = " AND ".join(f"r.{name} IS NOT DISTINCT FROM c.{name}" for name in COORDINATES)
    sides = ", ".join(f"{why(side)} AS {side}_lost, {side}_q.reason AS {side}_reason" for side in SIDES)
    order = f"became <> '{GONE}', became = '{MADE}', {EVENT_TIME}, {', '.join(COORDINATES)}"
    return f"""
        SELECT row_number() OVER (ORDER BY {order}) AS place, r.*, {sides}
        FROM (
            SELECT CASE WHEN sign = -1 THEN '{GONE}' WHEN cause = '{NEW}' THEN '{CAME}'
                ELSE '{ALONE}' END AS became, * EXCLUDE (sign)
            FROM {CHANGED} WHERE {only}
            UNION ALL BY NAME
            SELECT '{MADE}' AS became, NULL AS cause, r.* FROM {ROWS_BELOW} r
            ANTI JOIN (SELECT * FROM {CHANGED} WHERE sign = -1) c ON {same}
            WHERE r."{JOINED}" AND {only}
        ) r {fates("left")} {fates("right")}
        ORDER BY place LIMIT {MOST_ROWS}
    """


def _row(inputs: Opened, row: Mapping[str, Any], known: Mapping[tuple[str, int, int], Delivered]) -> LineRow:
    of_row = []
    for side in SIDES:
        place = row[f"_{side}_partition"], row[f"_{side}_offset"]
        if place[1] is not None:
            record = known.get((side, *place))
            of_row.append(Contributor(side, place, row[f"{side}_lost"], row[f"{side}_reason"], record))
    return LineRow(row["became"], row["cause"], row[EVENT_TIME], tuple(of_row), _takes(inputs, row))


def _takes(inputs: Opened, row: Mapping[str, Any]) -> dict[str, Any]:
    """What each value that is one function of an operand takes of the row; of a count whether it counts."""
    found: dict[str, Any] = {}
    for value, calls in inputs.aggregate.calls.items():
        counts = row.get(condition(value, 0), True)
        if len(calls) == 1 and calls[0].of is not None:
            held = row[operand(value, 0)] if counts else None
            found[value] = held is not None if calls[0].function == "count" else plain(held)
        elif len(calls) == 1:
            found[value] = bool(counts)
    return found
