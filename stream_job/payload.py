"""The packed payload: what the join's state keeps of an event, in one binary column.

The state's own schema is the same whatever the events hold, so a field that is added, dropped, widened or renamed
leaves running state readable. A payload is one byte, the number of its layout, and an Avro record of the columns. The
layouts lie beside the checkpoint, oldest first: state lives longer than the contract that wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.contract.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

MOST_LAYOUTS = 256
"""A layout's number is one byte."""


@dataclass(frozen=True)
class Layouts:
    """The layouts of one source's payload, as Avro schemas (JSON text), oldest first; the last one is written.

    Not `packs`: a join without state, whose payload is the columns as they are.
    """

    schemas: tuple[str, ...]
    packs: bool = True

    @classmethod
    def kept(cls, file: Path | None, newest: str) -> Layouts:
        """The layouts noted in `file` with `newest` at their end; notes it there if it is new. None: no memory."""
        known: list[str] = json.loads(file.read_text()) if file and file.exists() else []
        if known and known[-1] == newest:
            return cls(tuple(known))
        if len(known) == MOST_LAYOUTS:
            raise UsageError(
                f"the state has been written in {MOST_LAYOUTS} layouts",
                where=str(file),
                next_step="`plumbline stream recover CONTRACT --force --execute`",
            )
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_suffix(".tmp")
            draft.write_text(json.dumps([*known, newest]))
            draft.rename(file)
        return cls((*known, newest))

    def packed(self, columns: Sequence[str]) -> Column:
        """The payload of these columns."""
        from pyspark.sql import functions as F
        from pyspark.sql.avro.functions import to_avro

        record = F.struct(*(F.col(f"`{name}`") for name in columns))
        if not self.packs:
            return record
        return F.concat(F.lit(bytes([len(self.schemas) - 1])), to_avro(record, self.schemas[-1]))

    def records(self, payload: str) -> list[Column]:
        """The payload decoded, a column per layout; null but for the layout that it was written in."""
        from pyspark.sql import functions as F
        from pyspark.sql.avro.functions import from_avro

        if not self.packs:
            return [F.expr(payload)]
        number = F.expr(f"substring({payload}, 1, 1)")
        decoded = [from_avro(F.expr(f"substring({payload}, 2)"), schema) for schema in self.schemas]
        if len(decoded) == 1:
            return decoded
        return [F.when(number == F.lit(bytes([i])), record) for i, record in enumerate(decoded)]

    def column(self, names: Sequence[str], records: Sequence[str], kind: DataType) -> Column:
        """A column of the event, taken from the decoded `records`: under its first name that has a value.

        So are fields read from an event. NULL where no layout has any of its `names`.
        """
        from pyspark.sql import functions as F

        found = [F.lit(None).cast(kind)]
        for schema, record in zip(self.schemas, records, strict=True):
            held = {field["name"] for field in json.loads(schema)["fields"]}
            found += [F.col(record)[name].cast(kind) for name in reversed(names) if name in held]
        return F.coalesce(*reversed(found))


def layout(frame: DataFrame, columns: Sequence[str]) -> str:
    """The Avro schema of these columns of `frame`, every one optional."""
    jvm = frame.sparkSession._jvm
    assert jvm is not None
    packed = frame.select(*(f"`{name}`" for name in columns))._jdf.schema().asNullable()
    converters = jvm.org.apache.spark.sql.avro.SchemaConverters
    return str(converters.toAvroType(packed, False, "payload", "").toString())
