"""The batch reference: the same join over the archive, in plain Spark SQL, one atomic commit per range.

Imports nothing of the streaming path: the two share the contract only, otherwise their agreement would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from plumbline.batch_reference.aggregate import aggregated, whole_windows
from plumbline.batch_reference.own_query import own_rows
from plumbline.connect import owners
from plumbline.connect.file_formats import AS_PARQUET
from plumbline.connect.user_code import reference_query, transformed
from plumbline.contract.admission import field_sql, parsed_sql, reason_sql, text_sql
from plumbline.contract.aggregate import moment_column
from plumbline.contract.archive_columns import refuse_archive_of_theirs
from plumbline.contract.avro import HEADER_ID_SQL, UNNAMED_SQL, lost_headers
from plumbline.contract.durations import milliseconds
from plumbline.contract.errors import SetupError
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
    RIGHT_OFFSET,
    RIGHT_PARTITION,
    TEXT,
    VALUE,
)
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


COPY = "copy$"
"""Which delivery of its event a row is. No field's name has a $ in it."""

JOINS = {"inner": "INNER", "left_outer": "LEFT", "right_outer": "RIGHT", "full_outer": "FULL"}


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
    if lake.exists(table) and _is_current(lake, table, properties):
        say(f"batch: {table} already holds {time_range} from these archive snapshots")
        return _result(contract, lake, time_range, archives, changed=False)
    spark = spark or session(home, lake, app=f"plumbline-batch-{contract.contract}")
    refuse_wrong_sql(spark, contract)
    say(f"batch: joining the archive for {time_range}")
    contract = _equipped(spark, contract, home, archives)
    rows = reference(spark, contract, time_range, archives)
    replace_range(spark, lake, contract, rows, time_range, properties)
    return _result(contract, lake, time_range, archives, changed=True)


def reference(spark: SparkSession, contract: Contract, time_range: TimeRange, archives: dict[str, int]) -> DataFrame:
    """The reference rows of the range from the archive at the given snapshots, with lineage.

    They are those of the contract's join, of its aggregate (without lineage), or of a query of the team's own over the
    same views.
    """
    raws = {
        name: spark.read.option("versionAsOf", str(archives[name])).table(f"lake.{source.archive}")
        for name, source in contract.sources.items()
    }
    joined = _joined(spark, contract.rows, time_range, raws)
    if contract.output.aggregate is not None:
        return aggregated(contract, joined)
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
    joined = _joined(spark, contract.rows, TimeRange(), nothing)
    aggregated(contract, joined)
    query = reference_query(contract)
    if query is not None:
        own_rows(spark, contract, query, TimeRange(), joined)
    return dict(joined.dtypes)


def _joined(spark: SparkSession, contract: Contract, time_range: TimeRange, raws: Mapping[str, DataFrame]) -> DataFrame:
    """The join over archived records, a frame for each source; its events are views named as the sources then."""
    for name, raw in raws.items():
        _with_headers(raw).createOrReplaceTempView("plumbline_archive")
        spark.sql(_events_sql(contract, name, input_range(contract, name, time_range))).createOrReplaceTempView(name)
    return spark.sql(_join_sql(contract, time_range))


def _equipped(spark: SparkSession, contract: Contract, home: Home, archives: dict[str, int]) -> Contract:
    """The contract with the schemas by which the archived Avro events were written."""
    from plumbline.connect.registry import equipped, kept_by

    ids: set[SchemaId] = set()
    for name, source in contract.sources.items():
        if source.format == "avro":
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


def replace_range(
    spark: SparkSession,
    lake: Lake,
    contract: Contract,
    rows: DataFrame,
    time_range: TimeRange,
    properties: dict[str, str],
) -> None:
    """Replace exactly `time_range` of the batch table by `rows` in one commit.

    Iceberg overwrites whole files only, so the range is aligned to partitions and the rows beside it in the same
    partitions are written again with it.
    """
    from pyspark.sql import functions as F

    table = contract.output.batch_table
    rows = _as_table(lake, contract, rows)
    aligned, moment = align(time_range, contract.output.partition_by), moment_column(contract)
    everything = rows
    if aligned != time_range:
        kept = spark.table(f"lake.{table}").where(aligned.sql(moment)).where(f"NOT ({time_range.sql(moment)})")
        everything = rows.unionByName(kept)
    writer = everything.writeTo(f"lake.{table}").option("isolation-level", "serializable").options(**AS_PARQUET)
    snapshot = lake.load(table).current_snapshot()
    if snapshot:
        writer = writer.option("validate-from-snapshot-id", str(snapshot.snapshot_id))
    for name, value in properties.items():
        writer = writer.option(f"snapshot-property.{name}", value)
    writer.overwrite(F.expr(aligned.sql(moment)))


def align(time_range: TimeRange, partition_by: str) -> TimeRange:
    """The smallest range of whole partitions around `time_range`; everything for an unpartitioned table."""
    if partition_by == "none":
        return TimeRange()
    start, end = time_range.start, time_range.end
    floor_of_end = end and _floor(end, partition_by)
    ceiling = floor_of_end if end == floor_of_end else _next(floor_of_end, partition_by) if floor_of_end else None
    return TimeRange(start and _floor(start, partition_by), ceiling)


def _floor(moment: datetime, unit: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if unit == "hour" else hour.replace(hour=0) if unit == "day" else hour.replace(hour=0, day=1)


def _next(start: datetime, unit: str) -> datetime:
    step = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": timedelta(days=31)}[unit]
    return _floor(start + step, unit)


def _events_sql(contract: Contract, name: str, time_range: TimeRange) -> str:
    """Events of one archive (view `plumbline_archive`) that can enter the join, with event time in the range.

    Where the contract has an event id, an event that was delivered again is taken from its first place in the topic.
    """
    source = contract.sources[name]
    fields = ", ".join(f"{field_sql(source, field)} AS `{field}`" for field in source.fields)
    # A line of its own ends a comment with the expression.
    computed = "".join(f", ({sql}\n) AS `{column}`" for column, sql in source.compute.items())
    headers = f", headers AS `{HEADERS}`" if source.format == "avro" else ""
    same = f"PARTITION BY `{source.event_id}`, `{source.event_time}` ORDER BY {PARTITION}, {OFFSET}"
    copy = f"row_number() OVER ({same})" if source.event_id else "1"
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
            `{source.event_time}` AS {EVENT_TIME}
        FROM judged WHERE `{COPY}` = 1
    """


def _join_sql(contract: Contract, time_range: TimeRange) -> str:
    """The join of the two views named as the sources; of the inputs around the range, only the range's rows."""
    join = contract.join
    left, right = join.left, join.right
    low, high = (milliseconds(bound) for bound in join.within)
    values = ", ".join(f"({column.expression}\n) AS `{column.name}`" for column in contract.output_columns)
    event_time = f"coalesce({left}.{EVENT_TIME}, {right}.{EVENT_TIME})"
    keys = " AND ".join(f"{left}.`{a}` = {right}.`{b}`" for a, b in join.pairs)
    return f"""
        SELECT {values},
            {event_time} AS {EVENT_TIME},
            {left}._partition AS {LEFT_PARTITION}, {left}._offset AS {LEFT_OFFSET},
            {right}._partition AS {RIGHT_PARTITION}, {right}._offset AS {RIGHT_OFFSET},
            CAST(NULL AS STRING) AS {REPLAY_ID}
        FROM {left} {JOINS[join.kind]} JOIN {right}
        ON {keys}
            AND {right}.{EVENT_TIME} BETWEEN {left}.{EVENT_TIME} + make_dt_interval(0, 0, 0, {low} / 1000)
            AND {left}.{EVENT_TIME} + make_dt_interval(0, 0, 0, {high} / 1000)
        WHERE {time_range.sql(event_time)}
    """


def _archive_snapshot(lake: Lake, name: str, source: Source) -> int:
    snapshot = lake.load(source.archive).current_snapshot() if lake.exists(source.archive) else None
    if snapshot is None:
        raise SetupError(
            f"source {name!r} has no archive yet: {source.archive} is missing or empty",
            next_step="run `plumbline stream run CONTRACT --once` first; it archives both topics",
        )
    return int(snapshot.snapshot_id)


def _as_table(lake: Lake, contract: Contract, rows: DataFrame) -> DataFrame:
    """The rows with the batch table's columns; it is created when it is missing, and grows with the contract."""
    from plumbline.connect.frames import arrow_schema, fitted

    table, unit, schema = contract.output.batch_table, contract.output.partition_by, arrow_schema(rows)
    partition = None if unit == "none" else (unit, moment_column(contract))
    owned = owners.named(contract, owners.BATCH)
    lake.ensure_table(table, schema, partition, {"write.distribution-mode": "hash", **owned})
    owners.claim(lake, contract, owners.BATCH)
    return fitted(rows, lake.evolve(table, schema))


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
