"""Which engine finds the rows that differ: DuckDB in this process, or Spark on the machines that it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from plumbline.connect.table_plan import plan_files
from plumbline.contract.aggregate import BLOCK
from plumbline.contract.errors import UsageError
from plumbline.contract.reduce import place_of
from plumbline.contract.upsert import MODE
from plumbline.reconcile.diff.spark.choice import Choice, by_size, refuse_unknown
from plumbline.reconcile.inputs.lineage_types import column_types
from plumbline.reconcile.inputs.output_columns import files_filter, needed_columns, time_columns

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType
    from pyspark.sql import SparkSession

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.reconcile.inputs.pinned_views import Pins

NOT_IN_SPARK = ("time", "timestamp_ns", "timestamptz_ns", "variant", "geometry", "geography", "unknown")
"""Iceberg types that Spark does not read, or that it hands over as something else."""
MOMENTS = ("timestamptz", "timestamp", "date")
"""Iceberg types that both engines take for one moment in UTC."""


def refuse_of_spark(contract: Contract, engine: str) -> None:
    """Raise UsageError for an unknown engine, and for `spark` with a contract whose tables only DuckDB compares."""
    refuse_unknown(engine)
    if engine == "spark" and (lacking := next(_for_duckdb_alone(contract), None)) is not None:
        raise _refused(*lacking)


def choose(engine: str, pins: Pins) -> Choice:
    """The engine for the tables as they are pinned. Raises UsageError where `spark` is asked for and does not compare
    these tables.
    """
    if engine == "duckdb":
        return Choice(engine, "asked for")
    lacking = next(_not_by_spark(pins), None)
    if engine == "spark":
        if lacking is not None:
            raise _refused(*lacking)
        return Choice(engine, "asked for")
    if lacking is not None:
        return Choice("duckdb", f"the engine spark does not compare {lacking[0]}")
    size = sum(_bytes(pins, table) for table in _outputs(pins.contract))
    return by_size(size, "the files of the range have {} in both tables")


def with_engine(engine: str, pins: Pins, home: Home) -> tuple[Pins, Choice]:
    """The pins with the session of the engine that was chosen, and the choice. Raises as `choose` and `session_of`."""
    chosen = choose(engine, pins)
    return replace(pins, spark=session_of(home, pins.lake)) if chosen.name == "spark" else pins, chosen


def session_of(home: Home, lake: Lake) -> Callable[[], SparkSession]:
    """Gives the Spark session of a reconcile, started when it is first asked for. Raises SetupError where Java or a jar
    is missing."""
    from plumbline.connect.jars import spark_jars
    from plumbline.connect.java import find_java
    from plumbline.connect.spark import session
    from plumbline.reconcile.diff.spark.frames import PARTITIONS

    find_java()
    spark_jars(home)

    @cache
    def started() -> SparkSession:
        return session(home, lake, app="plumbline-reconcile", shuffle_partitions=PARTITIONS, long_lived=True)

    return started


def _refused(what: str, where: str | None) -> UsageError:
    return UsageError(f"the engine spark does not compare {what}", where=where, next_step="give --engine duckdb")


def _outputs(contract: Contract) -> tuple[str, str]:
    return contract.output.stream_table, contract.output.batch_table


def _for_duckdb_alone(contract: Contract) -> Iterator[tuple[str, str]]:
    """Contracts whose tables Spark does not compare, whatever they hold, and where the contract says so."""
    output = contract.output
    if output.aggregate is not None:
        yield "lines of an aggregate", contract.place(BLOCK) or output.stream_table
    if output.is_upsert:
        yield "upserted tables", contract.place(MODE) or output.stream_table
    if contract.reduces:
        yield "tables of a source with reduce", contract.place(place_of(contract)) or output.stream_table


def _not_by_spark(pins: Pins) -> Iterator[tuple[str, str]]:
    """What of these tables Spark does not compare as DuckDB does, and where it is."""
    yield from _for_duckdb_alone(pins.contract)
    if pins.seen:
        yield "rows whose commits name no epoch, as those of foreachBatch", pins.contract.output.stream_table
    for table in _outputs(pins.contract):
        held = column_types(pins.lake, table)
        moments = time_columns(pins, table)
        if not moments:
            yield "tables without the event times of their rows", table
        for name in moments:
            if held[name] not in MOMENTS:
                yield f"rows whose event time is a {held[name]} in column {name}", table
        for name in needed_columns(pins, table):
            if any(kind in NOT_IN_SPARK for kind in _kinds(pins.lake.load(table).schema().find_type(name))):
                yield f"column {name} of type {held[name]}", table
            if not _as_it_was(pins, table, name):
                yield (
                    f"column {name}, which was changed after the newest snapshot and is read in its form of then",
                    table,
                )


def _as_it_was(pins: Pins, table: str, name: str) -> bool:
    """Whether the pinned snapshot has the column in the schema that DuckDB reads it with.

    That is the schema of now for the newest snapshot (`connect.pinned.scan`), where Spark takes the snapshot's own
    (Iceberg's `SnapshotUtil.schemaFor`).
    """
    held, pinned = pins.lake.load(table), pins.snapshots[table]
    snapshot = None if pinned is None else held.snapshot_by_id(pinned)
    if snapshot is None or snapshot.schema_id is None or snapshot != held.current_snapshot():
        return True
    then, now = held.schemas().get(snapshot.schema_id), held.schema()
    return then is None or _field(then, name) == _field(now, name)


def _field(schema: Schema, name: str) -> tuple[int, IcebergType] | None:
    found = next((field for field in schema.fields if field.name == name), None)
    return None if found is None else (found.field_id, found.field_type)


def _kinds(iceberg: IcebergType) -> Iterator[str]:
    """The names of all types in a type."""
    from pyiceberg.types import ListType, MapType, StructType

    if isinstance(iceberg, StructType):
        inner: tuple[IcebergType, ...] = tuple(field.field_type for field in iceberg.fields)
    elif isinstance(iceberg, ListType):
        inner = (iceberg.element_type,)
    elif isinstance(iceberg, MapType):
        inner = (iceberg.key_type, iceberg.value_type)
    else:
        yield str(iceberg).partition("(")[0]
        return
    for kind in inner:
        yield from _kinds(kind)


def _bytes(pins: Pins, table: str) -> int:
    """The size of the files that may hold rows of the range, as they are stored."""
    if pins.snapshots[table] is None:
        return 0
    row_filter = files_filter(pins, table, pins.time_range) or "true"
    plan = pins.lake.load(table).scan(row_filter=row_filter, snapshot_id=pins.snapshots[table])
    return sum(task.file.file_size_in_bytes for task in plan_files(plan, table))
