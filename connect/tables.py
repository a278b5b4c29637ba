"""The Iceberg tables that the jobs fill: the archive of each source and the epoch ledger."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

UTC_MICROS = pa.timestamp("us", tz="UTC")


OPERATORS_DOC = "stateful operators of a team's own Spark query, sink first; null: not observed, or a job of ours"
PARTITION_DOC = "Kafka partition; 1,000,000 is added each time the topic was recreated (plumbline.topic-ids)"


def _field(name: str, kind: pa.DataType, doc: str) -> pa.Field:
    return pa.field(name, kind, metadata={"doc": doc})


ARCHIVE_SCHEMA = pa.schema(
    [
        _field("topic", pa.string(), "Kafka topic"),
        _field("partition", pa.int32(), PARTITION_DOC),
        _field("offset", pa.int64(), "Kafka offset"),
        _field("kafka_timestamp", UTC_MICROS, "the record's timestamp"),
        _field("kafka_timestamp_type", pa.int32(), "0 set by the producer, 1 set by the broker"),
        _field(
            "headers",
            pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())])),
            "the record's headers as they arrived",
        ),
        _field("key", pa.binary(), "the record's key as it arrived"),
        _field("value", pa.binary(), "the record's value as it arrived"),
        _field("event_time", UTC_MICROS, "decoded event time; null when it cannot be read"),
        _field(
            "schema_id",
            pa.int32(),
            "number of the value's schema; 0 for plain JSON, null where a header names it by GUID",
        ),
        _field("quarantine_reason", pa.string(), "why the record cannot enter the join; null when it can"),
        _field("event_id", pa.string(), "decoded event id as text; null where the contract names none"),
    ]
)
"""One row per Kafka record, bytes as they arrived; nothing is left out."""

EPOCHS_SCHEMA = pa.schema(
    [
        _field("contract", pa.string(), "name of the contract"),
        _field("query_id", pa.string(), "id of the checkpoint"),
        _field("run_id", pa.string(), "the start of the job that planned it; recover-… if `stream recover` wrote it"),
        _field("epoch", pa.int64(), "number of the micro-batch, from 0"),
        _field("source", pa.string(), "name of the source in the contract"),
        _field("topic", pa.string(), "Kafka topic"),
        _field("partition", pa.int32(), PARTITION_DOC),
        _field("start_offset", pa.int64(), "first offset of the epoch"),
        _field("end_offset", pa.int64(), "first offset after the epoch"),
        _field("late_watermark_ms", pa.int64(), "rows with event time at or before it were dropped"),
        _field("evict_watermark_ms", pa.int64(), "state was closed up to it; the next epoch's late watermark"),
        _field("no_data", pa.bool_(), "whether the epoch read nothing from any source"),
        _field("planned_at", UTC_MICROS, "when the epoch was planned, by the job's clock"),
        _field("topic_id", pa.string(), "Kafka's id of the partition's topic; null where it is not known"),
        _field("stream_table", pa.string(), "the table that the job writes; null: written by an earlier version"),
        _field("spark_version", pa.string(), "of the Spark that planned it; null: written by an earlier version"),
        _field("operators", pa.string(), OPERATORS_DOC),
    ]
)
"""One row per committed micro-batch and source partition."""

QUARANTINE_SCHEMA = pa.schema(
    [
        _field("contract", pa.string(), "name of the contract"),
        _field("source", pa.string(), "name of the source in the contract"),
        *(field for field in ARCHIVE_SCHEMA if field.name not in ("quarantine_reason", "event_id")),
        _field("reason", pa.string(), "why the record cannot enter the join"),
        _field("noted_at", UTC_MICROS, "when it was copied from the archive"),
        _field(
            "stream_table", pa.string(), "the table that the contract's job writes; null: written by an earlier version"
        ),
    ]
)
"""One row per record that cannot enter the join, once, with the record as it arrived."""

LATE_SCHEMA = pa.schema(
    [
        _field("contract", pa.string(), "name of the contract"),
        _field("source", pa.string(), "name of the source in the contract"),
        _field("side", pa.string(), "left or right: its side of the join"),
        *(field for field in ARCHIVE_SCHEMA if field.name not in ("event_time", "quarantine_reason")),
        _field("event_time", UTC_MICROS, "decoded event time"),
        _field("query_id", pa.string(), "id of the checkpoint of the query that dropped it"),
        _field("run_id", pa.string(), "the start of the job whose epoch dropped it"),
        _field("epoch", pa.int64(), "number of the micro-batch that dropped it"),
        _field(
            "late_watermark_ms", pa.int64(), "the watermark in force, ms since 1970: the event time is not after it"
        ),
        _field("late_by_ms", pa.int64(), "how far the event time lies behind the watermark, whole ms"),
        _field("dropped_at", UTC_MICROS, "when that epoch was planned, by the job's clock"),
        _field("passes_where", pa.bool_(), "true; null where only Spark can tell whether the source's `where` holds"),
        _field("noted_at", UTC_MICROS, "when it was copied from the archive"),
        _field("stream_table", pa.string(), "the table that the job writes"),
    ]
)
"""One row per event that the stream dropped as late, once for each query that did, with the record as it came."""

OwnTable = Literal["archive", "epochs", "quarantine", "late"]
SCHEMAS: dict[OwnTable, pa.Schema] = {
    "archive": ARCHIVE_SCHEMA,
    "epochs": EPOCHS_SCHEMA,
    "quarantine": QUARANTINE_SCHEMA,
    "late": LATE_SCHEMA,
}
"""The tables whose columns the jobs themselves lay down."""
