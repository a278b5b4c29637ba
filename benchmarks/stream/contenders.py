"""The jobs that are set beside each other: each reads both topics to their end and says what it took."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.stream.meter import Meter, Result
from benchmarks.stream.plays import FIELDS, contract_text
from plumbline.connect.home import Home

LOOK_SECONDS = 1.0
"""To look costs CPU too, which counts as the contender's."""

PLAIN_TABLE = """
    CREATE TABLE lake.joined.plain (id string, at timestamp, user string, campaign bigint, placement string,
        price double, played_at timestamp, seconds double, quality string, stalls bigint)
    USING iceberg PARTITIONED BY (days(at))
"""


def plumbline(bootstrap: str, folder: Path, epoch: int, state: str, meter: Meter) -> Result:
    """The whole job, live, until the ledger shows that all is joined; then it ends, which brings the archive up."""
    from plumbline.contract.loader import parse
    from plumbline.stream_job.job_folder import JobFolder
    from plumbline.stream_job.run import run

    contract = parse(contract_text(bootstrap, epoch, state), environment=os.environ)
    home, stop, failures = Home.resolve(folder), threading.Event(), list[BaseException]()
    ledger = JobFolder.of(contract, home).ledger

    def job() -> None:
        try:
            run(contract, home, stop=stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=job)
    thread.start()
    joined = 0
    while joined < meter.total and thread.is_alive():
        time.sleep(LOOK_SECONDS)
        last = ledger.last_epoch()
        joined = sum(sum(side.values()) for side in ledger.read(last).end) if last >= 0 else 0
        if joined:
            meter.look(joined)
    stop.set()
    thread.join()
    if failures:
        raise failures[0]
    return meter.result()


def join(bootstrap: str, folder: Path, epoch: int, state: str, meter: Meter) -> Result:
    """Plumbline's job without its archivers, which no user can leave out: what the join alone takes."""
    from plumbline.stream_job import queries, service

    def join_alone(*parts: queries.Parts, archive: bool = True, **chosen: bool) -> dict[str, queries.Start]:
        return queries.starts(*parts, archive=False, **chosen)

    service.starts = join_alone
    return plumbline(bootstrap, folder, epoch, state, meter)


def plain(bootstrap: str, folder: Path, epoch: int, state: str, meter: Meter) -> Result:
    """The join alone, in plain Spark."""
    spark = _plain_session(folder, state)
    rows = _plain_join(spark, bootstrap, epoch)
    spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.joined")
    spark.sql(PLAIN_TABLE)
    writer = rows.writeStream.format("iceberg").option("fanout-enabled", "true")
    query = writer.option("checkpointLocation", str(folder / "checkpoint")).toTable("lake.joined.plain")
    joined, seen = 0, -1
    while joined < meter.total:
        time.sleep(LOOK_SECONDS)
        if query.exception():
            raise RuntimeError(str(query.exception()))
        for progress in query.recentProgress:
            if progress["batchId"] > seen:
                joined, seen = joined + progress["numInputRows"], progress["batchId"]
        meter.look(joined)
    result = meter.result()
    query.stop()
    return result


def _plain_join(spark: Any, bootstrap: str, epoch: int) -> Any:
    from pyspark.sql import functions as F

    def side(topic: str, moment: str) -> Any:
        raw = (
            spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", bootstrap)
            .option("subscribe", topic)
            .option("startingOffsets", "earliest")
            .option("maxOffsetsPerTrigger", epoch)
            .load()
        )
        event = raw.select(F.from_json(F.col("value").cast("string"), FIELDS[topic]).alias("event")).select("event.*")
        return event.withWatermark(moment, "10 minutes").alias(topic)

    condition = "impressions.id = plays.id AND played_at >= at AND played_at <= at + INTERVAL 30 MINUTES"
    rows = side("impressions", "at").join(side("plays", "played_at"), F.expr(condition), "leftOuter")
    columns = ["impressions.id", "at", "impressions.user", "campaign", "placement", "price"]
    return rows.select(*columns, "played_at", "seconds", "quality", "stalls")


def _plain_session(folder: Path, state: str) -> Any:
    """Spark's defaults, but for two shuffle partitions, the jars, and the state store that is asked for."""
    from pyspark.sql import SparkSession

    from plumbline.connect.jars import spark_jars
    from plumbline.connect.lake import Lake
    from plumbline.stream_job.queries import STATE_PROVIDERS

    home = Home.resolve(folder)
    settings = {
        "spark.driver.extraClassPath": os.pathsep.join(map(str, spark_jars(home))),
        "spark.driver.memory": "2g",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.streaming.stateStore.providerClass": STATE_PROVIDERS[state],
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        **Lake.open(home).spark_conf(),
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


CONTENDERS = {"plumbline": plumbline, "join": join, "plain": plain}
