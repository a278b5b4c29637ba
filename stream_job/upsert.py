"""The writing of `output.mode: upsert`: each epoch is one MERGE of the newest row per key, one commit of the table.

The commit names the query and the epoch as those of appends do, so that an epoch that Spark does again after a kill is
found there and left out, and whoever reads the commits finds the epochs. An epoch without rows commits too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from plumbline.connect.home import on_this_disk
from plumbline.contract.commit_properties import EPOCH_ID, QUERY_ID
from plumbline.contract.lineage import EVENT_TIME
from plumbline.contract.upsert import newness, state_columns
from plumbline.stream_job.checkpoint_health import last_sink_epoch
from plumbline.stream_job.failures import lost_file, lost_race
from plumbline.stream_job.spark_internals import causes_behind

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import DataFrame
    from pyspark.sql.streaming import StreamingQuery

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

TABLE_PROPERTIES = {
    # What an epoch changes is written beside the files that it does not rewrite.
    "write.merge.mode": "merge-on-read",
    "write.merge.distribution-mode": "none",
}
"""Of a table that epochs are merged into, beside those that are appended to."""
SNAPSHOT_PROPERTY = "spark.sql.iceberg.snapshot-property."
"""Session settings that begin so are properties of the session's commits (Iceberg's SparkSQLProperties): SQL has no
option for them. Spark gives each query a session of its own, so no other query's commits get them."""
SPARK_QUERY = "sql.streaming.queryId"
"""The local property of the thread of an epoch that names its query (Spark's StreamExecution.QUERY_ID_KEY)."""
_SOURCE = "plumbline_epoch"
MERGES = 5


def write_stream(
    rows: DataFrame, lake: Lake, contract: Contract, checkpoint: str, trigger: dict[str, Any]
) -> StreamingQuery:
    """Start to merge `rows` into the stream table, exactly once by the checkpoint's query id and epoch."""

    def merge(epoch: DataFrame, number: int) -> None:
        merge_epoch(epoch, number, lake, contract)

    return (
        rows.writeStream.outputMode("append")
        .option("checkpointLocation", on_this_disk(checkpoint))
        .trigger(**trigger)
        .foreachBatch(merge)
        .start()
    )


def merge_epoch(rows: DataFrame, number: int, lake: Lake, contract: Contract) -> None:
    """Merge the rows of one epoch, unless the table's newest epoch of the query says that it has been done.

    Then too they are computed: that writes the state of the join, and Spark (4.1.4) commits an epoch without it, whose
    checkpoint then cannot go on (`findings/spark-foreachbatch-skipped-epoch.sh`).
    """
    spark = rows.sparkSession
    query = str(spark.sparkContext.getLocalProperty(SPARK_QUERY))
    newest = _newest(rows, contract).persist()
    try:
        span = _span(newest)
        if _is_done(lake.load(contract.output.stream_table), query, number):
            return
        for name, value in ((QUERY_ID, query), (EPOCH_ID, str(number))):
            spark.conf.set(f"{SNAPSHOT_PROPERTY}{name}", value)
        newest.createOrReplaceTempView(_SOURCE)
        until_committed(lambda: spark.sql(merge_sql(contract, rows.columns, span)))
    finally:
        newest.unpersist()


def until_committed(merge: Callable[[], object]) -> None:
    """Merge, and once more where another commit, such as one of `plumbline maintain`, has made that void: it replaced a
    file whose rows are updated, or let the snapshot expire that was read. MERGES times in all, then the error stands.
    """
    for attempt in range(1, MERGES + 1):
        try:
            merge()
            return
        except Exception as error:
            causes = causes_behind(error)
            if attempt == MERGES or not (lost_race(causes) or lost_file(causes)):
                raise


def _is_done(table: Table, query: str, number: int) -> bool:
    done = last_sink_epoch(table)
    return done is not None and done[0] == query and done[1] >= number


def merge_sql(contract: Contract, columns: list[str], span: tuple[int, int] | None) -> str:
    """The MERGE of an epoch whose rows have event times in `span`; other files of the table are not looked into."""
    same = [f"t.`{name}` <=> s.`{name}`" for name in state_columns(contract)]
    near = ["false"] if span is None else [f"t.`{EVENT_TIME}` BETWEEN {_moment(span[0])} AND {_moment(span[1])}"]
    values = ", ".join(f"t.`{name}` = s.`{name}`" for name in columns)
    return f"""
        MERGE INTO lake.{contract.output.stream_table} t USING {_SOURCE} s ON {" AND ".join([*same, *near])}
        WHEN MATCHED AND ({_newer(newness(contract))}) THEN UPDATE SET {values}
        WHEN NOT MATCHED THEN INSERT ({", ".join(f"`{name}`" for name in columns)})
            VALUES ({", ".join(f"s.`{name}`" for name in columns)})
    """


def _newest(rows: DataFrame, contract: Contract) -> DataFrame:
    """The newest row of each key; Spark orders NULL before every value, and structs by their fields in turn."""
    from pyspark.sql import functions as F

    whole, order = F.struct(*rows.columns), F.struct(*newness(contract))
    best = rows.groupBy(*state_columns(contract)).agg(F.max_by(whole, order).alias("row"))
    return best.select("row.*")


def _newer(columns: tuple[str, ...]) -> str:
    """SQL: the row `s` is newer than `t` by the first of these columns that differs; NULL is the oldest."""
    first, *rest = columns
    mine, other = f"s.`{first}`", f"t.`{first}`"
    newer = f"({mine} IS NOT NULL AND ({other} IS NULL OR {mine} > {other}))"
    return f"{newer} OR ({mine} <=> {other} AND ({_newer(tuple(rest))}))" if rest else newer


def _span(rows: DataFrame) -> tuple[int, int] | None:
    """The least and the greatest event time, in us since 1970; None without rows."""
    from pyspark.sql import functions as F

    found = rows.agg(F.min(F.unix_micros(EVENT_TIME)), F.max(F.unix_micros(EVENT_TIME))).first()
    return None if found is None or found[0] is None else (found[0], found[1])


def _moment(us: int) -> str:
    return f"timestamp_micros({us})"
