"""Kafka coordinates for the rows of a team's own Spark job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KAFKA = {"partition": "int", "offset": "bigint"}
"""Columns of Spark's Kafka source that name a record, and their types."""


def lineage(frame: DataFrame, name: str) -> DataFrame:
    """A frame of Spark's Kafka source with the columns `<name>_partition` and `<name>_offset`, which name its records.

    Call it on what `load()` gives, before anything is selected, and let both columns through to the table; an
    unmatched row has null in them. Then `job.lineage` of the contract names them. Two frames that are joined get two
    names. Nothing else of the frame changes.

    Raises UsageError for a frame that is not Kafka's, and for a name that is taken.
    """
    types = dict(frame.dtypes)
    lacks = [column for column, kind in KAFKA.items() if types.get(column) != kind]
    if lacks:
        raise UsageError(
            f"the frame has no column {lacks[0]} of type {KAFKA[lacks[0]]}: its rows do not name Kafka records",
            where=f"columns {', '.join(frame.columns)}",
            next_step="call lineage on what spark.readStream.format('kafka')...load() gives, before any select",
        )
    added = {f"{name}_{column}": column for column in KAFKA}
    taken = [column for column in added if column in types]
    if taken:
        raise UsageError(
            f"the frame has a column {taken[0]} already",
            where=f"columns {', '.join(frame.columns)}",
            next_step="give lineage another name for these coordinates",
        )
    return frame.select("*", *(frame[column].alias(new) for new, column in added.items()))
