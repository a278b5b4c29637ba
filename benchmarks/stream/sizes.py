"""Whether `plumbline size` says what a job takes: three jobs, of which the smallest is the sample for the others.

    python -m benchmarks.stream.sizes [--state memory] [--seconds 160] [--rates 250 500 1000] [--epoch 10000]

Each job joins so many impressions a second of event time, and their plays (0.6 each), for so many seconds, and is then
compared with the batch reference and reconciled. Prints a line of JSON for each figure that `size` makes of the first
job's sample for the rate of another, beside what that job took; then what each job took, in CPU seconds too, those of
the start and of a cold JVM among them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.stream import cpu, plays
from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, create_topics, produce
from plumbline.connect.lake import Lake
from plumbline.contract.loader import load
from plumbline.sizing.model import OutputSample
from plumbline.sizing.sample import sample_of

SECOND_US = 1_000_000
WINDOW_S, DELAY_S, PLAYED_WITHIN_S, DISORDER_S = 30, 10, 20, 2
PER_ROW = "joined.stream, bytes of a row"
Job = dict[str, Any]


def records(rate: int, seconds: int) -> Iterator[Record]:
    """Both topics in the order of delivery."""
    draw = random.Random(7)
    due: list[tuple[int, str, int, int]] = []
    end = plays.START_US + seconds * SECOND_US
    for number in range(rate * seconds):
        us = plays.START_US + number * SECOND_US // rate
        due.append((us + draw.randrange(DISORDER_S * SECOND_US), "impressions", number, us))
        if draw.random() < 0.6:
            us += draw.randrange(PLAYED_WITHIN_S * SECOND_US)
            due.append((us + draw.randrange(DISORDER_S * SECOND_US), "plays", number, us))
    make = {"impressions": plays.impression, "plays": plays.play}
    for at, topic, number, us in sorted(due):
        if at >= end:
            break
        event = make[topic](number, us, draw)
        yield Record(topic, event["id"].encode(), json.dumps(event).encode(), us // 1000)


def contract_text(bootstrap: str, epoch: int, state: str) -> str:
    text = plays.contract_text(bootstrap, epoch, state)
    return text.replace("10 minutes", f"{DELAY_S} seconds").replace("30 minutes", f"{WINDOW_S} seconds")


def child(contract_file: Path, home: Home, command: str) -> Job:
    """Run one job of the contract in this process; what it took."""
    from plumbline.batch_reference.run import run as batch
    from plumbline.contract.ranges import TimeRange
    from plumbline.reconcile.run import reconcile
    from plumbline.stream_job import heartbeat
    from plumbline.stream_job.job_folder import JobFolder
    from plumbline.stream_job.run import run as stream

    contract = load(contract_file)
    if command == "stream":
        stream(contract, home, once=True, say=lambda _: None)
        told = heartbeat.read(JobFolder.of(contract, home).root)
        assert told is not None
        return {
            "cpu": cpu.total(),
            "events": sum(flow.events for flow in told.flows),
            "epochs": told.done.epochs,
            "state_rows": told.done.state_rows,
            "state_bytes": told.done.state_bytes,
            "peak": cpu.peak_mb(cpu.jvm()) * 1_000_000,
        }
    if command == "batch":
        batch(contract, home, TimeRange())
        return {"batch_cpu": cpu.total()}
    counts = reconcile(contract, home, full=True).document["counts"]
    return {"reconcile_cpu": sum(os.times()[:2]), "batch_rows": counts["batch"]}


def job(rate: int, seconds: int, epoch: int, state: str, folder: Path) -> Job:
    """One job from its topics to its reconcile, each command in a process of its own."""
    from plumbline.connect.broker import start, stop

    broker, home = Home.resolve(folder / "broker"), folder / "home"
    try:
        bootstrap = start(broker).bootstrap_servers
        create_topics({"bootstrap.servers": bootstrap}, {"impressions": 2, "plays": 2})
        produce({"bootstrap.servers": bootstrap}, records(rate, seconds))
        contract = folder / "sizes.yaml"
        contract.write_text(contract_text(bootstrap, epoch, state))
        found: Job = {"rate": rate, "epoch": epoch, "home": str(home), "contract": str(contract)}
        for command in ("stream", "batch", "reconcile"):
            line = [sys.executable, "-m", __spec__.name, "--child", command, str(contract), str(home)]
            done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
            found |= json.loads(done.stdout.splitlines()[-1])
        logs = {topic: list(broker.root.rglob(f"{topic}-*/*.log")) for topic in plays.FIELDS}
        found["topics"] = {topic: sum(log.stat().st_size for log in of) for topic, of in logs.items()}
        return found
    finally:
        stop(broker)


def document(of: Job, rate: float, seconds: int) -> dict[str, Any]:
    """What `plumbline size` says on the sample of a job."""
    rates = [f"--events-per-second={name}={n}" for name, n in (("impressions", rate), ("plays", rate * 0.6))]
    line = [sys.executable, "-m", "plumbline", "size", of["contract"], *rates, "--days", str(seconds / 86_400)]
    done = subprocess.run([*line, "--home", of["home"], "--json"], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def took(of: Job) -> dict[str, float]:
    """What the job has left behind, under the names that `said` gives.

    Of the stream table the bytes of a row: rows whose windows are open at the end are missing in it.
    """
    contract, home = load(Path(of["contract"])), Home.resolve(of["home"])
    sample, output = sample_of(contract, home, Lake.open(home)), contract.output
    assert sample.batch is not None
    tables = {output.batch_table: sample.batch}
    tables |= {contract.sources[name].archive: OutputSample(source.records, source.archive_bytes)
               for name, source in sample.sources.items()}  # fmt: skip
    rows = {f"{name}, {what}": getattr(of, what) for name, of in tables.items() for what in ("rows", "bytes")}
    each = sample.stream.bytes / sample.stream.rows
    return {
        **rows,
        **of["topics"],
        "rows in state": of["state_rows"],
        "bytes of state": of["state_bytes"],
        PER_ROW: each,
    }


def said(document: dict[str, Any]) -> dict[str, float]:
    tables, stream = dict(document["tables"]), document["stream"]
    joined = tables.pop("joined.stream")
    rows = {f"{name}, {what}": of[what] for name, of in tables.items() for what in ("rows", "bytes")}
    waiting = sum(stream["open_rows"].values())
    each = joined["bytes"] / joined["rows"]
    return {
        **rows,
        **document["topics"],
        "rows in state": waiting,
        "bytes of state": stream["state_bytes"],
        PER_ROW: each,
    }


def compare(sample: Job, other: Job, seconds: int) -> None:
    """Print what `size` makes of the sample for the other's rate beside what the other took."""
    figures, real = said(document(sample, other["rate"], seconds)), took(other)
    for name, figure in figures.items():
        ratio = round(figure / real[name], 3)
        print(json.dumps({"rate": other["rate"], "figure": name, "size": figure, "took": real[name], "ratio": ratio}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", choices=("memory", "rocksdb"), default="memory")
    parser.add_argument("--seconds", type=int, default=160)
    parser.add_argument("--rates", type=int, nargs="+", default=[250, 500, 1000])
    parser.add_argument("--epoch", type=int, default=10_000, help="events per source and epoch")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        command, contract, home = given.child
        print(json.dumps(child(Path(contract), Home.resolve(home), command)))
        return
    with tempfile.TemporaryDirectory(prefix="sizes-") as scratch:
        folders = {rate: Path(scratch) / str(rate) for rate in given.rates}
        for folder in folders.values():
            folder.mkdir()
        runs = [job(rate, given.seconds, given.epoch, given.state, folder) for rate, folder in folders.items()]
        for other in runs[1:]:
            compare(runs[0], other, given.seconds)
        for run in runs:
            print(json.dumps({name: value for name, value in run.items() if name not in ("home", "contract")}))


if __name__ == "__main__":
    main()
