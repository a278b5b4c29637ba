"""A plain PySpark join as a team writes it, and what it must have done by the rules in `join_model.py`.

The job shares nothing with ours. Which offsets each batch read, by topic, is taken from its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.kafka import Record, produce
from tests.support.join_model import is_closed, is_late, next_watermark
from tests.support.model import Event, Placed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming import StreamingQuery

    from tests.support.scenario import Scenario

DELAY_MS, HOUR_MS = 10 * 60_000, 60 * 60_000
LOST, ASTRAY = "lost", "o10"
Place = tuple[int, int]
COLUMNS = (
    "id STRING, payment STRING, label STRING, amount DOUBLE, paid DOUBLE, `at` TIMESTAMP, "
    "order_p INT, order_o BIGINT, pay_p INT, pay_o BIGINT"
)
LINEAGE = {"left": {"partition": "order_p", "offset": "order_o"}, "right": {"partition": "pay_p", "offset": "pay_o"}}


def start_plain_join(
    spark: SparkSession, s: Scenario, checkpoint: Path, *, at_once: int, job: str = "coordinates"
) -> StreamingQuery:
    """Orders with their payments of the next hour, `at_once` records of each topic in a batch.

    `job` is how a team wrote it: with `coordinates` of its records in the rows; `without`; with `merge`, in which
    `foreachBatch` merges each batch into the table; or with a `third` source, the topic of shops, which it joins too.
    `deduplicated`: each order counts once. `behind`: orders are joined with what was in stock for them within two hours
    first, and payment LOST goes astray. `held`: what comes out of the join waits for the order's stock for two hours,
    and the rows of order ASTRAY go astray behind that.
    """
    table = f"lake.{s.contract.output.stream_table}"
    columns = ["id", "payment", "label", "amount", "paid", "at", "order_p", "order_o", "pay_p", "pay_o"]
    kept = {"without": columns[:6], "third": [*columns, "town"]}.get(job, columns)
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {table.rpartition('.')[0]}")
    spark.sql(f"CREATE TABLE IF NOT EXISTS {table} ({_declared(kept)}) USING iceberg")
    rows = _joined(spark, s, at_once, job)
    if job == "third":
        shops = _read(spark, s, shops_of(s), "shop STRING, town STRING", at_once).select("shop", "town")
        rows = rows.join(shops, "shop")
    if job == "held":
        rows = _with_stock(spark, s, rows, at_once, "leftOuter").where(f"id <> '{ASTRAY}'")
    query = (
        rows.select(*kept)
        .writeStream.outputMode("append")
        .option("checkpointLocation", f"file://{checkpoint}")
        .trigger(availableNow=True)
    )
    if job == "merge":
        return query.foreachBatch(lambda batch, number: _merge(batch, table)).start()
    return query.format("iceberg").toTable(table)


def shops_of(s: Scenario) -> str:
    """The topic of the third source."""
    return f"{s.contract.contract}.shops"


def _declared(columns: Sequence[str]) -> str:
    known = {part.split()[0].strip("`"): part for part in f"{COLUMNS}, town STRING".split(", ")}
    return ", ".join(known[name] for name in columns)


def stock_of(s: Scenario) -> str:
    """The topic that job `behind` joins first, and job `held` last."""
    return f"{s.contract.contract}.stock"


def _joined(spark: SparkSession, s: Scenario, at_once: int, job: str) -> DataFrame:
    from pyspark.sql import functions as F

    orders_topic, payments_topic = s.contract.left.topic, s.contract.right.topic
    orders = _read(spark, s, orders_topic, "id STRING, shop STRING, at TIMESTAMP, label STRING, amount DOUBLE", at_once)
    orders = orders.withColumnRenamed("partition", "order_p").withColumnRenamed("offset", "order_o")
    payments = _read(spark, s, payments_topic, "id STRING, paid_at TIMESTAMP, payment STRING, paid DOUBLE", at_once)
    payments = payments.selectExpr(
        "id AS order_id", "paid_at", "payment", "paid", "partition AS pay_p", "offset AS pay_o"
    )
    orders, payments = orders.withWatermark("at", "10 minutes"), payments.withWatermark("paid_at", "10 minutes")
    if job == "deduplicated":
        orders = orders.dropDuplicatesWithinWatermark(["id"])
    if job == "behind":
        orders = _with_stock(spark, s, orders, at_once, "inner")
        payments = payments.where(f"payment <> '{LOST}'")
    within = F.expr("id = order_id AND paid_at >= `at` AND paid_at <= `at` + INTERVAL 60 MINUTES")
    return orders.join(payments, within, "leftOuter")


def _with_stock(spark: SparkSession, s: Scenario, rows: DataFrame, at_once: int, kind: str) -> DataFrame:
    from pyspark.sql import functions as F

    stock = _read(spark, s, stock_of(s), "item STRING, stocked_at TIMESTAMP", at_once).select("item", "stocked_at")
    known = F.expr("id = item AND stocked_at >= `at` AND stocked_at <= `at` + INTERVAL 120 MINUTES")
    return rows.join(stock.withWatermark("stocked_at", "10 minutes"), known, kind).drop("item", "stocked_at")


def _merge(batch: DataFrame, table: str) -> None:
    """A batch that is done again after a crash changes nothing."""
    batch.createOrReplaceTempView("takes")
    batch.sparkSession.sql(
        f"MERGE INTO {table} t USING takes s ON t.id = s.id AND t.payment <=> s.payment "
        "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )


def _read(spark: SparkSession, s: Scenario, topic: str, schema: str, at_once: int) -> DataFrame:
    raw = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", s.kafka["bootstrap.servers"])
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", at_once)
        .load()
    )
    return raw.selectExpr(f"from_json(CAST(value AS STRING), '{schema}') AS v", "partition", "offset").select(
        "v.*", "partition", "offset"
    )


def deliver(s: Scenario, orders: Sequence[Event], payments: Sequence[Event]) -> None:
    """As `Scenario.feed`, for many events."""
    for side, source, events in (("left", "orders", orders), ("right", "payments", payments)):
        taken = defaultdict(int)
        for one in s.placed[side]:
            taken[one.partition] = max(taken[one.partition], one.offset + 1)
        topic, records = s.contract.sources[source].topic, []
        for event in events:
            s.placed[side].append(Placed(event, event.partition, taken[event.partition]))
            taken[event.partition] += 1
            value, ms = event.value(side), (event.us or 0) // 1000
            records.append(Record(topic, str(event.id).encode(), value, ms, partition=event.partition))
        produce(s.kafka, records)


def digest(folder: Path) -> dict[str, str]:
    """Each file below a checkpoint with the hash of its content; not of its state, where Spark tidies up by itself."""
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != "state"
    )
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@dataclass(frozen=True)
class Played:
    """What the job did: the late events of each side by their place, and how far windows of orders are closed (ms)."""

    late: Mapping[str, set[Place]]
    closed_ms: int


def batches(checkpoint: Path, topics: Sequence[str]) -> list[list[dict[str, int]]]:
    """The ends that each batch read to in these topics, from Spark's own files."""
    found = []
    for number in sorted(int(path.name) for path in (checkpoint / "commits").iterdir() if path.name.isdigit()):
        lines = (checkpoint / "offsets" / str(number)).read_text().splitlines()[2:]
        named: dict[str, Any] = {}
        for line in lines:
            named |= {} if line == "-" else json.loads(line)
        found.append([named.get(topic, {}) for topic in topics])
    return found


def play(s: Scenario, read: Sequence[Sequence[Mapping[str, int]]], restarts: Sequence[int]) -> Played:
    """Play the batches; `restarts` are the first batches of later starts: what was newest is forgotten there."""
    late: dict[str, set[Place]] = {"left": set(), "right": set()}
    places = {side: {(one.partition, one.offset): one.event.us or 0 for one in s.placed[side]} for side in late}
    reached: dict[str, dict[str, int]] = {"left": {}, "right": {}}
    newest: dict[str, int | None] = {"left": None, "right": None}
    late_ms = evict_ms = 0
    for number, ends in enumerate(read):
        late_ms = evict_ms
        evict_ms = next_watermark(evict_ms, newest.values(), [DELAY_MS] * 2)
        if number in restarts:
            newest = {"left": None, "right": None}
        for side, end in zip(late, ends, strict=True):
            for partition, offset in end.items():
                for at in range(reached[side].get(partition, 0), offset):
                    us = places[side][int(partition), at]
                    newest[side] = max(newest[side] or 0, us // 1000)
                    if is_late(us, late_ms):
                        late[side].add((int(partition), at))
            reached[side] |= end
    return Played(late, evict_ms)


def expected(s: Scenario, played: Played) -> tuple[set[tuple[Place, Place | None]], dict[tuple[str, Any, Any], str]]:
    """The stream's rows as (order, payment), and each differing row's cause by (class, order, payment); what is only
    open yet is left out. An unmatched row that the batch does not have is named with the payments that it lacks."""
    payments: dict[str | None, list[Placed]] = defaultdict(list)
    for one in s.placed["right"]:
        payments[one.event.id].append(one)
    rows: set[tuple[Place, Place | None]] = set()
    causes: dict[tuple[str, Any, Any], str] = {}
    for order in s.placed["left"]:
        us, left = order.event.us or 0, (order.partition, order.offset)
        gone, closed = left in played.late["left"], is_closed(us, played.closed_ms, HOUR_MS)
        mine = [one for one in payments[order.event.id] if 0 <= (one.event.us or 0) - us <= HOUR_MS * 1000]
        admitted = []
        for one in mine:
            right = (one.partition, one.offset)
            if gone:
                causes["missing", left, right] = "late_left"
            elif right in played.late["right"]:
                causes["missing", left, right] = "late_right"
            else:
                admitted.append(right)
        rows |= set() if gone else {(left, right) for right in admitted}
        if gone and not mine:
            causes["missing", left, None] = "late_left"
        if not gone and not admitted and closed:
            rows.add((left, None))
            if mine:
                causes["extra", left, None] = "late_right"
        if not gone and mine and not admitted and not closed:  # its unmatched row may still come
            for one in mine:
                causes.pop(("missing", left, (one.partition, one.offset)))
    return rows, causes
