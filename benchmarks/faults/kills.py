"""The fault matrix: a streaming job is killed again and again, and must end with what the plain model says, row by row.

    .venv/bin/python -m benchmarks.faults.kills --rounds 5 --seed 9

Each round is a live job of its own: random kind of join and bounds, state in memory (even seeds) or in RocksDB (odd
ones), events in disorder on two partitions, some of them late. It is killed by SIGKILL at each named point and at
random moments; between two lives the newest commit file is deleted, or the tables are compacted and everything expired
that may go; and twice the job lives through a fault before it is killed: the broker is restarted, the catalog locked
for ten seconds. At the end no row may be missing or be there twice, the ledger must have no gap and end where the
topics end, every record must be archived once, and reconcile must explain every difference from the batch reference.
Prints a line a round and a table; exits 1 when a round fails. A round is repeated by its seed: `--rounds 1 --seed
SEED`. With `--random N` a round is N kills at random moments instead, with nothing between them.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

from benchmarks.faults.rounds import Report, changes, feed, main, options

# isort: split
from plumbline.connect import broker
from plumbline.connect.home import Home
from plumbline.connect.kafka import end_offsets
from plumbline.stream_job.maintain import Limits, maintain
from tests.support.crashing import NAMED, started
from tests.support.model import Event
from tests.support.scenario import Scenario, until

RANDOM = 6
"""Kills at random moments among the other faults of a round."""

TRIES = 3
SPAN_SECONDS = 6.0
LOCKED_SECONDS = 10.0
EVENTS_A_STEP = 30
EVERYTHING = Limits(snapshots=timedelta(0))

Step = Callable[[], None]


class Matrix:
    """One job under faults, and what was done to it."""

    def __init__(self, seed: int, folder: Path, home: Home) -> None:
        self.dice, self.broker = random.Random(seed), home
        self.made = changes(self.dice, (6, 10))
        self.made["stream"]["state"] = ("memory", "rocksdb")[seed % 2]
        kafka = {"bootstrap.servers": broker.start(home).bootstrap_servers}
        self.job = Scenario.begin(folder, kafka, f"r{seed}", self.made)
        self.steps = 0
        self.start_seconds = 20.0
        self.did: list[str] = []

    def note(self, what: str) -> None:
        self.did.append(what)
        print(f"step {self.steps}: {what}, epoch {self.job.ledger.last_epoch()}", file=sys.stderr, flush=True)

    def feed(self) -> None:
        self.steps += 1
        step = self.steps
        self.job.feed(*feed(self.dice, 60 * step, f"s{step}", 6 * step, EVENTS_A_STEP))

    def kill(self, point: str) -> None:
        """Feed, run live, kill at `point`; where the job slips through, it is killed all the same and tried again."""
        for _ in range(TRIES):
            self.feed()
            try:
                self.job.crash(point, self.dice.random(), once=False, span=SPAN_SECONDS)
                self.note("random, at work" if point == "random" else point)
                return
            except AssertionError as slipped:
                if "error:" in str(slipped):
                    raise
                self.note(f"slipped through {point}")

    def kill_anywhere(self) -> None:
        """Kill at a random moment between the start of the process and some seconds after its first epoch."""
        self.feed()
        with started(self.job, once=False) as process:
            time.sleep(self.dice.uniform(0.5, self.start_seconds + SPAN_SECONDS))
            assert process.runs(), f"the job ended by itself: {process.said()}"
        self.note("random, anywhere")

    def live_through(self, name: str, fault: Callable[[], None]) -> None:
        """The running job meets `fault` in the middle of its epochs, catches up, and is killed."""
        self.feed()
        with started(self.job, once=False) as process:
            begun, launched = self.job.ledger.last_epoch(), time.monotonic()
            until(lambda: self.job.ledger.last_epoch() > begun, "no epoch was committed", 240)
            self.start_seconds = time.monotonic() - launched
            self.feed()
            fault()
            self.feed()
            until(lambda: self.caught_up() or not process.runs(), "the job did not catch up", 900)
            assert process.runs(), f"the job did not survive: {process.said()}"
        self.note(name)

    def caught_up(self) -> bool:
        """Whether the ledger ends where the topics end."""
        ledger, sides = self.job.ledger, (self.job.contract.left, self.job.contract.right)
        last = ledger.last_epoch()
        wanted = [{str(p): end for p, end in end_offsets(self.job.kafka, side.topic).items()} for side in sides]
        return last >= 0 and list(ledger.read(last).end) == wanted

    def restart_broker(self) -> None:
        broker.stop(self.broker)
        broker.start(self.broker)

    def lock_catalog(self) -> None:
        with closing(sqlite3.connect(self.job.home.lake / "catalog.db", isolation_level=None, timeout=30)) as catalog:
            catalog.execute("BEGIN EXCLUSIVE")
            time.sleep(LOCKED_SECONDS)
            catalog.execute("ROLLBACK")

    def delete_last_commit(self) -> None:
        commits = sorted((self.job.job.join / "commits").glob("[0-9]*"), key=lambda path: int(path.name))
        if commits:
            commits[-1].unlink()
            self.note("last commit file deleted")

    def compact_and_expire(self) -> None:
        maintain(self.job.contract, self.job.home, EVERYTHING, (), execute=True, spark=self.job.spark)
        self.note("compaction and expiry")

    def prove(self) -> Report:
        """Let the job end in peace, close all windows, and compare everything."""
        job = self.job
        job.feed([Event("end", 9000)], [Event("end", 9000, "p-end")]).epoch()
        found, wanted = Counter(job.rows()), Counter(job.outcome().rows)
        lost, twice = (wanted - found).total(), (found - wanted).total()
        ledger = list(job.ledger.epochs())
        gaps = [epoch.epoch for n, epoch in enumerate(ledger) if epoch.epoch != n]
        gaps += [after.epoch for before, after in pairwise(ledger) if before.end != after.start]
        job.batch()
        unexplained = job.reconcile()["unexplained"]
        late = len(job.outcome().late)
        assert (lost, twice, gaps, unexplained) == (0, 0, [], 0), (
            f"{lost} lost, {twice} twice or wrong, gaps before {gaps}, {unexplained} unexplained"
        )
        assert self.caught_up(), "the ledger does not end where the topics end"
        assert job.archived() == job.delivered(), "a record is not archived, or twice"
        return {"rows": found.total(), "late": late, "epochs": len(ledger), "lost": lost, "twice": twice, "gaps": 0}


def every_fault(matrix: Matrix) -> list[Step]:
    """Every named point, random moments, and the two faults that a living job meets."""
    steps: list[Step] = [lambda point=point: matrix.kill(point) for point in NAMED]
    steps += random_kills(matrix, RANDOM)
    steps += [lambda: matrix.live_through("broker restarted", matrix.restart_broker)]
    steps += [lambda: matrix.live_through("catalog locked for 10 s", matrix.lock_catalog)]
    return steps


def random_kills(matrix: Matrix, count: int) -> list[Step]:
    """Kills at random moments: half of them after the first epoch of a life was planned, half at any moment of it."""
    anywhere = count // 2
    return [lambda: matrix.kill("random")] * (count - anywhere) + [matrix.kill_anywhere] * anywhere


def one_round(seed: int, folder: Path, home: Home, only_random: int = 0) -> Report:
    """Run a round; returns what happened. Raises AssertionError when a row is wrong."""
    matrix = Matrix(seed, folder, home)
    steps = random_kills(matrix, only_random) if only_random else every_fault(matrix)
    matrix.dice.shuffle(steps)
    between = [] if only_random else [matrix.delete_last_commit, matrix.compact_and_expire] * 2
    places = matrix.dice.sample(range(1, len(steps)), len(between))
    for number, step in enumerate(steps):
        step()
        if number in places:
            between[places.index(number)]()
    proven = matrix.prove()
    return {"seed": seed, **matrix.made, "did": matrix.did, **proven}


def total_of(reports: list[Report]) -> Report:
    whole = [report for report in reports if "failed" not in report]
    sums = {name: sum(report[name] for report in whole) for name in ("rows", "late", "epochs", "lost", "twice", "gaps")}
    return {"done": dict(Counter(what for report in whole for what in report["did"])), **sums}


def table_of(reports: list[Report]) -> str:
    """The report as a Markdown table."""
    total = total_of(reports)
    lines = ["| fault | times |", "|---|---|"]
    lines += [f"| {what} | {count} |" for what, count in sorted(total["done"].items())]
    figures = ", ".join(f"{total[name]:,} {name}" for name in ("epochs", "rows", "late", "lost", "twice", "gaps"))
    return "\n".join([*lines, "", figures])


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--random", type=int, default=0, metavar="N", help="N kills at random moments, nothing else")
    given = parser.parse_args()
    sys.exit(main(given, partial(one_round, only_random=given.random), total_of, table_of))
