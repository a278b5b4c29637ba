"""What the late rows cost: CPU of the streaming job without them, and of their looks, at one late event in a hundred.

    .venv/bin/python -m benchmarks.stream.late --events 300000

The job joins and archives the events once with the looks turned off; then the same ledger is looked at in `--looks`
steps into an empty table, as by a job that runs for two minutes: it looks once a minute. Prints one JSON document;
exits 1 when the looks take more than 5 % of the job's CPU, or when the table is not what the plain model says was late.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.stream import cpu

# isort: split
from plumbline.connect.broker import start, stop
from plumbline.connect.home import Home
from plumbline.stream_job.late.rows import LateRows
from plumbline.stream_job.ledger import Ledger
from plumbline.stream_job.service import Service
from tests.support.foreign_job import deliver
from tests.support.model import Event
from tests.support.scenario import Scenario

MOST = 0.05
LATE_EVERY = 100
AT_ONCE = 5_000


def traffic(events: int, seed: int) -> tuple[list[Event], list[Event]]:
    """Orders and as many payments of the next hour; one in a hundred of each side is stamped five hours back."""
    draw, orders, payments = random.Random(seed), [], []
    for n in range(events // 2):
        minute = n / 100
        orders.append(Event(f"o{n}", minute - 300 * (n % LATE_EVERY == 5), partition=n % 2))
        paid = minute + draw.uniform(0, 5) - 300 * (n % LATE_EVERY == 17)
        payments.append(Event(f"o{n}", paid, f"p{n}", partition=n % 2))
    return orders, payments


def looked(job: Scenario, steps: int) -> tuple[int, float]:
    """Rows and CPU seconds of this process, of a ledger that grows in so many steps."""
    whole, growing = list(job.ledger.epochs()), Ledger(job.home.root / "growing", job.job.join)
    late, rows, spent = LateRows(job.lake, job.contract), 0, 0.0
    share = max(1, -(-len(whole) // steps))
    for first in range(0, len(whole), share):
        for epoch in whole[first : first + share]:
            growing.keep(epoch)
        before = time.process_time()
        rows += late.note(growing, at_end=True)
        spent += time.process_time() - before
    return rows, spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--looks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broker = Home.resolve(Path(folder) / "broker")
        kafka = {"bootstrap.servers": start(broker).bootstrap_servers}
        changes = {"stream": {"max_events_per_epoch": AT_ONCE}}
        job = Scenario.begin(Path(folder), kafka, "late", changes)
        deliver(job, *traffic(wanted.events, wanted.seed))
        Service.note_late = lambda self, at_end=False: None  # type: ignore[method-assign, assignment, misc]
        before = time.process_time()
        assert job.spark
        job.epoch()
        stream = cpu.total() - before
        rows, spent = looked(job, wanted.looks)
        right = job.noted_as_late() == job.outcome().late
        stop(broker)
    found = {
        "events": wanted.events,
        "late_rows": rows,
        "as_the_model_says": right,
        "stream_cpu_s": round(stream, 1),
        "late_cpu_s": round(spent, 2),
        "share": round(spent / stream, 4),
    }
    print(json.dumps(found))
    return 0 if right and rows and spent <= MOST * stream else 1


if __name__ == "__main__":
    sys.exit(main())
