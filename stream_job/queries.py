"""The queries of one streaming job: the join and an archiver for each source, started with their settings."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from plumbline.connect import owners
from plumbline.connect.file_formats import AS_PARQUET
from plumbline.connect.home import on_this_disk
from plumbline.connect.kafka_config import isolation_level
from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.aggregate import moment_column
from plumbline.contract.avro import UNKNOWN_ID
from plumbline.contract.durations import spell_duration
from plumbline.contract.generations import Generation, Ids, of_topic, placed
from plumbline.contract.model import Contract, Source
from plumbline.contract.writers import SchemaId, schema_id
from plumbline.stream_job import archiver, due_epoch, isolation, same_records, topics, upsert
from plumbline.stream_job.aggregate import aggregated
from plumbline.stream_job.archive import archived
from plumbline.stream_job.events import read_columns
from plumbline.stream_job.failures import Failure
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.join import join, joins_by_event_id

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming import StreamingQuery

    from plumbline.connect.lake import Lake

JOIN = "join"
"""Name of the join among the queries of a job."""

ARCHIVE_EVERY = timedelta(seconds=30)
"""The archiver may stand a little behind the join; seldom commits make larger files."""

FETCH_WAIT_MS = 20
"""A consumer that reached the end of its partition waits this long for more, and Spark's next epoch waits for that
fetch to end: with Kafka's default of 500 ms an epoch of a hundred events took 1.9 s instead of 0.5 s."""

ARCHIVE_EPOCH_FACTOR = 5
"""The archiver keeps no state, so its epochs may be larger than the join's; fewer commits, larger files."""

STATE_PROVIDERS = {
    "memory": "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider",
    "rocksdb": "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider",
}

JOIN_FORMATS = {"memory": "2", "rocksdb": "3"}
"""How Spark lays out a join's state. 3 keeps all of a partition in one RocksDB, its four parts as column families;
2 opens four, each with files, buffers and uploads of its own. A checkpoint notes its format and keeps it.
"""

ROCKSDB = {
    # An epoch uploads what changed and not whole files; snapshots follow in the background.
    "changelogCheckpointing.enabled": "true",
    # To count, it would read each row before it writes it.
    "trackTotalNumberOfRows": "false",
    # One budget for the block caches and write buffers of all state of this JVM; without it each store takes its own.
    "boundedMemoryUsage": "true",
    "maxMemoryUsageMB": "512",
    "writeBufferCacheRatio": "0.5",
    "highPriorityPoolRatio": "0.1",
}
"""Below spark.sql.streaming.stateStore.rocksdb: for state larger than memory."""

TABLE_PROPERTIES = {
    "write.distribution-mode": "none",
    # Iceberg's choice for a table that does not say is gzip.
    "write.parquet.compression-codec": "zstd",
    # No dictionary of 2 MB for columns that have another value in each row: offsets, times, values, keys.
    "write.parquet.dict-size-bytes": "65536",
    # Iceberg keeps every older metadata file else, and a commit per epoch writes one each time.
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}
"""Of the tables that queries append to."""

BROKER_PATIENCE = {
    "kafka.request.timeout.ms": "10000",
    "kafka.default.api.timeout.ms": "15000",
    "fetchOffset.numRetries": "2",
    "kafkaConsumer.pollTimeoutMs": "30000",
}
"""A query rides out half a minute without a broker. With the defaults it says nothing for three minutes."""

Start = Callable[[], "StreamingQuery"]


@dataclass(frozen=True)
class Parts:
    """What the queries of one contract's job are made from. `kafka` holds the client properties, secrets included;
    `shared` names the sources whose archive another contract writes; without `joins` it archives only."""

    spark: SparkSession
    lake: Lake
    contract: Contract
    job: JobFolder
    kafka: dict[str, str]
    unknown_schemas: set[SchemaId] = field(default_factory=set)
    say: Callable[[str], None] = lambda message: None
    shared: frozenset[str] = frozenset()
    joins: bool = True

    def learn_schema(self, failure: Failure) -> None:
        """Note the schema id that a query failed for, so that its next start asks the registry for it."""
        found = re.search(rf"Avro schema id (\w+) {UNKNOWN_ID}", failure.what)
        if found:
            self.unknown_schemas.add(schema_id(found[1]))

    def equipped(self) -> Contract:
        """The contract with the schemas of its Avro events, as far as the registry knows them now."""
        from plumbline.connect.registry import FOLDER, equipped

        return equipped(self.contract, self.job.root / FOLDER, self.unknown_schemas)


def configure(spark: SparkSession, contract: Contract) -> None:
    """Session settings that the join's checkpoint is made with."""
    spark.conf.set("spark.sql.shuffle.partitions", str(contract.stream.shuffle_partitions))
    spark.conf.set("spark.sql.streaming.stateStore.providerClass", STATE_PROVIDERS[contract.stream.state])
    spark.conf.set("spark.sql.streaming.join.stateFormatVersion", JOIN_FORMATS[contract.stream.state])
    # State in memory: the version that the next epoch begins with; one that is done again after a failure reads files.
    spark.conf.set("spark.sql.streaming.maxBatchesToRetainInMemory", "1")
    for name, value in ROCKSDB.items():
        spark.conf.set(f"spark.sql.streaming.stateStore.rocksdb.{name}", value)
    # What is laid out by the event id alone then also serves to find copies by event id and event time.
    alike = any(joins_by_event_id(source, contract.key_columns(name)) for name, source in contract.sources.items())
    spark.conf.set("spark.sql.streaming.statefulOperator.useStrictDistribution", str(not alike).lower())


def ensure_output(
    lake: Lake, contract: Contract, table: str, rows: DataFrame, properties: Mapping[str, str] = MappingProxyType({})
) -> DataFrame:
    """The rows as the output table takes them; it is created when it is missing, and grows with the contract.

    `properties` are those of a new table beside the usual ones.

    Raises UsageError for a column that the table cannot take.
    """
    from plumbline.connect.frames import arrow_schema, fitted

    unit = contract.output.partition_by
    partition = None if unit == "none" else (unit, moment_column(contract))
    schema = arrow_schema(rows)
    lake.ensure_table(table, schema, partition, {**TABLE_PROPERTIES, **properties})
    return fitted(rows, lake.evolve(table, schema))


def write_stream(rows: DataFrame, lake_table: str, checkpoint: str, trigger: dict[str, Any]) -> StreamingQuery:
    """Start the append of `rows` to an Iceberg table, exactly once by the checkpoint's query id and epoch."""
    return (
        rows.writeStream.format("iceberg")
        .outputMode("append")
        .option("checkpointLocation", on_this_disk(checkpoint))
        .option("fanout-enabled", "true")
        .options(**AS_PARQUET)
        .trigger(**trigger)
        .toTable(f"lake.{lake_table}")
    )


def start_join(parts: Parts, *, once: bool) -> StreamingQuery:
    """Start the join, which is a new run in the ledger; with `once` to the end of the topics as they stand now."""
    contract, job = parts.equipped(), parts.job
    configure(parts.spark, contract)
    limit = contract.stream.max_events_per_epoch
    ids = {name: _agreed(parts, name, topics.read_by(job.join, side)) for side, name, _ in topics.sides(contract)}
    topics.refuse_unturned(job, contract, ids)
    topics.refuse_read_beyond(job, contract, parts.kafka, ids)
    for name in ids:
        _refuse_other_records(parts, name, ids[name])
    left, right = (
        _kafka(parts, source, limit, ids[name], headers="headers" in read_columns(source))
        for _, name, source in topics.sides(contract)
    )
    rows = aggregated(contract, join(contract.rows, left, right, layouts=job.layouts))
    owned = owners.named(contract, owners.STREAM)  # from the first moment: nobody comes between making and noting
    owned |= upsert.TABLE_PROPERTIES if contract.output.is_upsert else {}
    rows = ensure_output(parts.lake, contract, contract.output.stream_table, rows, owned)
    owners.claim(parts.lake, contract, owners.STREAM)
    job.accept(contract)
    job.ledger.begin_run(str(uuid.uuid4()), parts.spark.version)
    topics.note_read(job.join, {side: ids[name] for side, name, _ in topics.sides(contract)})
    _plan_what_is_due(parts)
    trigger = _trigger(contract.stream.every, once=once)
    if contract.output.is_upsert:
        return upsert.write_stream(rows, parts.lake, contract, str(job.join), trigger)
    return write_stream(rows, contract.output.stream_table, str(job.join), trigger)


def _plan_what_is_due(parts: Parts) -> None:
    """Plan the epoch that closes windows where the join's last life did not come to it and there is nothing new."""
    from plumbline.connect.kafka import end_offsets

    if due_epoch.watermark_due(parts.job.join) is None:
        return
    ends = [end_offsets(parts.kafka, source.topic) for _, _, source in topics.sides(parts.contract)]
    due_epoch.plan(parts.job.join, [{str(partition): end for partition, end in each.items()} for each in ends])


def start_archiver(parts: Parts, name: str, *, once: bool) -> StreamingQuery:
    """Start the archiver of one source: where its checkpoint stands, or where the archive does when they disagree."""
    from plumbline.connect.frames import fitted

    contract = parts.equipped()
    source = contract.sources[name]
    limit = contract.stream.max_events_per_epoch * ARCHIVE_EPOCH_FACTOR
    ids = _agreed(parts, name)
    table = parts.lake.evolve(source.archive, ARCHIVE_SCHEMA)
    begin = _archive_begin(parts, name, ids)
    _refuse_other_records(parts, name, ids, begin)
    raw = _kafka(parts, source, limit, ids, headers=True, begin=begin)
    rows = fitted(archived(raw, contract, name), table)
    topics.note_read(parts.job.archive(name), {"archive": ids})
    trigger = _trigger(max(contract.stream.every, ARCHIVE_EVERY), once=once)
    return write_stream(rows, source.archive, str(parts.job.archive(name)), trigger)


def _agreed(parts: Parts, name: str, read: Iterable[Generation] = ()) -> Ids:
    """The ids of a source's topics, noted in its archive, which is made when it is missing.

    Raises SetupError for a missing topic, which Spark would try again and again, and for one that was recreated.
    """
    from plumbline.connect.kafka import topic_partitions

    source, unit = parts.contract.sources[name], parts.contract.output.partition_by
    topic_partitions(parts.kafka, source.topic)
    partition = None if unit == "none" else (unit, "event_time")
    noted = {isolation.PROPERTY: isolation_level(parts.kafka), **owners.named_archive(parts.contract, name)}
    parts.lake.ensure_table(source.archive, ARCHIVE_SCHEMA, partition, {**TABLE_PROPERTIES, **noted})
    if name not in parts.shared:
        owners.refuse_lost_race(parts.lake, parts.contract, name)
    return topics.agreed(parts.lake, parts.kafka, source, topics.ids_of(read))


def _archive_begin(parts: Parts, name: str, ids: Ids) -> Mapping[int, int] | None:
    """The offsets at which an archiver begins without its checkpoint, which is put aside; None: it goes on from it."""
    from plumbline.connect.kafka import earliest_offsets

    source, checkpoint = parts.contract.sources[name], parts.job.archive(name)
    why = archiver.disagreement(parts.lake.load(source.archive), checkpoint, ids)
    if why is None:
        return None
    ends = of_topic(same_records.archived(parts.lake, source), len(ids) - 1)
    found = archiver.begin(ends, earliest_offsets(parts.kafka, source.topic))
    archiver.put_aside(checkpoint)
    parts.say(f"stream: archive-{name} continues from the end of {source.archive}, not from its checkpoint: {why}")
    for partition, (start, end) in found.gone.items():
        parts.say(
            f"stream: warning: offsets {start} to {end - 1} of partition {partition} are gone from {source.topic} "
            f"before they were archived: {source.archive} continues after them"
        )
    return found.offsets


def _refuse_other_records(parts: Parts, name: str, ids: Ids, begin: Mapping[int, int] | None = None) -> None:
    """Raise SetupError when the topic has other records than the archive where that ends: at `begin`, else where its
    archiver's checkpoint stands, or the join where there is none, as of an archive that another contract writes."""
    ends = begin if begin is not None else archiver.read_to(parts.job.archive(name))
    ends = {placed(partition, len(ids) - 1): end for partition, end in ends.items()}
    ends = ends or topics.joined_to(parts.job, parts.contract).get(name, {})
    same_records.refuse_other_records(parts.lake, parts.kafka, parts.contract.sources[name], ids, ends)


def starts(parts: Parts, *, once: bool, join: bool = True, archive: bool = True) -> dict[str, Start]:
    """How each query of the job is started: `join`, and `archive-<source>` for each source."""
    found: dict[str, Start] = {JOIN: partial(start_join, parts, once=once)} if join and parts.joins else {}
    mine = [name for name in parts.contract.sources if name not in parts.shared]
    for name in mine if archive else ():
        found[f"archive-{name}"] = partial(start_archiver, parts, name, once=once)
    return found


def _trigger(every: timedelta, *, once: bool) -> dict[str, Any]:
    return {"availableNow": True} if once else {"processingTime": spell_duration(every)}


def _kafka(
    parts: Parts,
    source: Source,
    limit: int,
    ids: Ids,
    *,
    headers: bool = False,
    begin: Mapping[int, int] | None = None,
) -> DataFrame:
    """The topic's records as Spark reads them, without a checkpoint from `begin` on, or else from the beginning.

    Partitions are numbered as contract.generations says.
    """
    from plumbline.connect.kafka import spark_options

    raw = (
        parts.spark.readStream.format("kafka")
        .options(**spark_options(parts.kafka))
        .option("subscribe", source.topic)
        .option("startingOffsets", "earliest" if begin is None else json.dumps({source.topic: begin}))
        .option("maxOffsetsPerTrigger", limit)
        .option("includeHeaders", str(headers).lower())
        .option("kafka.fetch.max.wait.ms", FETCH_WAIT_MS)
        .options(**BROKER_PATIENCE)
        .load()
    )
    return numbered(raw, len(ids) - 1)


def numbered(raw: DataFrame, generation: int) -> DataFrame:
    """Raw Kafka rows of the `generation`th topic of their name with its partition numbers."""
    from pyspark.sql import functions as F

    return raw if generation == 0 else raw.withColumn("partition", F.col("partition") + F.lit(placed(0, generation)))
