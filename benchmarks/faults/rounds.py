"""What the fault scripts share: random joins and feeds, and rounds that are repeated by their seed alone."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from plumbline.connect.broker import start, stop
from plumbline.connect.home import Home
from tests.support.model import Event
from tests.support.scenario import within

Report = dict[str, Any]


def feed(dice: random.Random, clock: int, name: str, keys: int, count: int) -> tuple[list[Event], list[Event]]:
    """Events of both sides around `clock` (minutes): a few far behind, a few keys more than once."""
    sides: tuple[list[Event], list[Event]] = ([], [])
    for number in range(count):
        side = dice.randrange(2)
        behind = dice.choice([0, 0, 0, dice.uniform(0, 15), dice.uniform(0, 200)])
        minute = round(max(0.1, clock + dice.uniform(-20, 20) - behind), 2)
        key = f"k{dice.randrange(max(1, keys - 12), keys + 1)}"
        sides[side].append(Event(key, minute, f"{name}-{number}", partition=dice.randrange(2)))
    return sides


def changes(dice: random.Random, epochs: tuple[int, ...]) -> dict[str, Any]:
    """A random join; `epochs` are the sizes of an epoch to choose from."""
    low, high = dice.choice([(0, 60), (-30, 60), (-90, -10), (0, 15)])
    kind = dice.choice(["inner", "left_outer", "left_outer", "right_outer", "full_outer"])
    return {
        "join": {"kind": kind, "within": within(low, high)},
        "stream": {"max_events_per_epoch": dice.choice(epochs), "state": dice.choice(["memory", "rocksdb"])},
    }


def options(doc: str | None) -> argparse.ArgumentParser:
    """What every fault script takes from the command line."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--report", type=Path, help="write the report as JSON here")
    parser.add_argument("--add", type=Path, nargs="*", default=[], help="earlier reports, whose rounds count too")
    return parser


def main(
    given: argparse.Namespace,
    one_round: Callable[[int, Path, Home], Report],
    total_of: Callable[[list[Report]], Report],
    table_of: Callable[[list[Report]], str] | None = None,
) -> int:
    """Run the rounds that the command line asks for, each in a folder of its own; 1 when one failed.

    `one_round` gets its seed, its folder and the home of the running broker, and raises when a row is wrong.
    """
    reports: list[Report] = [report for path in given.add for report in json.loads(path.read_text())["rounds"]]
    # Spark still writes its log below it at the end.
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as scratch, ExitStack() as last:
        broker = Home(Path(scratch) / "broker", Home.resolve().jars)
        start(broker)
        last.callback(stop, broker)
        for seed in range(given.seed, given.seed + given.rounds):
            folder = Path(scratch) / str(seed)
            folder.mkdir()
            try:
                report = one_round(seed, folder, broker)
            except Exception as error:
                report = {"seed": seed, "failed": f"{type(error).__name__}: {str(error)[:2000]}"}
            reports.append(report)
            print(json.dumps(report), flush=True)
    failed = sum("failed" in report for report in reports)
    total = {"rounds": len(reports), "failed": failed, **total_of(reports)}
    print(json.dumps(total))
    if table_of:
        print(table_of(reports))
    if given.report:
        given.report.write_text(json.dumps({"total": total, "rounds": reports}, indent=1))
    return 1 if failed else 0
