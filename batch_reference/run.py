"""The batch reference: the same join over the archive, in plain Spark SQL, one atomic commit per range.

Imports nothing of the streaming path: the two share the contract only, otherwise their agreement would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from plumbline.batch_reference.aggregate import aggregated
from plumbline.batch_reference.aggregate_rows import write_aggregate
from plumbline.batch_reference.join_sql import events_sql, join_sql
from plumbline.batch_reference.own_query import own_rows
from plumbline.batch_reference.range_overwrite import replace_range
from plumbline.batch_reference.reduce import write_taken
from plumbline.batch_reference.rows_below import has_rows
from plumbline.batch_reference.upsert import write_newest
from plumbline.connect import owners
from plumbline.connect.user_code import reference_query, transformed
from plumbline.contract import formats
from plumbline.contract.aggregate import moment_column, whole_windows
from plumbline.contract.archive_columns import refuse_archive_of_theirs
from plumbline.contract.avro import HEADER_ID_SQL, UNNAMED_SQL, lost_headers
from plumbline.contract.errors import SetupError
from plumbline.contract.lineage import HEADERS
from plumbline.contract.model import Contract, Source
from plumbline.contract.ranges import TimeRange, spell_bound
from plumbline.contract.reach import input_range
from plumbline.contract.transform_file import transform_file
from plumbline.contract.writers import SchemaId, schema_id

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from plumbline.batch_reference.document_types import BatchDocument
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake

    Write = Callable[[SparkSession, Lake, Contract, DataFrame, TimeRange, dict[str, str]], None]


def run(
    contract: Contract,
    home: Home,
    time_range: TimeRange,
    *,
    say: Callable[[str], None] = lambda message: None,
    spark: SparkSession | None = None,
) -> BatchDocument:
    """Compute the reference rows with event time in `time_range` and replace that range of the batch table.

    Of an aggregate: all windows that the range touches, as a whole.

    Returns `{"table", "range", "snapshot_id", "rows", "archives", "changed"}`. Repeating a range on the same archive
    snapshots changes nothing. Raises SetupError when a source has no archive yet.
    """
    from plumbline.connect.lake import Lake
    from plumbline.connect.spark import session

    time_range = whole_windows(contract, time_range)
    refuse_archive_of_theirs(contract, "batch run", "write output.batch_table by a query of your own over that archive")
    lake = Lake.open(home, contract.catalog)
    owners.refuse_other_writer(lake, contract, owners.BATCH)
    owners.refuse_rows_of_theirs(lake, contract)
    archives = {name: _archive_snapshot(lake, name, source) for name, source in contract.sources.items()}
    properties = _properties(contract, time_range, archives)
    table = contract.output.batch_table
    if lake.exists(table) and _is_current(lake, table, properties) and has_rows(lake, contract):
        say(f"batch: {table} already holds {time_range} from these archive snapshots")
        return _result(contract, lake, time_range, archives, changed=False)
    spark = spark or session(home, lake, app=f"plumbline-batch-{contract.contract}")
    refuse_wrong_sql(spark, contract)
    say(f"batch: joining the archive for {time_range}")
    contract = _equipped(spark, contract, home, archives)
    rows = reference(spark, contract, time_range, archives)
    _write(contract)(spark, lake, contract, rows, time_range, properties)
    return _result(contract, lake, time_range, archives, changed=True)


def _write(contract: Contract) -> Write:
    """What replaces the range by the reference's rows, by what the contract's tables hold."""
    if contract.output.aggregate is not None:
        return write_aggregate
    if contract.reduces:
        return write_taken
    return write_newest if contract.output.is_upsert else replace_range


def reference(spark: SparkSession, contract: Contract, time_range: TimeRange, archives: dict[str, int]) -> DataFrame:
    """The reference rows of the range from the archive at the given snapshots, with lineage.

    They are those of the contract's join, or of a query of the team's own over the same views. Of an aggregate they are
    the rows below it, with `JOINED`.
    """
    raws = {
        name: spark.read.option("versionAsOf", str(archives[name])).table(f"lake.{source.archive}")
        for name, source in contract.sources.items()
    }
    joined = _joined(spark, contract, time_range, raws)
    query = reference_query(contract)
    if query is None:
        file = transform_file(contract)
        if file is not None:
            spark.sparkContext.addPyFile(str(file))
        return cast("DataFrame", transformed(contract, joined))
    return own_rows(spark, contract, query, time_range, joined)


def refuse_wrong_sql(spark: SparkSession, contract: Contract) -> dict[str, str]:
    """Raise ContractError for SQL of the contract that the reference cannot compute, own query included.

    Returns the joined rows' columns with their types.
    """
    from plumbline.connect.analysis import empty, typed_as_json
    from plumbline.connect.analysis import refuse_wrong_sql as refuse

    contract = typed_as_json(contract)
    archive = {"partition": "int", "offset": "bigint", "kafka_timestamp": "timestamp", "event_time": "timestamp"}
    nothing = dict.fromkeys(contract.sources, empty(spark, **archive, value="binary"))
    refuse(spark, contract.rows, lambda one: _joined(spark, one, TimeRange(), nothing))
    joined = _joined(spark, contract, TimeRange(), nothing)
    aggregated(contract, joined)
    query = reference_query(contract)
    if query is not None:
        own_rows(spark, contract, query, TimeRange(), joined)
    return dict(joined.dtypes)


def _joined(spark: SparkSession, contract: Contract, time_range: TimeRange, raws: Mapping[str, DataFrame]) -> DataFrame:
    """The join over archived records, a frame for each source; its events are views named as the sources then. Of an
    aggregate: what it is made from."""
    rows, alone = contract.rows, contract.output.aggregate is not None
    for name, raw in raws.items():
        _with_headers(raw).createOrReplaceTempView("plumbline_archive")
        spark.sql(events_sql(rows, name, input_range(rows, name, time_range))).createOrReplaceTempView(name)
    return spark.sql(join_sql(rows, time_range, alone=alone))


def _equipped(spark: SparkSession, contract: Contract, home: Home, archives: dict[str, int]) -> Contract:
    """The contract with the schemas by which the archived Avro events were written."""
    from plumbline.connect.registry import equipped, kept_by

    ids: set[SchemaId] = set()
    for name, source in contract.sources.items():
        if formats.of(source).registry:
            archive = spark.read.option("versionAsOf", str(archives[name])).table(f"lake.{source.archive}")
            _refuse_lost_headers(source, archive)
            named = _with_headers(archive).withColumnRenamed("headers", HEADERS)
            for row in named.selectExpr("schema_id", f"{HEADER_ID_SQL} AS header_id").distinct().collect():
                ids |= {id for id in (row.schema_id, row.header_id and schema_id(row.header_id)) if id is not None}
    return equipped(contract, kept_by(contract, home), ids)


def _refuse_lost_headers(source: Source, archive: DataFrame) -> None:
    """Raise SetupError for an archive without headers that holds records which named their schema there."""
    if "headers" in archive.columns:
        return
    found = archive.where(UNNAMED_SQL).orderBy("partition", "offset").select("partition", "offset").first()
    if found is not None:
        raise lost_headers(source.archive, found.partition, found.offset)


def _with_headers(archive: DataFrame) -> DataFrame:
    """An archive's rows with their headers: null in one that has no such column."""
    from pyspark.sql import functions as F

    if "headers" in archive.columns:
        return archive
    return archive.withColumn("headers", F.lit(None).cast("array<struct<key: string, value: binary>>"))


def _archive_snapshot(lake: Lake, name: str, source: Source) -> int:
    snapshot = lake.load(source.archive).current_snapshot() if lake.exists(source.archive) else None
    if snapshot is None:
        raise SetupError(
            f"source {name!r} has no archive yet: {source.archive} is missing or empty",
            next_step="run `plumbline stream run CONTRACT --once` first; it archives both topics",
        )
    return int(snapshot.snapshot_id)


def _properties(contract: Contract, time_range: TimeRange, archives: dict[str, int]) -> dict[str, str]:
    """Snapshot properties that name what a batch commit was made from."""
    query = reference_query(contract)
    named = {f"plumbline.archive.{name}.snapshot-id": str(snapshot) for name, snapshot in archives.items()}
    return {
        "plumbline.range.from": spell_bound(time_range.start),
        "plumbline.range.to": spell_bound(time_range.end),
        "plumbline.fingerprint": contract.fingerprint(),
        **({"plumbline.reference.sha256": query.sha256} if query else {}),
        **named,
    }


def _is_current(lake: Lake, table: str, properties: dict[str, str]) -> bool:
    """Whether the newest commit of the batch table is this very run."""
    snapshot = lake.load(table).current_snapshot()
    summary = snapshot.summary if snapshot else None
    return summary is not None and all(summary.additional_properties.get(k) == v for k, v in properties.items())


def _result(
    contract: Contract, lake: Lake, time_range: TimeRange, archives: dict[str, int], *, changed: bool
) -> BatchDocument:
    table = lake.load(contract.output.batch_table)
    scan = table.scan(row_filter=time_range.iceberg(moment_column(contract)) or "true")
    snapshot = table.current_snapshot()
    return {
        "table": contract.output.batch_table,
        "range": time_range.as_json(),
        "snapshot_id": snapshot.snapshot_id if snapshot else None,
        "rows": scan.count(),
        "archives": archives,
        "changed": changed,
    }
