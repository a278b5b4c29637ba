"""From raw Kafka rows to events that can enter the join: read, judged, and which of their columns the join needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plumbline.contract import formats
from plumbline.contract.admission import field_sql, parsed_sql, reason_sql, text_sql
from plumbline.contract.lineage import EVENT_TIME, HEADERS, OFFSET, PARSED, PARTITION, RECORD_TIME, TEXT, VALUE
from plumbline.contract.model import Contract, Source

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

RAW = {"partition": PARTITION, "offset": OFFSET, "timestamp": RECORD_TIME, "value": VALUE}
"""Columns of Spark's Kafka source, and as they are called here: an event may have fields of any of these names."""


def read_columns(source: Source) -> dict[str, str]:
    """The raw columns that a source's events are made from, and what they are called beside the fields."""
    return RAW | ({"headers": HEADERS} if formats.of(source).headers else {})


def as_raw(column: str) -> str:
    """What a raw column is called beside an event's fields: no field's name has a $ in it."""
    return f"raw${column}"


def decoded(raw: DataFrame, contract: Contract, name: str, keep: Sequence[str] = ()) -> DataFrame:
    """Raw Kafka rows of a source with their fields and computed columns, and what `reason` needs to judge them.

    The raw columns in `keep` come along under the name that `as_raw` gives.
    """
    from pyspark.sql import functions as F

    source = contract.sources[name]
    renamed = [*read_columns(source).items(), *((column, as_raw(column)) for column in keep)]
    texts = raw.select(*(F.col(there).alias(here) for there, here in renamed)).withColumn(
        TEXT, F.expr(text_sql(source))
    )
    # Spark would push a later filter, or one of its own, below the parser and parse each event twice; but never below
    # an expression that it takes for another one each time, as it does a partition's number.
    read = F.when(F.spark_partition_id() >= 0, F.expr(parsed_sql(source)))
    fields = [F.expr(field_sql(source, field)).alias(field) for field in source.fields]
    typed = texts.withColumn(PARSED, read).select("*", *fields)
    return typed.select("*", *(F.expr(sql).alias(column) for column, sql in source.compute.items()))


def reason(contract: Contract, name: str) -> str:
    """SQL over `decoded` that says why a record of the source cannot enter the join; NULL when it can."""
    return reason_sql(contract.sources[name], contract.key_columns(name))


def events(raw: DataFrame, contract: Contract, name: str) -> DataFrame:
    """The events of a source that can enter the join: columns of the source, `_event_time` and coordinates.

    What cannot is left out here as it is in the batch reference; the archiver writes down why.
    """
    from pyspark.sql import functions as F

    source = contract.sources[name]
    good = F.expr(f"({reason(contract, name)}) IS NULL")
    # An expression of its own: glued to the rest, a comment or a bracket too many in it would mean something else.
    kept = decoded(raw, contract, name).where(good & F.expr(source.where) if source.where else good)
    return kept.select(*source.columns, F.col(source.event_time).alias(EVENT_TIME), PARTITION, OFFSET)


def has_floating_id(source: Source) -> bool:
    """Whether equal event ids of a source may differ in their bytes: 0.0 and -0.0, and the many that are no number."""
    return source.event_id is not None and source.fields[source.event_id] in ("float", "double")


def id_text_sql(source: Source) -> str:
    """SQL over `decoded` of the event id as text, another one for each id that tells events apart.

    Bytes that are no UTF-8 would be text that nobody can read: they are written as `\\x` and hexadecimal digits, and so
    are those that look like that.
    """
    if source.event_id is None:
        return "CAST(NULL AS STRING)"
    kind = source.fields[source.event_id]
    if has_floating_id(source):
        return f"CAST(CAST({same_id_sql(source)} AS {kind}) AS STRING)"
    text = f"CAST(`{source.event_id}` AS STRING)"
    if kind != "binary":
        return text
    plain = rf"is_valid_utf8({text}) AND NOT startswith({text}, '\\x')"
    return rf"CASE WHEN {plain} THEN {text} ELSE concat('\\x', hex(`{source.event_id}`)) END"


def same_id_sql(source: Source) -> str:
    """SQL over `decoded` of the event id, so that ids which are equal to SQL have the same bytes.

    Spark's streaming deduplication compares bytes (4.1.4: 0.0 and -0.0 are two), its window functions do not.
    """
    id = f"`{source.event_id}`"
    return f"nanvl({id} + 0.0D, double('NaN'))" if has_floating_id(source) else id


def needed(contract: Contract, name: str) -> tuple[str, ...]:
    """Columns of a source that the output is made from, beside its join columns and its event time.

    SQL expressions are searched for the columns' names; one name too many costs a few bytes of state.
    """
    source = contract.sources[name]
    sql = " ".join(column.sql for column in contract.output_columns if column.sql is not None)
    words = set(re.findall(r"\w+", sql.lower()))
    named = {column.field for column in contract.output_columns if column.source == name}
    known = {source.event_time, *contract.key_columns(name)}
    return tuple(c for c in source.columns if c not in known and (c in named or c.lower() in words))
