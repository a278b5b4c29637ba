"""The archiver's plan: every Kafka record as it arrived, its event time, and why it cannot enter the join, if so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.admission import UNTIMELY, schema_id_sql
from plumbline.contract.model import Contract
from plumbline.stream_job.events import as_raw, decoded, id_text_sql, reason

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KEPT = ("topic", "partition", "offset", "timestamp", "timestampType", "headers", "key", "value")
"""Columns of a raw Kafka row that the archive holds as they are, in its order."""

RENAMED = {"timestamp": "kafka_timestamp", "timestampType": "kafka_timestamp_type"}


def archived(raw: DataFrame, contract: Contract, name: str) -> DataFrame:
    """The rows of a source's archive table for raw Kafka rows read with headers.

    An event time that says nothing is left out: it would put the row into a partition of its own, far away.
    """
    from pyspark.sql import functions as F

    moment = contract.sources[name].event_time
    judged = decoded(raw, contract, name, keep=KEPT).withColumn("_reason", F.expr(reason(contract, name)))
    return judged.select(
        *(F.col(f"`{as_raw(name)}`").alias(RENAMED.get(name, name)) for name in KEPT),
        F.when(~F.coalesce(F.col("_reason").isin(*UNTIMELY), F.lit(False)), F.col(f"`{moment}`")).alias("event_time"),
        F.expr(schema_id_sql(contract.sources[name])).cast("int").alias("schema_id"),
        F.col("_reason").alias("quarantine_reason"),
        F.expr(id_text_sql(contract.sources[name])).alias("event_id"),
    )
