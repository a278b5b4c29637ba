"""The properties by which commits of the output tables say what made them."""

from __future__ import annotations

from typing import Final

QUERY_ID, EPOCH_ID = "spark.sql.streaming.queryId", "spark.sql.streaming.epochId"
"""Of an epoch of Spark's: Iceberg's sink writes them (`SparkWrite.StreamingAppend`), and so do our upserts."""

PUBLISHED: Final = "replay.id"
ROLLED_BACK: Final = "replay.rollback-of"
"""Of a publish and of its rollback; their value is the replay's id."""
