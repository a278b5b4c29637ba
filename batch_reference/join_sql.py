"""The reference's SQL over the archive: which events can enter the join, and the join itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract import formats
from plumbline.contract.admission import field_sql, parsed_sql, reason_sql, text_sql
from plumbline.contract.aggregate import JOINED
from plumbline.contract.durations import milliseconds
from plumbline.contract.lineage import (
    EVENT_TIME,
    HEADERS,
    LEFT_OFFSET,
    LEFT_PARTITION,
    OFFSET,
    PARSED,
    PARTITION,
    RECORD_TIME,
    REPLAY_ID,
    RIGHT_EVENT_TIME,
    RIGHT_OFFSET,
    RIGHT_PARTITION,
    TEXT,
    VALUE,
)
from plumbline.contract.model import Contract, Source
from plumbline.contract.ranges import TimeRange
from plumbline.contract.reduce import PLACE

if TYPE_CHECKING:
    from plumbline.contract.reduce import Reduce

COPY = "copy$"
"""Which delivery of its event a row is. No field's name has a $ in it."""

MOMENT = "moment$"
"""The event time for the join of an event that stands for those of its window."""

JOINS = {"inner": "INNER", "left_outer": "LEFT", "right_outer": "RIGHT", "full_outer": "FULL"}


def events_sql(contract: Contract, name: str, time_range: TimeRange) -> str:
    """Events of one archive (view `plumbline_archive`) that can enter the join, with event time in the range.

    Where the contract has an event id, an event that was delivered again is taken from its first place in the topic.
    """
    source = contract.sources[name]
    fields = ", ".join(f"{field_sql(source, field)} AS `{field}`" for field in source.fields)
    # A line of its own ends a comment with the expression.
    computed = "".join(f", ({sql}\n) AS `{column}`" for column, sql in source.compute.items())
    headers = f", headers AS `{HEADERS}`" if formats.of(source).headers else ""
    same = f"PARTITION BY `{source.event_id}`, `{source.event_time}` ORDER BY {PARTITION}, {OFFSET}"
    copy = f"row_number() OVER ({same})" if source.event_id else "1"
    placed = "" if source.reduce is None else _placed(source, source.reduce)
    return f"""
        WITH archived AS (
            SELECT partition AS {PARTITION}, offset AS {OFFSET}, kafka_timestamp AS {RECORD_TIME},
                value AS {VALUE}{headers}
            FROM plumbline_archive WHERE {time_range.sql("event_time")}
        ),
        texts AS (SELECT *, {text_sql(source)} AS {TEXT} FROM archived),
        parsed AS (
            SELECT texts.*, {PARSED} FROM texts
            LATERAL VIEW explode(array({parsed_sql(source)})) AS {PARSED}
        ),
        decoded AS (SELECT *, {fields} FROM parsed),
        computed AS (SELECT *{computed} FROM decoded),
        judged AS (
            SELECT *, {copy} AS `{COPY}` FROM computed
            WHERE ({reason_sql(source, contract.key_columns(name))}) IS NULL AND ({source.where or "true"}
            )
        )
        SELECT {PARTITION}, {OFFSET}, {", ".join(f"`{column}`" for column in source.columns)},
            `{source.event_time}` AS {EVENT_TIME}{placed}
        FROM judged WHERE `{COPY}` = 1
    """


def _placed(source: Source, reduce: Reduce) -> str:
    """MOMENT, and PLACE among the events of the window that are equal in the columns `by`, once each is there once."""
    us, every = f"unix_micros(`{source.event_time}`)", f"{reduce.every_us}L"
    end = f"({us} - pmod({us}, {every}) + {every})"
    by = ", ".join(f"`{name}`" for name in reduce.by)
    newest = "DESC" if reduce.take == "last" else "ASC"
    deciding = [f"`{source.event_id}`"] if source.event_id else [PARTITION, OFFSET]
    order = ", ".join(f"{name} {newest}" for name in (f"`{source.event_time}`", *deciding))
    return f""",
            timestamp_micros({end} - 1) AS `{MOMENT}`,
            row_number() OVER (PARTITION BY {by}, {end} ORDER BY {order}) AS `{PLACE}`"""


def join_sql(contract: Contract, time_range: TimeRange, *, alone: bool = False) -> str:
    """The join of the two views named as the sources; of the inputs around the range, only the range's rows.

    Of a source that is reduced the rows of all its events come, each with PLACE: the first alone is in the batch table.

    With `alone` the rows have a column JOINED, and where the join keeps left events each comes once more without it,
    as it is where nothing matches it.
    """
    join = contract.join
    left, right = join.left, join.right
    low, high = (milliseconds(bound) for bound in join.within)
    values = ", ".join(f"({column.expression}\n) AS `{column.name}`" for column in contract.output_columns)
    event_time = f"coalesce({left}.{EVENT_TIME}, {right}.{EVENT_TIME})"
    mark, lefts = (f", {left}.`{JOINED}`", _twice(left, join.keeps_left)) if alone else ("", left)
    own = RIGHT_EVENT_TIME in contract.table_columns
    moment = f", {right}.{EVENT_TIME} AS {RIGHT_EVENT_TIME}" if own else ""
    moment += f", {right}.`{PLACE}`" if contract.reduces else ""
    at = f"{right}.`{MOMENT}`" if contract.reduces else f"{right}.{EVENT_TIME}"
    only = f" AND {left}.`{JOINED}`" if alone else ""
    keys = " AND ".join(f"{left}.`{a}` = {right}.`{b}`" for a, b in join.pairs)
    return f"""
        SELECT {values},
            {event_time} AS {EVENT_TIME},
            {left}._partition AS {LEFT_PARTITION}, {left}._offset AS {LEFT_OFFSET},
            {right}._partition AS {RIGHT_PARTITION}, {right}._offset AS {RIGHT_OFFSET},
            CAST(NULL AS STRING) AS {REPLAY_ID}{moment}{mark}
        FROM {lefts} {JOINS[join.kind]} JOIN {right}
        ON {keys}{only}
            AND {at} BETWEEN {left}.{EVENT_TIME} + make_dt_interval(0, 0, 0, {low} / 1000)
            AND {left}.{EVENT_TIME} + make_dt_interval(0, 0, 0, {high} / 1000)
        WHERE {time_range.sql(event_time)}
    """


def _twice(left: str, keeps_left: bool) -> str:
    """The left events with JOINED; where the join keeps them, each a second time, to be matched by nothing."""
    marks = "array(true, false)" if keeps_left else "array(true)"
    return f"(SELECT *, explode({marks}) AS `{JOINED}` FROM {left}) AS {left}"
