"""The contract's `output` block: what the join writes, and where."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails

from plumbline.contract.aggregate import Aggregate
from plumbline.contract.consistency import PartError
from plumbline.contract.kinds import Name, TableName
from plumbline.contract.yaml_lines import Path


class Output(BaseModel):
    """What the join writes, and where: rows with `key` and `columns`, or numbers with `aggregate`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"oneOf": [{"required": ["key", "columns"]}, {"required": ["aggregate"]}]},
    )

    key: list[Name] = Field(
        default_factory=list,
        min_length=1,
        description="of rows, required: columns by which the two outputs are compared",
    )
    columns: list[str | dict[Name, str]] = Field(
        default_factory=list, min_length=1, description="of rows, required: source.field, or {name: SQL expression}"
    )
    aggregate: Aggregate | None = Field(None, description="in place of rows: numbers per window and group")
    mode: Literal["append", "upsert"] = Field(
        "append", description="upsert: in place of all rows the newest per key and event time, by the right event time"
    )
    stream_table: TableName = Field(description="Iceberg table that the streaming join writes")
    batch_table: TableName = Field(description="Iceberg table that the batch reference replaces range by range")
    partition_by: Literal["none", "hour", "day", "month"] = Field(
        "day", description="partitioning by the rows' event time, in UTC"
    )
    event_time: str | None = Field(
        None, min_length=1, description="column of tables of your own that has the rows' event time, for reconcile"
    )
    _origins: dict[str, Path] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _rows_or_numbers(self) -> Output:
        for part in ("key", "columns"):
            given = part in self.model_fields_set
            if not given and self.aggregate is None:
                missing: InitErrorDetails = {"type": "missing", "loc": (part,), "input": None}
                raise ValidationError.from_exception_data("Output", [missing])
            if given and self.aggregate is not None:
                told = {"key": "its key is window_start and group_by", "columns": "its columns are its values"}
                raise PartError((part,), f"an aggregate has none: {told[part]}. Next: leave it out")
        return self

    @model_serializer(mode="wrap")
    def _without_the_other(self, body: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only the parts that it has: records of row contracts are as they were before there were other outputs."""
        absent = {"aggregate"} if self.aggregate is None else {"key", "columns"}
        absent |= {"mode"} if self.mode == "append" else set()
        return {part: value for part, value in body(self).items() if part not in absent}

    @property
    def is_upsert(self) -> bool:
        """Whether the tables hold the newest row per key, in place of all rows."""
        return self.mode == "upsert"

    def origin(self, name: str, path: Path) -> Path:
        """Where the SQL of a column stands in the file, which is at `path` but below an aggregate."""
        return self._origins.get(name, path)
