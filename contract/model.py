"""The contract: what the streaming join and its batch reference both promise."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from plumbline.contract.aggregate import BLOCK, INSTEAD, NOT_BUILT, check_aggregate, row_columns
from plumbline.contract.archive_columns import ArchiveColumns, check_archives
from plumbline.contract.consistency import PartError, check_parts, resolve_columns
from plumbline.contract.durations import spell_duration
from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import UsageError
from plumbline.contract.expectations_block import Expectations
from plumbline.contract.fields import TIMESTAMPS
from plumbline.contract.foreign_job import ForeignJob, check_job
from plumbline.contract.kinds import (
    CONTRACT_NAME,
    FUNCTION,
    Delay,
    Duration,
    FieldType,
    Name,
    On,
    Property,
    Size,
    TableName,
)
from plumbline.contract.lineage import LINEAGE, RIGHT_EVENT_TIME
from plumbline.contract.on import placed, unfit
from plumbline.contract.output import Output
from plumbline.contract.output_column import OutputColumn
from plumbline.contract.reduce import Reduce, check_reduce
from plumbline.contract.transform_file import transform_sha256
from plumbline.contract.upsert import check_upsert
from plumbline.contract.writers import Writers
from plumbline.contract.yaml_lines import Path, Places


def _reversed(low: timedelta, high: timedelta) -> str:
    low_, high_ = spell_duration(low), spell_duration(high)
    return f"[{low_}, {high_}] is reversed; write the earlier bound first, [{high_}, {low_}]"


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Block):
    """One event stream: a Kafka topic and the table that archives it."""

    topic: str = Field(min_length=1, description="Kafka topic of the events")
    format: Literal["json", "avro", "debezium"] = Field("json", description="encoding of the record's value")
    fields: dict[Name, FieldType] = Field(min_length=1, description="field name to type")
    event_time: Name = Field(description="the timestamp field that says when the event happened")
    event_id: Name | None = Field(None, description="field by which an event delivered twice counts once")
    watermark: Delay = Field(description="the lateness that the stream tolerates, such as '2 hours'")
    archive: TableName = Field(description="Iceberg table that keeps every record as it arrived")
    archive_columns: ArchiveColumns | None = Field(
        None, description="of an archive that another tool writes: which of its columns hold what"
    )
    where: str | None = Field(None, description="SQL condition that an event must meet to enter the join")
    aliases: dict[Name, list[Name]] = Field(
        default_factory=dict, description="field name to the names it had before, read where the field is missing"
    )
    event_time_within: tuple[Duration, Duration] = Field(
        (timedelta(days=-36500), timedelta(days=1)),
        description="event time minus the record's own time; an event outside is quarantined",
        json_schema_extra={"default": ["-36500 days", "1 day"]},
    )
    max_bytes: int = Field(1_000_000, gt=0, description="largest size of a value; a larger one is quarantined")
    compute: dict[Name, str] = Field(
        default_factory=dict, description="additional columns: name to SQL over the fields"
    )
    reduce: Reduce | None = Field(None, description="before the join: of the events of a window and key one is taken")
    _writers: Writers = PrivateAttr(default_factory=Writers)

    @model_validator(mode="after")
    def _event_time_is_a_timestamp(self) -> Source:
        kind = self.fields.get(self.event_time)
        if kind not in TIMESTAMPS:
            found = f"is a {kind}" if kind else f"is not among the fields ({', '.join(self.fields)})"
            raise PartError(("event_time",), f"{self.event_time!r} {found}; it must be a timestamp field")
        if self.event_id and self.event_id not in self.fields:
            raise PartError(("event_id",), f"{self.event_id!r} is not among the fields ({', '.join(self.fields)})")
        low, high = self.event_time_within
        if low > high:
            raise PartError(("event_time_within",), _reversed(low, high))
        return self

    @model_serializer(mode="wrap")
    def _without_reduce(self, body: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Records of contracts that reduce nothing are as they were before any could."""
        return {part: value for part, value in body(self).items() if part != "reduce" or value is not None}

    @property
    def writers(self) -> Writers:
        """What is known of the schemas that the source's Avro events were written by."""
        return self._writers

    def names(self, field: str) -> tuple[str, ...]:
        """A field's own name, then those that it had before."""
        return (field, *self.aliases.get(field, ()))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names that the join's output may use: the fields, then the computed columns."""
        return (*self.fields, *self.compute)


class Join(_Block):
    """Which events belong together."""

    left: Name = Field(description="the source whose event time a row has, if it has a left side")
    right: Name = Field(description="the source that is joined to the left one")
    kind: Literal["inner", "left_outer", "right_outer", "full_outer"] = Field(
        "left_outer", description="which unmatched events give a row"
    )
    on: On = Field(min_length=1, description="shared fields, left field to right field, or a list of both")
    within: tuple[Duration, Duration] = Field(description="right event time minus left, both ends included")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Join:
        low, high = self.within
        if low > high:
            raise PartError(("within",), _reversed(low, high))
        if wrong := unfit(self.on):
            raise PartError(("on", *wrong[0]), wrong[1])
        return self

    @property
    def keeps_left(self) -> bool:
        """Whether a left event that nothing matches gives a row."""
        return self.kind in ("left_outer", "full_outer")

    @property
    def keeps_right(self) -> bool:
        """Whether a right event that nothing matches gives a row."""
        return self.kind in ("right_outer", "full_outer")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """`(left field, right field)` of each join column."""
        return tuple(pair for _, pair in placed(self.on))


class StreamSettings(_Block):
    """How the streaming job runs; the defaults suit one machine."""

    max_events_per_epoch: int = Field(
        100_000, gt=0, description="most events from each source in one epoch (micro-batch)"
    )
    every: Delay = Field(
        timedelta(seconds=10), description="how often an epoch starts", json_schema_extra={"default": "10 seconds"}
    )
    state: Literal["memory", "rocksdb"] = Field("memory", description="where waiting rows are kept; rocksdb: on disk")
    shuffle_partitions: int = Field(
        2, gt=0, description="number of shuffle partitions; fixed when the checkpoint is created"
    )
    transform: str | None = Field(
        None, pattern=FUNCTION, description="module:function, DataFrame to DataFrame over the joined rows"
    )


class BatchSettings(_Block):
    """A team's own reference query, if the contract's join is not it."""

    sql: str = Field(min_length=1, description="file with SQL over views of the sources, with :from and :to")


class ToleranceRule(_Block):
    """How far two values may lie apart and still agree."""

    abs: Size | None = Field(None, ge=0, description="numbers: |a - b| may be up to this much ...")
    rel: Size | None = Field(None, ge=0, description="... plus this share of the larger of |a| and |b|")
    round_to: Delay | None = Field(None, description="timestamps: both are first truncated to this grid")

    def as_tolerance(self) -> Tolerance:
        """The rule in the form that the diff takes."""
        grid = None if self.round_to is None else self.round_to / timedelta(milliseconds=1)
        return Tolerance(abs=self.abs, rel=self.rel, round_to_ms=grid)


class ReconcileSettings(_Block):
    """What the comparison forgives and what raises an alarm."""

    tolerances: dict[Name, ToleranceRule | Literal["ignore"]] = Field(
        default_factory=dict, description="output column to the allowed difference of its values; ignore leaves it out"
    )
    fail_when: dict[Name, str] = Field(
        default_factory=lambda: {"unexplained": "> 0"}, description="cause (or class) to '> 0' or '> 1%'"
    )

    @model_validator(mode="after")
    def _limits_are_readable(self) -> ReconcileSettings:
        for cause, limit in self.fail_when.items():
            if not re.fullmatch(r">=? *\d+(\.\d+)? *%?", limit.strip()):
                raise PartError(("fail_when", cause), f"{limit!r} is not a limit; write '> 0' or '> 1%'")
        return self

    def as_tolerances(self) -> dict[str, Tolerance]:
        """Column name to tolerance, in the form that the diff takes."""
        return {
            name: Tolerance(ignore=True) if isinstance(rule, str) else rule.as_tolerance()
            for name, rule in self.tolerances.items()
        }


class Contract(_Block):
    """A whole contract file. See docs/contract.md for each key."""

    contract: str = Field(
        pattern=CONTRACT_NAME, description="name of the contract, used for checkpoints and run records"
    )
    sources: dict[Name, Source] = Field(
        min_length=2, max_length=2, description="name that you give a source to its description"
    )
    join: Join = Field(description="which events belong together")
    output: Output = Field(description="what the join writes, and where")
    stream: StreamSettings = Field(StreamSettings(), description="how the streaming job runs")
    job: ForeignJob | None = Field(None, description="a streaming job of your own; default: Plumbline runs the join")
    batch: BatchSettings | None = Field(None, description="a reference query of your own")
    reconcile: ReconcileSettings = Field(ReconcileSettings(), description="what is tolerated and what raises an alarm")
    expectations: Expectations = Field(Expectations(), description="what else must hold for the tables")
    kafka: dict[str, Property] | None = Field(
        None, repr=False, description="properties of the Kafka clients; default: local broker"
    )
    catalog: dict[str, Property] | None = Field(None, repr=False, description="Iceberg catalog; default: local lake")
    schema_registry: dict[str, Property] | None = Field(
        None, repr=False, description="properties of the registry's client"
    )
    _places: Places = PrivateAttr(default_factory=Places)

    @model_validator(mode="after")
    def _parts_fit(self) -> Contract:
        check_parts(self)
        check_aggregate(self)
        check_upsert(self)
        check_reduce(self)
        check_job(self)
        check_archives(self)
        return self

    def place(self, path: Path) -> str | None:
        """`file:line` of a part of the contract, or of the nearest part around it; None when it came from no file."""
        return self._places.of(path)

    @property
    def left(self) -> Source:
        """The source on the left of the join."""
        return self.sources[self.join.left]

    @property
    def right(self) -> Source:
        """The source on the right of the join."""
        return self.sources[self.join.right]

    def source_of(self, side: str) -> Source:
        """The source of a side of the join, `left` or `right`."""
        return self.left if side == "left" else self.right

    def key_columns(self, name: str) -> tuple[str, ...]:
        """The join columns of a source, in the order of `join.on`."""
        return tuple(pair[0 if name == self.join.left else 1] for pair in self.join.pairs)

    @property
    def rows(self) -> Contract:
        """The contract of the joined rows that an aggregate is made from; without an aggregate it is this one.

        The rows' columns are the groups, and what each value takes: `aggregate.operand` and `aggregate.condition`.
        """
        aggregate = self.output.aggregate
        if aggregate is None:
            return self
        below = row_columns(aggregate)
        columns = [{name: sql} for name, (sql, _) in below.items()]
        output = self.output.model_copy(update={"columns": columns, "aggregate": None})
        output._origins = {name: path for name, (_, path) in below.items()}
        return self.model_copy(update={"output": output})

    @property
    def output_columns(self) -> tuple[OutputColumn, ...]:
        """Key columns first, then the others, each once; without lineage. Raises UsageError for an aggregate, which no
        caller may take for rows."""
        if self.output.aggregate is not None:
            raise UsageError(NOT_BUILT, where=self.place(BLOCK), next_step=INSTEAD)
        return resolve_columns(self)

    @property
    def reduces(self) -> bool:
        """Whether a source is reduced before the join."""
        return any(source.reduce is not None for source in self.sources.values())

    @property
    def one_for_one(self) -> bool:
        """Whether one row or event takes the place of several, so that each of these is looked at by itself where
        tables differ."""
        return self.output.is_upsert or self.reduces

    @property
    def value_columns(self) -> tuple[str, ...]:
        """Names of the compared columns that are not key columns."""
        return tuple(c.name for c in self.output_columns if c.name not in self.output.key)

    @property
    def table_columns(self) -> tuple[str, ...]:
        """All columns of both output tables, in order."""
        own = (RIGHT_EVENT_TIME,) if self.one_for_one else ()
        return (*(c.name for c in self.output_columns), *LINEAGE, *own)

    def semantics(self) -> dict[str, Any]:
        """What decides the output rows: sources, join and output, without secrets and tuning."""
        body = self.model_dump(mode="json", include={"contract", "sources", "join", "output"})
        del body["output"]["event_time"]  # says how tables of others are read, not what is written
        for source in body["sources"].values():
            del source["archive_columns"]
        body["transform"] = self.stream.transform
        if self.stream.transform is not None:
            body["transform_source"] = transform_sha256(self)
        body["shuffle_partitions"] = self.stream.shuffle_partitions
        return body

    def fingerprint(self) -> str:
        """Hex digest of `semantics()`: two contracts with the same one produce the same rows."""
        return hashlib.sha256(json.dumps(self.semantics(), sort_keys=True).encode()).hexdigest()[:16]
