"""What records hold that the batch has no row of, read from the archive by DuckDB: the jobs' SQL is not asked.

Only values of which DuckDB reads exactly what Spark does are taken; where one of them is another, nothing is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.connect.archives import scan_archive
from plumbline.connect.json_fields import CERTAIN, TEXT_OF_VALUE, field_kind, field_text, readable
from plumbline.connect.sql_quoting import ident, text
from plumbline.connect.where_conditions import condition as entering
from plumbline.connect.where_conditions import translated
from plumbline.contract.aggregate import condition, operand
from plumbline.contract.archive_columns import archives_of_theirs
from plumbline.contract.fields import is_decimal
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.relations.aggregates import NEWER, VALUES, VALUES_ARCHIVED
from plumbline.reconcile.relations.evidence import REASONS
from plumbline.reconcile.relations.inputs import COPIES
from plumbline.reconcile.relations.judge import FATE

if TYPE_CHECKING:
    from plumbline.contract.model import Contract, Source
    from plumbline.reconcile.inputs.pinned_views import Pins

_TYPES = {"string": "VARCHAR", "int": "INTEGER", "long": "BIGINT"}
_JOINED_BY = ("string", "boolean", "int", "long")


@dataclass(frozen=True)
class Formula:
    """How a joined row is made of values: column to SQL over them, and the fields that are needed of each side."""

    columns: Mapping[str, str]
    fields: Mapping[str, tuple[str, ...]]


def formula(contract: Contract) -> Formula | None:
    """How DuckDB makes a row below the aggregate; None where only Spark can."""
    sides = dict(zip(SIDES, (contract.left, contract.right), strict=True))
    readable_ = all(readable(one) and entering(one) is not None for one in sides.values())
    if archives_of_theirs(contract) or not readable_:
        return None
    known = {name: fields for side in sides for name, fields in _known(contract, side).items()}
    columns = dict(_columns(contract, known))
    on = {side: [pair[side == "right"] for pair in contract.join.pairs] for side in sides}
    plain = all(_of(source, one, _JOINED_BY) for side, source in sides.items() for one in on[side])
    if not plain or None in columns.values():
        return None
    told = " ".join(sql for sql in columns.values() if sql)
    used = {
        side: tuple({*on[side], *(one for one in sides[side].fields if value_of(contract, side, one) in told)})
        for side in sides
    }
    return Formula({name: sql for name, sql in columns.items() if sql}, used)


def value_of(contract: Contract, side: str, field: str) -> str:
    """The column of VALUES that holds a field, quoted."""
    return ident(f"{getattr(contract.join, side)}.{field}")


def read_values(pins: Pins, made_by: Formula) -> bool:
    """Fill VALUES: the records of NEWER, and those that they may match, as far as the stream has them in its join.

    False where a value is none of which DuckDB is certain.
    """
    for side in SIDES:
        source = pins.contract.source_of(side)
        reach = pins.archived(side)
        view = VALUES_ARCHIVED[side]
        columns = ("topic", "partition", "offset", "event_time", "value")
        scan_archive(pins.con, pins.lake, source, pins.snapshots[source.archive], view=view.name,
                     columns=columns, row_filter=reach.iceberg("event_time"))  # fmt: skip
        VALUES[side].fill(pins.con, _read(pins, side, source, made_by.fields[side], reach.sql("event_time")))
        if VALUES[side].any(pins.con, "NOT certain"):
            return False
    return True


def _known(contract: Contract, side: str) -> dict[str, tuple[str, str]]:
    """How SQL of the contract names each field of one side that is read here: its type, and its column of VALUES."""
    source, name = getattr(contract, side), getattr(contract.join, side)
    fields = (one for one in source.fields if one == source.event_time or _of(source, one))
    return {f"{name}.{one}": (source.fields[one], value_of(contract, side, one)) for one in fields}


def _of(source: Source, field: str, kinds: tuple[str, ...] = tuple(CERTAIN)) -> bool:
    kind = source.fields.get(field, "")
    return field not in source.aliases and (kind in kinds or (is_decimal(kind) and kinds == tuple(CERTAIN)))


def _columns(contract: Contract, known: Mapping[str, tuple[str, str]]) -> Iterator[tuple[str, str | None]]:
    """Column of the rows below the aggregate to its SQL, None where only Spark knows it."""
    aggregate = contract.output.aggregate
    assert aggregate is not None
    plain = {name: column for name, (_, column) in known.items()}
    yield from ((name, plain.get(sql)) for name, sql in aggregate.groups.items())
    for value, calls in aggregate.calls.items():
        for number, call in enumerate(calls):
            taken = plain.get(call.of or "")
            if call.of is not None:
                counted = call.function == "count" and taken is not None
                yield operand(value, number), f"CASE WHEN {taken} IS NOT NULL THEN true END" if counted else taken
            if call.where is not None:
                yield condition(value, number), translated(call.where, known)


def _read(pins: Pins, side: str, source: Source, fields: tuple[str, ...], in_reach: str) -> str:
    values, certain = ["event_time"], ["json_valid(told)"]
    for field in fields:
        sql, sure = _field(source, field)
        values.append(f"{sql} AS {value_of(pins.contract, side, field)}")
        certain.append(sure)
    without = " ".join(f'ANTI JOIN {known} USING (partition, "offset")' for known in (FATE[side], REASONS[side]))
    return f"""
        WITH records AS (
            SELECT DISTINCT ON (partition, "offset") partition, "offset", event_time, value,
                {TEXT_OF_VALUE} AS told
            FROM {VALUES_ARCHIVED[side]} WHERE topic = {text(source.topic)} AND {in_reach}
                AND ((partition, "offset") IN (SELECT (partition, "offset") FROM {NEWER[side]})
                    OR {_near(pins, side)})
        )
        SELECT partition, "offset", {", ".join(values)}, coalesce({" AND ".join(certain)}, false) AS certain
        FROM records {without}
        ANTI JOIN (
            FROM {COPIES[side]} WHERE (partition, "offset") <> (first_partition, first_offset)
        ) USING (partition, "offset")
        WHERE coalesce({entering(source)}, false)
    """


def _field(source: Source, field: str) -> tuple[str, str]:
    """SQL of a field's value, and whether DuckDB is certain of it."""
    if field == source.event_time:
        return "event_time", "true"
    kind, found = source.fields[field], field_text(source, field, "told")
    of = re.sub(r"\s", "", kind).upper() if is_decimal(kind) else _TYPES.get(kind, kind.upper())
    sure = ", ".join(map(text, CERTAIN.get(kind, CERTAIN["double"])))
    value = f"TRY_CAST({found} AS {of})"
    there = f"coalesce({field_kind(source, field, 'told')}, 'NULL')"
    return value, f"({there} = 'NULL' OR ({there} IN ({sure}) AND {value} IS NOT NULL))"


def _near(pins: Pins, side: str) -> str:
    """SQL: the record's time is near one that a match of a newer record of the other side may have."""
    low, high = (ms * 1000 for ms in pins.within_ms)
    first, last = (low, high) if side == "right" else (-high, -low)
    other = "left" if side == "right" else "right"
    step = max(high - low, 1_000_000)
    return f"""epoch_us(event_time) // {step} IN (
        SELECT unnest(range((epoch_us(event_time) + {first}) // {step}, (epoch_us(event_time) + {last}) // {step} + 1))
        FROM {NEWER[other]}
    )"""
