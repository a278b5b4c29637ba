"""Events per second and CPU seconds per million, Kafka (JSON, 8 fields) to Iceberg: Plumbline beside plain Spark.

    python benchmarks/stream/throughput.py [--events 1000000] [--epoch 50000] [--contenders plumbline-memory,...]

Plays (0.6 per impression) within 30 minutes of their impressions, both sides a little out of order, 10 minutes of
watermark: about 250,000 rows are open at any time. `plumbline` runs its whole job (judging, quarantine column, lineage,
archiver of both topics, epoch ledger), `join` the same without its archivers; `plain` Spark runs the same join alone,
as its documentation writes it, with two shuffle partitions and otherwise default settings. Each contender is a process
of its own on the same topics, one after the other. `steady` starts when 30 % of the events are joined; CPU is that of
the process and of its JVM. The JVM's compiler works for minutes; `of_it_compiler` is what a job of hours does not pay.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from connect.home import Home

os.environ.setdefault("PLUMBLINE_JARS", str(Path(__file__).resolve().parents[2] / ".plumbline" / "jars"))

CONTENDERS = ("plumbline-memory", "join-memory", "plain-memory", "plumbline-rocksdb", "join-rocksdb", "plain-rocksdb")
PARTITIONS = 2
STEADY_FROM = 0.3
MINUTE_US = 60_000_000
START_US = 1_700_000_000_000_000
FIELDS = {
    "impressions": "id string, at timestamp, user string, campaign bigint, placement string, price double, "
    "country string, device string",
    "plays": "id string, played_at timestamp, user string, seconds double, quality string, stalls bigint, "
    "player string, country string",
}
PLAIN_TABLE = """
    CREATE TABLE lake.joined.plain (id string, at timestamp, user string, campaign bigint, placement string,
        price double, played_at timestamp, seconds double, quality string, stalls bigint)
    USING iceberg PARTITIONED BY (days(at))
"""


def impression(number: int, us: int, draw: random.Random) -> dict[str, Any]:
    return {
        "id": f"imp-{number:09d}",
        "at": _iso(us),
        "user": f"user-{draw.randrange(100_000)}",
        "campaign": draw.randrange(500),
        "placement": f"placement-{draw.randrange(2_000)}",
        "price": round(draw.random() * 9, 4),
        "country": draw.choice(("DE", "FR", "US", "JP")),
        "device": draw.choice(("mobile", "desktop", "tv")),
    }


def play(number: int, us: int, draw: random.Random) -> dict[str, Any]:
    return {
        "id": f"imp-{number:09d}",
        "played_at": _iso(us),
        "user": f"user-{draw.randrange(100_000)}",
        "seconds": round(draw.expovariate(1 / 40), 3),
        "quality": draw.choice(("sd", "hd", "uhd")),
        "stalls": draw.randrange(4),
        "player": f"player-{draw.randrange(30)}",
        "country": draw.choice(("DE", "FR", "US", "JP")),
    }


def _iso(us: int) -> str:
    seconds, micros = divmod(us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}Z"


def records(events: int) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """(topic, event time in us, event) of both topics, each in the order of delivery: event time and up to a minute."""
    draw, step = random.Random(7), 10_000
    due = [("impressions", n, START_US + n * step) for n in range(events)]
    due += [
        ("plays", n, START_US + n * step + draw.randrange(25 * MINUTE_US))
        for n in draw.sample(range(events), events * 6 // 10)
    ]
    due.sort(key=lambda item: item[2] + draw.randrange(MINUTE_US))
    for topic, number, us in due:
        yield topic, us, (impression if topic == "impressions" else play)(number, us, draw)


def contract_text(bootstrap: str, epoch: int, state: str) -> str:
    def fields(topic: str) -> str:
        return ", ".join(f"{pair.split()[0]}: {pair.split()[1]}" for pair in FIELDS[topic].split(", "))

    text = f"""
contract: throughput
sources:
  impressions: {{topic: impressions, fields: {{{fields("impressions")}}}, event_time: at, watermark: 10 minutes,
    archive: raw.impressions}}
  plays: {{topic: plays, fields: {{{fields("plays")}}}, event_time: played_at, watermark: 10 minutes,
    archive: raw.plays}}
join: {{left: impressions, right: plays, kind: left_outer, on: [id], within: [0 minutes, 30 minutes]}}
output:
  key: [id]
  columns: [impressions.at, impressions.user, impressions.campaign, impressions.placement, impressions.price,
    plays.played_at, plays.seconds, plays.quality, plays.stalls]
  stream_table: joined.stream
  batch_table: joined.batch
  partition_by: day
stream: {{max_events_per_epoch: {epoch}, every: 0 seconds, state: {state}}}
kafka: {{bootstrap.servers: "{bootstrap}"}}
"""
    return text.replace("bigint", "long")


class Meter:
    """CPU of this process and its JVM from a moment on, and events joined since then."""

    def __init__(self, total: int) -> None:
        self.total, self.begun, self.steady = total, (time.monotonic(), cpu()), (0, 0.0, 0.0, 0.0)

    def look(self, joined: int) -> None:
        """Note the moment when the steady part begins."""
        if not self.steady[0] and joined >= STEADY_FROM * self.total:
            self.steady = (joined, time.monotonic(), cpu(), _compiler_cpu())

    def result(self) -> dict[str, float]:
        wall, total, compiler = time.monotonic(), cpu(), _compiler_cpu()
        joined, since, spent, compiled = self.steady
        events = self.total - joined
        return {
            "events": self.total,
            "seconds": round(wall - self.begun[0], 1),
            "cpu_per_million": round((total - self.begun[1]) / self.total * 1e6, 1),
            "steady_events_per_second": round(events / (wall - since)),
            "steady_cpu_per_million": round((total - spent) / events * 1e6, 1),
            "of_it_compiler": round((compiler - compiled) / events * 1e6, 1),
            "peak_mb": sum(peak_mb(pid) for pid in family()),
        }


def family() -> list[int]:
    """This process and all below it but the broker, which no contender starts."""
    found, todo = [], [os.getpid()]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            todo += map(int, task.read_text().split())
    return found


def cpu() -> float:
    """CPU seconds of this process and all below it."""
    return sum(_ticks(Path(f"/proc/{pid}/stat"), with_children=True) for pid in family())


def _compiler_cpu() -> float:
    """CPU of the JVM's compiler threads, which are among the threads of this process's family."""
    found = 0.0
    for task in [task for pid in family() for task in Path(f"/proc/{pid}/task").iterdir()]:
        with suppress(OSError):  # Other threads end while we look.
            if re.match("C[12] Compiler", (task / "comm").read_text()):
                found += _ticks(task / "stat")
    return found


def _ticks(stat: Path, *, with_children: bool = False) -> float:
    """CPU seconds by a `stat` file of /proc: user and system, with those of children that have ended."""
    parts = stat.read_text().rsplit(")", 1)[1].split()
    return sum(map(int, parts[11 : 15 if with_children else 13])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> int:
    """The largest resident size that a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def plumbline(bootstrap: str, folder: Path, epoch: int, state: str, total: int) -> dict[str, float]:
    """The whole job, live, until the ledger shows that all is joined; then it ends, which brings the archive up."""
    from contract.loader import parse
    from stream_job.job import JobFolder
    from stream_job.run import run

    contract = parse(contract_text(bootstrap, epoch, state), environment=os.environ)
    home, stop, failures = Home.resolve(folder), threading.Event(), list[BaseException]()
    ledger = JobFolder.of(contract, home).ledger

    def job() -> None:
        try:
            run(contract, home, stop=stop)
        except BaseException as error:
            failures.append(error)

    thread, meter = threading.Thread(target=job), Meter(total)
    thread.start()
    joined = 0
    while joined < total and thread.is_alive():
        time.sleep(0.2)
        last = ledger.last_epoch()
        joined = sum(sum(side.values()) for side in ledger.read(last).end) if last >= 0 else 0
        meter.look(joined)
    stop.set()
    thread.join()
    if failures:
        raise failures[0]
    return meter.result()


def join(bootstrap: str, folder: Path, epoch: int, state: str, total: int) -> dict[str, float]:
    """Plumbline's job without its archivers, which no user can leave out: what the join alone takes."""
    from stream_job import queries, service

    def join_alone(*parts: queries.Parts, archive: bool = True, **chosen: bool) -> dict[str, queries.Start]:
        return queries.starts(*parts, archive=False, **chosen)

    service.starts = join_alone
    return plumbline(bootstrap, folder, epoch, state, total)


def plain(bootstrap: str, folder: Path, epoch: int, state: str, total: int) -> dict[str, float]:
    """The join alone, in plain Spark."""
    spark = _plain_session(folder, state)
    rows = _plain_join(spark, bootstrap, epoch)
    spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.joined")
    spark.sql(PLAIN_TABLE)
    meter = Meter(total)
    writer = rows.writeStream.format("iceberg").option("fanout-enabled", "true")
    query = writer.option("checkpointLocation", str(folder / "checkpoint")).toTable("lake.joined.plain")
    joined, seen = 0, -1
    while joined < total:
        time.sleep(0.2)
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

    from connect.jars import spark_jars
    from connect.lake import Lake
    from stream_job.queries import STATE_PROVIDERS

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


def fill(bootstrap: str, events: int, say: Callable[[str], None]) -> int:
    """Create and fill both topics; returns how many events they hold."""
    from connect.kafka import Record, create_topics, produce

    client = {"bootstrap.servers": bootstrap}
    create_topics(client, dict.fromkeys(FIELDS, PARTITIONS))
    say(f"producing {events:,} impressions and {events * 6 // 10:,} plays")
    return produce(
        client,
        (
            Record(topic, event["id"].encode(), json.dumps(event).encode(), us // 1000)
            for topic, us, event in records(events)
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="impressions; there are 0.6 plays for each")
    parser.add_argument("--epoch", type=int, default=50_000, help="events per source and epoch")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--child", nargs=3, metavar=("NAME", "BOOTSTRAP", "TOTAL"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        name, bootstrap, total = given.child
        who, state = name.split("-")
        contender = {"plumbline": plumbline, "join": join, "plain": plain}[who]
        print(json.dumps({"contender": name, **contender(bootstrap, given.folder, given.epoch, state, int(total))}))
        return
    _compare(given.contenders.split(","), given.events, given.epoch)


def _compare(contenders: list[str], events: int, epoch: int) -> None:
    from connect.broker import start, stop

    with tempfile.TemporaryDirectory() as scratch:
        home = Home.resolve(scratch)
        broker = start(home)
        try:
            total = fill(broker.bootstrap_servers, events, lambda line: print(line, file=sys.stderr, flush=True))
            for name in contenders:
                child = ["--child", name, broker.bootstrap_servers, str(total), "--epoch", str(epoch)]
                command = [sys.executable, __file__, *child, "--folder", f"{scratch}/{name}"]
                subprocess.run(command, check=True, stdout=sys.stdout)
        finally:
            stop(home)


if __name__ == "__main__":
    main()
