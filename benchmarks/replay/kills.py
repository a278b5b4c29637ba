"""SIGKILL at random moments of every step of a replay, while a reader watches the table and a writer appends to it.

    .venv/bin/python -m benchmarks.replay.kills --kills 100 --seed 7

A day with late rows is planned, run, audited, published, rolled back and cleared away, over and over; each command is
a process of its own, forked from one that has only imported the libraries (else most kills would fall into that). It is
killed at a moment drawn over its usual duration, and repeated until it ends. All the while a writer appends rows
outside the day, and a reader scans the current snapshot: the day must hold either exactly the rows from before or
exactly the replayed ones, and every appended row once. Prints a line for each step and a report; exits 1 when any look
was wrong or a command could not be repeated.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from plumbline.cli import main as main_of_plumbline
from plumbline.connect.broker import start, stop
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.lineage import COORDINATES, EVENT_TIME
from tests.support.model import START, Event, Row, joined
from tests.support.replaying import SECOND_DAY
from tests.support.scenario import Scenario

OUTSIDE = START + timedelta(days=2, hours=3)
COMMANDS = multiprocessing.get_context("forkserver")
COMMANDS.set_forkserver_preload(
    ["__main__", "plumbline.cli", "duckdb", "pyspark.sql", "pyiceberg.catalog.sql", "pyiceberg.io.pyarrow"]
)

PAUSE_S = 2.0
"""Between two appends; the reader looks ten times as often, if it can."""

SHARE = {"plan": 2, "run": 3, "audit": 2, "publish": 3, "rollback": 3, "gc": 2}
"""How often a command is killed each time before it may end."""

CYCLE = ("plan", "run", "audit", *("publish", "rollback") * 3, "publish", "gc", "rollback", "gc")
EXTRA = {
    "plan": ["--from", SECOND_DAY.as_json()["from"], "--to", SECOND_DAY.as_json()["to"]],
    "gc": ["--older-than", "1 second", "--execute"],
}


def begun(folder: Path, kafka: dict[str, str], seed: int) -> Scenario:
    """The second of three days has late rows on both sides."""
    job = Scenario.begin(folder, kafka, f"kills{seed}", {"output": {"partition_by": "month"}})
    for left, right in (
        ([Event("before", 1200), Event("b", 1450), Event("c", 1460, partition=1)], [Event("b", 1455, "p-b")]),
        ([Event("d", 2800), Event("after", 2890)], [Event("d", 2850, "p-d"), Event("after", 2900, partition=1)]),
        ([Event("l1", 1470), Event("l2", 1480, partition=1)], [Event("c", 1465, "p-c"), Event("l1", 1475, "p-l1")]),
        ([Event("end", 6000)], [Event("end", 6000, "p-end")]),
    ):
        job.feed(left, right).epoch()
    job.batch()
    return job


class Watch:
    """The writer and the reader, each with a catalog of its own; `wrong` says what was seen that must not be."""

    def __init__(self, job: Scenario, states: tuple[list[tuple[Any, ...]], ...]) -> None:
        self.job, self.states = job, states
        self.ended, self.appended, self.looks = threading.Event(), 0, 0
        self.wrong: list[str] = []

    @contextmanager
    def running(self) -> Iterator[Watch]:
        threads = [threading.Thread(target=target, daemon=True) for target in (self._write, self._read)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.ended.set()
            for thread in threads:
                thread.join(60)

    def _write(self) -> None:
        import pyarrow as pa

        lake = Lake.open(self.job.home)
        schema = lake.load("joined.stream").schema().as_arrow()
        while not self.ended.wait(PAUSE_S):
            row = {"id": "w", EVENT_TIME: OUTSIDE, "_left_partition": 0, "_left_offset": 10**6 + self.appended}
            lake.append("joined.stream", pa.Table.from_pylist([row], schema=schema))
            self.appended += 1

    def _read(self) -> None:
        lake = Lake.open(self.job.home)
        while not self.ended.is_set():
            known = self.appended
            rows = lake.load("joined.stream").scan(selected_fields=(EVENT_TIME, *COORDINATES)).to_arrow().to_pylist()
            self.looks += 1
            if lineage(rows) not in self.states:
                self.wrong.append(f"the day holds {len(lineage(rows))} rows of neither state")
            written = [row["_left_offset"] for row in rows if row["_left_offset"] and row["_left_offset"] >= 10**6]
            if len(written) != len(set(written)) or len(written) < known:
                self.wrong.append(f"{known} rows were appended, {len(set(written))} are there, {len(written)} in all")
            time.sleep(PAUSE_S / 10)


def lineage(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What the rows of the day were made from, sorted."""
    inside = [row for row in rows if SECOND_DAY.contains(row[EVENT_TIME])]
    return sorted((tuple(-1 if row[c] is None else row[c] for c in COORDINATES)) for row in inside)


def of_rows(rows: list[Row]) -> list[tuple[Any, ...]]:
    """The same of the model's rows."""
    return lineage(
        [{EVENT_TIME: row.at, **dict(zip(COORDINATES, (*row.left, *row.right), strict=True))} for row in rows]
    )


def command(job: Scenario, step: str) -> ForkServerProcess:
    """The step as a process that has begun."""
    named = [str(job.contract_path)] if step == "plan" else [] if step == "gc" else ["latest"]
    more = EXTRA.get(step, [] if step == "audit" else ["--execute"])
    words = ["replay", step, *named, *more, "--home", str(job.home.root)]
    process = COMMANDS.Process(target=plumbline, args=(words, job.home.root / "command.log"))
    process.start()
    return process


def plumbline(words: list[str], log: Path) -> None:
    """What the forked process does: the command line, its output in `log`."""
    with log.open("w") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    main_of_plumbline(words)


def killed(process: ForkServerProcess, after_s: float) -> bool:
    """Kill a command after so long; whether it was still running."""
    process.join(after_s)
    alive = process.is_alive()
    process.kill()
    process.join(60)
    return alive


class Trial:
    """The kills: how many of each command, how long each usually takes, and what could not be repeated."""

    def __init__(self, watch: Watch, seed: int) -> None:
        self.job, self.watch, self.dice = watch.job, watch, random.Random(seed)
        self.kills, self.usual_s, self.failed = Counter[str](), dict[str, float](), list[str]()

    def cycle(self, most: int) -> None:
        """Every step of a replay once or more, each killed several times before it may end."""
        for step in CYCLE:
            for _ in range(SHARE[step] if self.kills.total() < most and step in self.usual_s else 0):
                self.kills[step] += killed(command(self.job, step), self.dice.uniform(0.2, 1.1) * self.usual_s[step])
            self._finish(step)
            seen = {"looks": self.watch.looks, "wrong": len(self.watch.wrong), "failed": len(self.failed)}
            print(json.dumps({"at": f"{datetime.now():%H:%M:%S}", "step": step, **self.kills, **seen}), flush=True)

    def _finish(self, step: str) -> None:
        if step == "gc":
            time.sleep(1.1)
        begun = time.monotonic()
        done = command(self.job, step)
        done.join()
        self.usual_s[step] = time.monotonic() - begun
        if done.exitcode != 0:
            self.failed.append(f"{step}: {(self.job.home.root / 'command.log').read_text().splitlines()[-1:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--report", type=Path, help="write the report as JSON here")
    given = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM):  # also where a shell's background had SIGINT ignored
        signal.signal(ending, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as scratch, ExitStack() as last:
        broker = Home.resolve(Path(scratch) / "broker")
        kafka = {"bootstrap.servers": start(broker).bootstrap_servers}
        last.callback(stop, broker)
        job = begun(Path(scratch), kafka, given.seed)
        complete = joined(job.contract, job.placed["left"], job.placed["right"], None)
        watch = Watch(job, (of_rows(job.rows()), of_rows(complete)))
        trial = Trial(watch, given.seed)
        with watch.running(), suppress(KeyboardInterrupt):  # the report tells what was done until then
            while trial.kills.total() < given.kills and not (watch.wrong or trial.failed):
                trial.cycle(given.kills)
    report = {
        "seed": given.seed,
        "kills": trial.kills.total(),
        "of": dict(trial.kills),
        "looks": watch.looks,
        "appended": watch.appended,
        "wrong": watch.wrong[:5],
        "failed": trial.failed[:5],
    }
    print(json.dumps(report))
    if given.report:
        given.report.write_text(json.dumps(report, indent=1))
    return 1 if watch.wrong or trial.failed else 0


if __name__ == "__main__":
    sys.exit(main())
