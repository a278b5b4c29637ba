"""An aggregate behind the streaming join, killed by SIGKILL again and again: every line predicted and explained.

    .venv/bin/python -m benchmarks.stream.aggregate_kills [--events 300000] [--kills 20] [--seed 7] [--write PAGE]

Orders with their payments of the next hour, in windows of ten minutes per shop; one record in 97 comes five hours late
on either side. `plumbline stream run` is killed at named points and at random moments, with its JVM, and started again.
An independent model (tests/support/aggregate_model.py) says which records were late, which rows came out of the join in
which batch, whether any of them came behind the windows' clock, and with it each line of both tables and the cause of
each difference. Prints a table; exits 1 where a line is another one, a cause differs, any is unexplained, the books do
not balance or the prediction does not agree.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.stream.foreign_jobs import traffic

# isort: split
from plumbline.connect.broker import start, stop
from plumbline.connect.home import Home
from plumbline.reconcile.aggregates.run import reconcile_aggregate
from tests.support import foreign_job
from tests.support.aggregate_model import WEIGHT, Modelled, is_line, modelled, play
from tests.support.aggregates import VALUES, aggregated
from tests.support.crashing import NAMED
from tests.support.model import Event
from tests.support.scenario import Scenario

EPOCHS = 160
"""So few events in each that most of those which come five hours late come behind the watermark."""
SHOPS = 5
SLIPS = 5
POINTS = ("random", *(point for point in NAMED if point != "during-archive-commit"))


class Job:
    """The job with its topics, and what was done to it."""

    def __init__(self, folder: Path, kafka: dict[str, str], events: int) -> None:
        changes = {"stream": {"max_events_per_epoch": max(50, events // EPOCHS)}}
        made = Scenario.begin(folder, kafka, "takes", changes)
        self.scenario = aggregated(made, group_by=["orders.shop"], values={**VALUES, **WEIGHT})
        self.restarts: list[int] = []
        self.kills: Counter[str] = Counter()

    def committed(self) -> int:
        folder = self.scenario.job.join / "commits"
        return len([path for path in folder.iterdir() if path.name.isdigit()]) if folder.is_dir() else 0

    def kill(self, point: str, chance: float) -> bool:
        """Start it and kill it at a point; False where it ended before."""
        self.restarts.append(self.committed())
        try:
            self.scenario.crash(point, chance)
        except AssertionError as slipped:
            if "error:" in str(slipped):
                raise
            return False
        self.kills[point] += 1
        return True

    def run(self) -> None:
        self.restarts.append(self.committed())
        self.scenario.epoch()

    def played(self) -> Modelled:
        scenario = self.scenario
        topics = [scenario.contract.left.topic, scenario.contract.right.topic]
        read = foreign_job.batches(scenario.job.join, topics)
        return modelled(scenario.placed, play(scenario.placed, read, self.restarts[1:]))


def drive(job: Job, events: int, kills: int, seed: int) -> None:
    """Deliver in as many parts as there are kills, kill in each, and run to the end."""
    dice = random.Random(seed)
    orders, payments = ([_priced(one, n) for n, one in enumerate(side)] for side in traffic(round(events / 1.82), seed))
    points = [POINTS[n % len(POINTS)] for n in range(kills)]
    dice.shuffle(points)
    for number, point in enumerate(points):
        foreign_job.deliver(job.scenario, *(_part(side, number, kills) for side in (orders, payments)))
        tries = iter([point, *["random"] * SLIPS])
        while not job.kill(next(tries), dice.random()):
            print(f"slipped through {point}", file=sys.stderr, flush=True)
        print(f"killed {number + 1} of {kills}: {point}", file=sys.stderr, flush=True)
    job.run()


def _part(events: list[Event], number: int, of: int) -> list[Event]:
    return events[number * len(events) // of : (number + 1) * len(events) // of]


def _priced(event: Event, number: int) -> Event:
    return replace(event, shop=f"s{number % SHOPS}", amount=number % 9 + 0.25)


def measure(folder: Path, kafka: dict[str, str], events: int, kills: int, seed: int) -> dict[str, Any]:
    """From the first event to the verdict on each line."""
    job = Job(folder, kafka, events)
    drive(job, events, kills, seed)
    model, scenario = job.played(), job.scenario
    scenario.batch()
    compared = reconcile_aggregate(scenario.contract, scenario.home)
    document = compared.document
    told = {(one.key["window_start"], one.key["shop"]): str(one.said.cause) for one in compared.findings}
    stream, batch = (_held(scenario, table) for table in ("joined.stream", "joined.batch"))
    return {
        "events": sum(map(len, scenario.placed.values())),
        "kills": sum(job.kills.values()),
        "at": dict(job.kills),
        "starts": len(job.restarts),
        "epochs": job.committed(),
        "late_rows": model.late_rows,
        "lines": len(stream),
        "lines_wrong": _wrong(stream, model.stream) + _wrong(batch, model.batch),
        "differ": len(model.causes),
        "causes": dict(Counter(told.values())),
        "causes_wrong": sum(told.get(key) != model.causes.get(key) for key in {*told, *model.causes}),
        "unexplained": document["unexplained"],
        "rounding": document["rounding"],
        "balanced": document["balanced"],
        "agrees": document["agrees"],
    }


def _held(scenario: Scenario, table: str) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = {}
    for line in scenario.lake.load(table).scan().to_arrow().to_pylist():
        found.setdefault((line["window_start"], line["shop"]), []).append(line)
    return found


def _wrong(held: dict[Any, list[dict[str, Any]]], wanted: dict[Any, dict[str, Any]]) -> int:
    """Keys whose lines are not exactly the model's one."""
    return sum(
        len(held.get(key, [])) != (key in wanted) or not all(is_line(line, wanted[key]) for line in held.get(key, []))
        for key in {*held, *wanted}
    )


def holds(found: dict[str, Any]) -> bool:
    """Whether all is as it must be."""
    wrong = found["lines_wrong"] or found["causes_wrong"] or found["unexplained"] or found["late_rows"]
    return bool(not wrong and found["causes"] and found["balanced"] and found["agrees"])


def table(found: dict[str, Any]) -> list[str]:
    """The result as a Markdown table."""
    numbers = {
        "events": found["events"],
        "kills by SIGKILL": found["kills"],
        "starts of the job": found["starts"],
        "epochs": found["epochs"],
        "rows of the join behind the windows' clock": found["late_rows"],
        "lines that the stream wrote": found["lines"],
        "lines of either table other than the model's": found["lines_wrong"],
        "lines that differ between stream and batch": found["differ"],
        **{f"of them {cause}": number for cause, number in sorted(found["causes"].items())},
        "with another cause than the model's": found["causes_wrong"],
        "unexplained": found["unexplained"],
    }
    return ["| what | how many |", "|---|---|", *(f"| {what} | {number:,} |" for what, number in numbers.items())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--write", type=Path, help="a page of docs/ in which the table is replaced")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aggregate-kills-", ignore_cleanup_errors=True) as folder:
        broker = Home(Path(folder) / "broker", Home.resolve().jars)
        kafka = {"bootstrap.servers": start(broker).bootstrap_servers}
        (Path(folder) / "job").mkdir()
        try:
            found = measure(Path(folder) / "job", kafka, options.events, options.kills, options.seed)
        finally:
            stop(broker)
    print(json.dumps(found))
    lines = table(found)
    print("\n".join(lines))
    if options.write:
        put = "\n".join(["<!-- aggregate kills -->", *lines, "<!-- end -->"])
        page = options.write.read_text()
        options.write.write_text(
            re.sub(r"<!-- aggregate kills -->.*?<!-- end -->", lambda _: put, page, flags=re.DOTALL)
        )
    return 0 if holds(found) else 1


if __name__ == "__main__":
    sys.exit(main())
