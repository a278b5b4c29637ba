"""Four plain PySpark joins as teams write them, killed and started again, and what Plumbline says of their rows.

    .venv/bin/python -m benchmarks.stream.foreign_jobs [--events 300000] [--job without ...] [--seed 7] [--write PAGE]

The jobs (tests/support/foreign_job.py) write rows with the coordinates of their records, without them, by foreachBatch
and MERGE, and with a third topic joined in the same query. Each reads the same orders and payments, of which one in 97
comes hours late on either side, from a real Kafka broker in three rounds, in processes of its own, some of which are
killed by SIGKILL. `plumbline observe` runs beside the first job, and after the others. Then the topics are archived,
joined as a batch, and reconciled. An independent model of the join says which rows the job must have written and why
each other one is not there. Prints a table; exits 1 where a row has another cause than the model's, where any is
unexplained, books do not balance, the prediction does not agree, or a file of the job's was changed.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plumbline.connect.broker import start, stop
from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, create_topics, produce
from plumbline.contract.lineage import SIDES
from plumbline.stream_job.observe.observer import observe
from tests.support import foreign_job
from tests.support.crashing import Sink, signal_all
from tests.support.model import Event
from tests.support.scenario import Scenario, until

JOBS = {
    "coordinates": "with coordinates",
    "without": "without coordinates",
    "merge": "foreachBatch and MERGE",
    "third": "a third source",
}
LATE_EVERY = 97
BATCHES = 24
"""About so many batches for all events: Spark keeps the last hundred, and the model reads them all at the end."""
ROUNDS = ((), ("random", "after-sink-commit"), ("after-sink-commit",))
"""What the processes of a round are killed at, before one that ends by itself."""
PATIENCE_SECONDS = 600
Told = dict[tuple[str, str, str | None], str]
"""Class, order and payment of a differing row to its cause."""


def traffic(orders: int, seed: int) -> tuple[list[Event], list[Event]]:
    """Orders every 6 s in the order in which they come, four in five paid within the hour and some of them twice."""
    draw, left, right = random.Random(seed), [], []
    for n in range(orders):
        minute = n / 10
        left.append((minute + 300 * (n % LATE_EVERY == 5), Event(f"o{n}", minute, partition=n % 2)))
        for part in range((draw.random() < 0.8) + (draw.random() < 0.02)):
            paid = minute + draw.uniform(0, 59)
            came = paid + 300 * ((n + part) % LATE_EVERY == 17)
            right.append((came, Event(f"o{n}", paid, f"p{n}.{part}", partition=draw.randrange(2))))
    return [event for _, event in sorted(left, key=_came)], [event for _, event in sorted(right, key=_came)]


def _came(one: tuple[float, Event]) -> float:
    return one[0]


def _part(events: list[Event], number: int) -> list[Event]:
    return events[number * len(events) // len(ROUNDS) : (number + 1) * len(events) // len(ROUNDS)]


class Team:
    """One job with its topics, its table and its checkpoint, and what was done to it."""

    def __init__(self, job: str, folder: Path, kafka: dict[str, str], events: int) -> None:
        self.job, self.checkpoint = job, folder / "checkpoint"
        self.at_once = max(50, events // BATCHES)
        says: dict[str, Any] = {"kind": "spark", "checkpoint": str(self.checkpoint), "event_time": "at"}
        says |= {} if job == "without" else {"lineage": foreign_job.LINEAGE}
        says |= {"join_first": True, "held_back": "0 minutes"} if job == "third" else {}
        self.scenario = Scenario.begin(folder, kafka, job, {"job": says})
        create_topics(kafka, {foreign_job.shops_of(self.scenario): 1})
        shop = json.dumps({"shop": "s1", "town": "Ghent"}).encode()
        produce(kafka, [Record(foreign_job.shops_of(self.scenario), b"s1", shop, 0, partition=0)])
        self.restarts: list[int] = []
        self.kills: Counter[str] = Counter()
        self.log = folder / "job.log"

    def committed(self) -> int:
        folder = self.checkpoint / "commits"
        return len([path for path in folder.iterdir() if path.name.isdigit()]) if folder.is_dir() else 0

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """The job in a process of its own; killed by SIGKILL, with its JVM, when the block ends."""
        self.restarts.append(self.committed())
        scenario = self.scenario
        command = [sys.executable, "-m", "benchmarks.stream.foreign_jobs", "--run", self.job]
        command += [str(scenario.contract_path), str(scenario.home.root), str(self.checkpoint), str(self.at_once)]
        with self.log.open("ab") as sink:
            process = subprocess.Popen(command, stdout=sink, stderr=sink, start_new_session=True)
        try:
            yield process
        finally:
            signal_all(process, signal.SIGKILL)
            process.wait(60)

    def run(self) -> None:
        """Run to the end of the topics."""
        with self.process() as process:
            if process.wait(PATIENCE_SECONDS) != 0:
                raise RuntimeError(f"the job failed: {self.log.read_text()[-3000:]}")

    def kill(self, point: str, dice: random.Random) -> None:
        """Run, and kill at a moment within the first batches: at any, or when the table has rows of a batch that the
        checkpoint does not call committed."""
        begun, sink = self.committed(), self._sink()
        with self.process() as process:
            until(lambda: self.committed() > begun or process.poll() is not None, "no batch was committed", 240)
            end, moment = begun + 1 + dice.randrange(3), time.monotonic() + dice.uniform(0, 3)
            while process.poll() is None and time.monotonic() < moment + 90:
                ready = self.committed() >= end and sink.where() == point
                if time.monotonic() > moment if point == "random" else ready:
                    break
                time.sleep(0.002)
            killed = process.poll() is None
        if killed:
            self.kills[self._sink().where() if point == "random" else sink.where()] += 1

    def _sink(self) -> Sink:
        scenario = self.scenario
        return Sink(self.checkpoint, scenario.home.lake / "catalog.db", scenario.contract.output.stream_table)

    def play(self, orders: list[Event], payments: list[Event], dice: random.Random) -> None:
        """Deliver in rounds, and run, kill and run again in each."""
        stopped, watch = threading.Event(), None
        for number, kills in enumerate(ROUNDS):
            foreign_job.deliver(self.scenario, *(_part(events, number) for events in (orders, payments)))
            for point in kills:
                self.kill(point, dice)
            self.run()
            if self.job == "coordinates" and watch is None:
                watch = threading.Thread(
                    target=observe, args=(self.scenario.contract, self.scenario.home), kwargs={"stop": stopped}
                )
                watch.start()
        stopped.set()
        if watch is not None:
            watch.join(60)

    def mine(self) -> tuple[dict[str, str], str]:
        """What must not change: the checkpoint's files, and the table's metadata."""
        table = self.scenario.lake.load(self.scenario.contract.output.stream_table)
        return foreign_job.digest(self.checkpoint), table.metadata_location

    def plumbline(self, *command: str) -> dict[str, Any]:
        """A command's document."""
        scenario = self.scenario
        words = [sys.executable, "-m", "plumbline", *command, str(scenario.contract_path), "--json"]
        words += ["--home", str(scenario.home.root), *(["--once"] if command[0] in ("archive", "observe") else [])]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{' '.join(words)}: {done.stderr[-3000:]}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def expected(self) -> tuple[Counter[tuple[str, str | None]], Told]:
        """The model's rows as (order, payment), and the cause of each row that differs."""
        scenario = self.scenario
        topics = [scenario.contract.left.topic, scenario.contract.right.topic]
        played = foreign_job.play(scenario, foreign_job.batches(self.checkpoint, topics), self.restarts[1:])
        rows, causes = foreign_job.expected(scenario, played)
        orders, payments = (
            {(one.partition, one.offset): one.event.called for one in scenario.placed[side]} for side in SIDES
        )
        named = {
            (kind, orders[left], None if right is None else payments[right]): cause
            for (kind, left, right), cause in causes.items()
        }
        return Counter((orders[left], None if right is None else payments[right]) for left, right in rows), named

    def held(self) -> Counter[tuple[str, str | None]]:
        """The rows of the job's table."""
        rows = self.scenario.lake.load(self.scenario.contract.output.stream_table).scan().to_arrow()
        return Counter(zip(rows["id"].to_pylist(), rows["payment"].to_pylist(), strict=True))

    def told(self) -> Told:
        """The recorded findings but pending ones."""
        found = self.scenario.lake.load("plumbline.findings").scan().to_arrow().to_pylist()
        keys = ((row, json.loads(row["key"])) for row in found if row["cause"] != "pending")
        return {(row["class"], key["id"], key["payment"]): row["cause"] for row, key in keys}


def measure(job: str, events: int, seed: int, folder: Path, kafka: dict[str, str]) -> dict[str, Any]:
    """One job from its first event to the verdict on its rows."""
    folder.mkdir()
    team, dice = Team(job, folder, kafka, events), random.Random(seed)
    orders, payments = traffic(round(events / 1.82), seed)
    team.play(orders, payments, dice)
    mine = team.mine()
    team.plumbline("archive", "run")
    seen = team.plumbline("observe")
    team.plumbline("batch", "run")
    document = team.plumbline("reconcile")
    rows, causes = team.expected()
    told, held = team.told(), team.held()
    wrong = [(row, told.get(row), causes.get(row)) for row in {*told, *causes} if told.get(row) != causes.get(row)]
    return {
        "job": job,
        "events": len(orders) + len(payments),
        "batches": team.committed(),
        "starts": len(team.restarts),
        "kills": dict(team.kills),
        "epochs": seen["epochs"],
        "rows": held.total(),
        "rows_wrong": ((rows - held) + (held - rows)).total(),
        "causes": dict(Counter(told.values())),
        "pending": document["counts"]["pending"],
        "causes_wrong": len(wrong),
        "wrong": sorted(map(str, wrong))[:10],
        "unexplained": document["unexplained"],
        "balanced": document["balanced"],
        "agrees": document["agrees"],
        "predicted": document["predicted"],
        "unknown": document["unknown"],
        "untouched": team.mine() == mine,
    }


def holds(found: dict[str, Any]) -> bool:
    """Whether all is as it must be."""
    nothing = not (found["rows_wrong"] or found["causes_wrong"] or found["unexplained"])
    return bool(nothing and found["causes"] and found["balanced"] and found["agrees"] and found["untouched"])


def table(reports: list[dict[str, Any]]) -> list[str]:
    """The reports as a Markdown table."""
    lines = [
        "| job | events | batches | starts | of them killed | rows | `late_left` | `late_right` | `pending` "
        "| another cause | `unexplained` | prediction |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in reports:
        numbers = (one["events"], one["batches"], one["starts"], sum(one["kills"].values()), one["rows"])
        late = (one["causes"].get("late_left", 0), one["causes"].get("late_right", 0), one["pending"])
        shown = [f"{number:,}" for number in (*numbers, *late, one["causes_wrong"], one["unexplained"])]
        agrees = {True: "agrees", False: "does not agree", None: "none"}[one["agrees"]]
        lines.append(f"| {' | '.join([JOBS[one['job']], *shown, agrees])} |")
    return lines


def run_job(job: str, contract: str, home: str, checkpoint: str, at_once: str) -> None:
    """The team's own process."""
    from plumbline.connect.spark import session
    from plumbline.contract.loader import load

    kafka = load(contract).kafka
    scenario = Scenario(Home.resolve(Path(home)), {k: str(v) for k, v in (kafka or {}).items()}, Path(contract))
    spark = session(scenario.home, scenario.lake, app=job)
    query = foreign_job.start_plain_join(spark, scenario, Path(checkpoint), at_once=int(at_once), job=job)
    query.awaitTermination()
    spark.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--job", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--write", type=Path, help="a page of docs/ in which the table is replaced")
    parser.add_argument("--run", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_job(*options.run)
        return 0
    reports = []
    with tempfile.TemporaryDirectory(prefix="foreign-jobs-", ignore_cleanup_errors=True) as folder:
        broker = Home(Path(folder) / "broker", Home.resolve().jars)
        kafka = {"bootstrap.servers": start(broker).bootstrap_servers}
        try:
            for job in options.job:
                reports.append(measure(job, options.events, options.seed, Path(folder) / job, kafka))
                print(json.dumps(reports[-1]), flush=True)
        finally:
            stop(broker)
    lines = table(reports)
    print("\n".join(lines))
    if options.write:
        put = "\n".join(["<!-- foreign jobs -->", *lines, "<!-- end -->"])
        page = options.write.read_text()
        put_in = re.sub(r"<!-- foreign jobs -->.*?<!-- end -->", lambda _: put, page, flags=re.DOTALL)
        options.write.write_text(put_in)
    return 0 if all(map(holds, reports)) else 1


if __name__ == "__main__":
    sys.exit(main())
