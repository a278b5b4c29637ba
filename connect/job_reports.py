"""The two tables in which a team's own job, or a sidecar of it, says what it dropped and how far it has read.

Any engine can write them: `job.dropped` has a row per record that the job dropped, `job.progress` a row per checkpoint
and partition. The format is in docs/tables.md, which is made from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from plumbline.contract.errors import ContractError

if TYPE_CHECKING:
    import pyarrow as pa

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

Part = Literal["dropped", "progress"]
WHOLE, TIME, TEXT = ("int", "long"), ("timestamptz",), ("string",)


@dataclass(frozen=True)
class Column:
    """A column of such a table: the Iceberg types that it may have, its meaning, whether it must be there."""

    name: str
    kinds: tuple[str, ...]
    meaning: str
    needed: bool = False


_PLACE = (
    Column("topic", TEXT, "topic of the record; or `source`"),
    Column("source", TEXT, "the contract's name of the source, or its topic; where both are there, `source` counts"),
    Column("partition", WHOLE, "Kafka partition", needed=True),
)
COLUMNS: dict[Part, tuple[Column, ...]] = {
    "dropped": (
        *_PLACE,
        Column("offset", WHOLE, "Kafka offset of the dropped record", needed=True),
        Column("watermark", TIME, "the watermark that it was behind; null: not known", needed=True),
        Column("reason", TEXT, "`late` or null: it came behind the watermark; anything else: dropped for that reason"),
        Column("event_time", TIME, "its event time as the job read it; checked against the archive"),
        Column("at", TIME, "when it was dropped"),
    ),
    "progress": (
        *_PLACE,
        Column("checkpoint_id", WHOLE, "number of the checkpoint, rising with time", needed=True),
        Column("end_offset", WHOLE, "first offset of the partition that was not read by then", needed=True),
        Column("start_offset", WHOLE, "first offset that the row tells of; null: the row before ends there"),
        Column("dropped", WHOLE, "how many records of these offsets are in `job.dropped`; null: nobody knows"),
        Column("closed_until", TIME, "no further row comes for a left event up to this time; null: not known"),
        Column("at", TIME, "when the checkpoint was made"),
        Column("job_id", TEXT, "id of the Flink job, which Iceberg's sink notes in its commits; null: of any"),
    ),
}


def dropped_schema() -> pa.Schema:
    """The columns of `job.dropped`, each with its meaning."""
    return _schema("dropped")


def progress_schema() -> pa.Schema:
    """The columns of `job.progress`, each with its meaning."""
    return _schema("progress")


def _schema(part: Part) -> pa.Schema:
    import pyarrow as pa

    kinds = {WHOLE: pa.int64(), TIME: pa.timestamp("us", "UTC"), TEXT: pa.string()}
    fields = [pa.field(c.name, kinds[c.kinds], metadata={"doc": c.meaning}) for c in COLUMNS[part]]
    return pa.schema(fields)


def held_columns(lake: Lake, contract: Contract, part: Part, table: str) -> tuple[str, ...]:
    """The columns of the format that the table has.

    Raises ContractError for a table that is not there, lacks a needed one, or has one of another type.
    """
    where = contract.place(("job", part)) or f"job.{part}"
    if not lake.exists(table):
        observed = part == "progress" and contract.job is not None and contract.job.checkpoint is not None
        raise ContractError(
            f"job.{part} names table {table}, which does not exist",
            where=where,
            next_step="run `plumbline observe`, which makes it" if observed else _create(part, table),
        )
    kinds = {field.name: str(field.field_type) for field in lake.load(table).schema().fields}
    for column in COLUMNS[part]:
        if column.name not in kinds:
            if column.needed:
                raise ContractError(
                    f"{table} (job.{part}) has no column {column.name!r}", where=where, next_step=_add(table, column)
                )
        elif kinds[column.name] not in column.kinds:
            raise ContractError(
                f"column {column.name!r} of {table} (job.{part}) is {kinds[column.name]}, not "
                f"{' or '.join(column.kinds)}",
                where=where,
                next_step="let the job write it so: a time as TIMESTAMP_LTZ (Flink) or TIMESTAMP (Spark)",
            )
    if not kinds.keys() & {"topic", "source"}:
        raise ContractError(
            f"{table} (job.{part}) has neither a column topic nor a column source",
            where=where,
            next_step=_add(table, COLUMNS[part][0]),
        )
    return tuple(column.name for column in COLUMNS[part] if column.name in kinds)


def refuse_other_topics(contract: Contract, part: Part, table: str, others: list[str]) -> None:
    """Raise ContractError for a table whose rows are all of topics that the contract does not name."""
    sources = ", ".join(f"{name} ({source.topic})" for name, source in contract.sources.items())
    raise ContractError(
        f"no row of {table} (job.{part}) is of a source of the contract, but of {', '.join(others[:3])}",
        where=contract.place(("job", part)) or f"job.{part}",
        next_step=f"write the topics or names of the contract's sources: {sources}",
    )


def _create(part: Part, table: str) -> str:
    columns = ", ".join(f"{c.name} {_sql(c)}" for c in COLUMNS[part] if c.name != "source")
    return f"CREATE TABLE {table} ({columns}) USING iceberg"


def _add(table: str, column: Column) -> str:
    return f"ALTER TABLE {table} ADD COLUMN {column.name} {_sql(column)}, and let the job fill it"


def _sql(column: Column) -> str:
    return {WHOLE: "BIGINT", TIME: "TIMESTAMP", TEXT: "STRING"}[column.kinds]
