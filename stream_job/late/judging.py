"""Which late records a source's `where` lets in, asked of the Spark that runs the join: its word decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from plumbline.contract.lineage import OFFSET, PARTITION
from plumbline.stream_job.events import events, read_columns

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

    from plumbline.contract.model import Contract

Place = tuple[int, int]
Judge = Callable[[str, "pa.Table"], set[Place] | None]
"""Name of a source and rows of its archive to the places (partition, offset) of those that can enter the join; None
where that could not be told."""


def by_spark(spark: SparkSession, contract: Callable[[], Contract]) -> Judge:
    """A judge that evaluates the contract as the join does, in a batch over the few records that were late.

    `contract` gives it with the schemas of its Avro events, which may take a question to the registry.
    """

    def judge(name: str, rows: pa.Table) -> set[Place] | None:
        archived = {"timestamp": "kafka_timestamp"}
        try:
            equipped = contract()
            columns = [*read_columns(equipped.sources[name])]
            raw = spark.createDataFrame(rows.select([archived.get(c, c) for c in columns]).rename_columns(columns))
            found = events(raw, equipped, name).select(PARTITION, OFFSET).collect()
        except Exception:  # the stream's own trouble, which it tells itself; these rows stay unsure
            return None
        return {(int(row[0]), int(row[1])) for row in found}

    return judge
