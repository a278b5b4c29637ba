"""A bounded read of a topic by exact offsets, in the archive's own shape."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from plumbline.contract.generations import Ids, in_topic
from plumbline.contract.model import Contract
from plumbline.replay.pieces import Piece, within
from plumbline.stream_job.archive import archived
from plumbline.stream_job.queries import numbered

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def topic_rows(
    spark: SparkSession, contract: Contract, kafka: Mapping[str, str], name: str, pieces: Sequence[Piece], ids: Ids = ()
) -> DataFrame:
    """The records of these pieces as the archiver would keep them; a partition without a piece starts where it ends.

    `ids` are those of the topics that the name has had: the pieces are of the newest (see contract.generations).
    A partition may have a piece below the archive's and one above: what lies between is read and left out again.
    """
    from plumbline.connect.kafka import earliest_offsets, spark_options

    topic, generation = contract.sources[name].topic, max(0, len(ids) - 1)
    start = {str(partition): offset for partition, offset in earliest_offsets(kafka, topic).items()}
    end = dict(start)
    for piece in pieces:
        own = [other for other in pieces if other.partition == piece.partition]
        there = str(in_topic(piece.partition, generation))
        start[there] = min(other.start for other in own)
        end[there] = max(other.end for other in own)
    raw = (
        spark.read.format("kafka")
        .options(**spark_options(dict(kafka)))
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .option("endingOffsets", json.dumps({topic: end}))
        .option("includeHeaders", "true")
        .option("failOnDataLoss", "true")
        .load()
    )
    return archived(numbered(raw, generation).where(within(pieces, "offset")), contract, name)
