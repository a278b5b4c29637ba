"""How long an epoch takes that has next to nothing to do: ten events a side; join, archivers and ledger running.

    python -m benchmarks.stream.near_empty [--epochs 120] [--events 10] [--snapshots 0]

Runs the job on a broker and a lake of its own, feeds it one epoch after the other, and prints a line for the first and
the last third of the epochs: median and 9th decile by Spark's own clock, and CPU seconds an epoch, of Spark and of the
job's own process. The first third warms up the JVM. `--snapshots` puts so many commits into the stream table before:
each commit writes the list of all. The machine should be idle.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import yaml

from plumbline.connect import broker
from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, create_topics, produce
from plumbline.connect.lake import Lake
from plumbline.contract.loader import load
from plumbline.contract.model import Contract
from plumbline.stream_job import heartbeat
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.run import run

DEADLINE_SECONDS = 300
TICKS = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """One epoch: how long it took, and the CPU seconds of the JVM and of this process up to its end."""

    seconds: float
    jvm: float
    python: float


def contract_in(folder: Path, kafka: dict[str, str]) -> Contract:
    fields = {"id": "string", "at": "timestamp", "amount": "double", "label": "string"}
    source = {"fields": fields, "event_time": "at", "watermark": "1 hour"}
    body = {
        "contract": "near-empty",
        "sources": {
            "orders": {**source, "topic": "orders", "archive": "raw.orders"},
            "payments": {**source, "topic": "payments", "archive": "raw.payments"},
        },
        "join": {"left": "orders", "right": "payments", "on": ["id"], "within": ["0 minutes", "1 hour"]},
        "output": {
            "key": ["id"],
            "columns": ["orders.amount", {"paid": "payments.amount"}],
            "stream_table": "joined.stream",
            "batch_table": "joined.batch",
        },
        "stream": {"every": "0 seconds"},
        "kafka": kafka,
    }
    path = folder / "near-empty.yaml"
    path.write_text(yaml.safe_dump(body, sort_keys=False))
    return load(path)


def feed(kafka: dict[str, str], first: int, count: int) -> None:
    """`count` events a side, a second of event time apart, half of the orders with their payment."""
    start_ms = 1_700_000_000_000
    records = []
    for number in range(first, first + count):
        at = start_ms + number * 1000
        value = {"id": str(number), "amount": 1.5, "label": "x" * 20}
        spelled = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at / 1000))}
        records.append(Record("orders", value["id"].encode(), json.dumps(value | spelled).encode(), at))
        value["id"] = str(number - number % 2)
        records.append(Record("payments", value["id"].encode(), json.dumps(value | spelled).encode(), at))
    produce(kafka, records, linger_ms=0)


def cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def jvm_of_spark() -> int:
    from pyspark import SparkContext

    return int(SparkContext._gateway.proc.pid)


def samples(contract: Contract, kafka: dict[str, str], job: JobFolder, epochs: int, events: int) -> list[Sample]:
    """Feed epoch by epoch; a sample for each that read something."""
    found: list[Sample] = []
    for number in range(epochs):
        before = heartbeat.read(job.root)
        fed = (before.flows[0].events if before else 0) + events
        feed(kafka, number * events, events)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            now = heartbeat.read(job.root)
            if now is not None and now.flows[0].events >= fed and now.done.epoch == _last(job):
                break
            if time.monotonic() > deadline:
                raise SystemExit(f"epoch {number} was not read within {DEADLINE_SECONDS} s")
            time.sleep(0.02)
        found.append(Sample(now.done.epoch_seconds or 0.0, cpu(jvm_of_spark()), cpu(os.getpid())))
    return found


def _last(job: JobFolder) -> int:
    return job.ledger.last_epoch()


def told(name: str, part: list[Sample]) -> str:
    seconds = [sample.seconds for sample in part]
    count = len(part) - 1
    jvm, python = ((part[-1][column] - part[0][column]) / count for column in (1, 2))
    decile = statistics.quantiles(seconds, n=10)[-1]
    return (
        f"{name:<14} median {statistics.median(seconds):.2f} s, 9th decile {decile:.2f} s, "
        f"CPU {jvm:.2f} s of Spark and {python:.3f} s of the job an epoch"
    )


def phases() -> str:
    """The median of each phase over the newest epochs of the join, as Spark reports them."""
    from pyspark.sql import SparkSession

    session = SparkSession._instantiatedSession
    assert session is not None
    reports = [
        report["durationMs"]
        for query in session.streams.active
        for report in map(json.loads, (progress.json for progress in query.recentProgress[-100:]))
        if len(report["stateOperators"]) and "addBatch" in report["durationMs"]
    ]
    names = sorted({name for report in reports for name in report})
    medians = {name: statistics.median(report.get(name, 0) for report in reports) for name in names}
    listed = ", ".join(f"{name} {ms:.0f}" for name, ms in sorted(medians.items(), key=lambda item: -item[1]))
    return f"phases, median in ms over {len(reports)} epochs with and without data: {listed}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--epochs", type=int, default=120)
    options.add_argument("--events", type=int, default=10)
    options.add_argument("--snapshots", type=int, default=0)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="near-empty-") as scratch:
        home = Home(Path(scratch) / "home", Home.resolve().jars)
        servers = broker.start(home).bootstrap_servers
        kafka = {"bootstrap.servers": servers}
        create_topics(kafka, {"orders": 2, "payments": 2})
        contract = contract_in(Path(scratch), kafka)
        stop = threading.Event()
        if chosen.snapshots:
            filled(contract, home, chosen.snapshots)
        thread = threading.Thread(target=run, args=(contract, home), kwargs={"stop": stop}, daemon=True)
        thread.start()
        try:
            taken = samples(contract, kafka, JobFolder.of(contract, home), chosen.epochs, chosen.events)
            third = len(taken) // 3
            print(f"{chosen.epochs} epochs of 2 x {chosen.events} events; load {os.getloadavg()[0]:.1f}", flush=True)
            print(told("first third", taken[:third]), flush=True)
            print(told("last third", taken[-third:]), flush=True)
            print(phases(), flush=True)
        finally:
            stop.set()
            thread.join()
            broker.stop(home)


def filled(contract: Contract, home: Home, snapshots: int) -> None:
    """Give the stream table so many snapshots, by empty commits after one run of the job."""
    run(contract, home, once=True)
    lake = Lake.open(home, contract.catalog)
    table = lake.load(contract.output.stream_table)
    empty = table.schema().as_arrow().empty_table()
    for _ in range(snapshots):
        table.append(empty)


if __name__ == "__main__":
    main()
