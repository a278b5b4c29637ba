"""A month of flights, the nightly killed at fifty random moments: the same tables, and one run for each day.

    .venv/bin/python -m benchmarks.nightly.kills --folder kills --kills 50 --seed 7

January's flights are streamed once. The first night is 1 January; from then on `plumbline nightly` is killed by
SIGKILL again and again while it catches up the days that it has missed (30 or more), then it may end. Compared with a
batch over the whole range and with reconciles of each day that nobody disturbed: the batch table row for row, verdicts,
counts, findings. The folder keeps what has been done, so that the kills can be made in pieces (`--pause-after 10`).
Exits 1 when anything differs.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from plumbline.connect import broker, kafka
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.loader import load
from plumbline.contract.ranges import TimeRange
from tests.support.killing import command, kill_nightly

ROOT = Path(__file__).resolve().parents[2]

FIRST, DAYS = date(2013, 1, 1), 30
"""The days that must be settled at least: the stream is given three more."""

EXAMPLE = ROOT / "plumbline" / "demo" / "flights" / "flights.yaml"
START = datetime.combine(FIRST, datetime.min.time(), UTC)
FINDING = ("key", "class", "cause", "left_row", "right_row")


def prepare(home: Home, contract: Path) -> None:
    """Stream January and what settles it."""
    from plumbline.connect.embedded import kafka_properties
    from plumbline.connect.spark import session
    from plumbline.demo.flights import loader
    from plumbline.demo.story import TOPIC_PARTITIONS, Stage, stream

    home.root.mkdir(parents=True)
    contract.write_text(EXAMPLE.read_text().replace("partition_by: month", "partition_by: day"))
    loaded = load(contract)
    try:
        properties = kafka_properties(None, home, print)
        kafka.create_topics(properties, {source.topic: TOPIC_PARTITIONS for source in loaded.sources.values()})
        spark = session(home, Lake.open(home), app="kills")
        flights = loader.load((FIRST, FIRST + timedelta(days=DAYS + 3)))
        stream(Stage(home, loaded, contract, spark, print), flights, properties)
    finally:
        broker.stop(home)


def compare(home: Home, contract_path: Path) -> dict[str, Any]:
    """What differs from work that nobody disturbed; empty lists when nothing does."""
    from plumbline.batch_reference.run import run as batch
    from plumbline.connect.spark import session
    from plumbline.reconcile.run import reconcile

    apart = contract_path.with_name("apart.yaml")
    apart.write_text(contract_path.read_text().replace("joined.flights_batch", "apart.flights_batch"))
    contract, other = load(contract_path), load(apart)
    lake = Lake.open(home)
    nights = lake.load("plumbline.nights").scan().to_arrow().to_pylist()
    count = (max(row["day"] for row in nights) - FIRST).days + 1
    whole = TimeRange(START, START + timedelta(days=count))
    batch(other, home, whole, spark=session(home, lake, app="kills"))
    runs = lake.load("plumbline.runs").scan().to_arrow().to_pylist()
    found = findings(lake)
    wrong = []
    for number in range(count):
        day = FIRST + timedelta(days=number)
        night = next(row for row in nights if row["day"] == day)
        span = TimeRange(START + timedelta(days=number), START + timedelta(days=number + 1))
        quiet = reconcile(other, home, span).document
        told = json.loads(night["document"])
        if any(told[name] != quiet[name] for name in ("verdict", "counts", "causes", "alerts")):
            wrong.append(day.isoformat())
        elif found.get(night["run_id"]) != findings(lake).get(quiet["run_id"]):
            wrong.append(f"{day} findings")
    return {
        "days": count,
        "nights": len(nights),
        "days_twice": [str(day) for day, n in Counter(row["day"] for row in nights).items() if n > 1],
        "runs": len(runs),
        "runs_twice": [str(day) for day, n in Counter(row["range_from"] for row in runs).items() if n > 1],
        "rows": lake.load(contract.output.batch_table).scan().count(),
        "rows_differ": rows(lake, contract.output.batch_table) != rows(lake, other.output.batch_table),
        "nights_differ": wrong,
        "late": sum(sum(json.loads(row["document"])["causes"].values()) for row in nights),
    }


def rows(lake: Lake, table: str) -> list[str]:
    return sorted(map(str, lake.load(table).scan().to_arrow().to_pylist()))


def findings(lake: Lake) -> dict[str, list[str]]:
    """Run id to its findings, sorted."""
    found: dict[str, list[str]] = {}
    for row in lake.load("plumbline.findings").scan().to_arrow().to_pylist():
        found.setdefault(row["run_id"], []).append(str([row[name] for name in FINDING]))
    return {run_id: sorted(rows) for run_id, rows in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pause-after", type=int, default=1000, help="kills in this piece")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    home, contract = Home.resolve(given.folder / "home"), given.folder.absolute() / "flights.yaml"
    state = given.folder / "kills.json"
    if not state.exists():
        prepare(home, contract)
        subprocess.run(command(contract, home, "--date", FIRST.isoformat()), check=False, capture_output=True)
        state.write_text("[]")
    killed = json.loads(state.read_text())
    for number in range(len(killed), min(given.kills, len(killed) + given.pause_after)):
        begun = time.monotonic()
        told = kill_nightly(contract, home, random.Random(f"{given.seed}-{number}"))
        killed.append(told)
        print(f"kill {number + 1}: {told or 'too late, it had ended'} ({time.monotonic() - begun:.0f} s)", flush=True)
        state.write_text(json.dumps(killed))
    if len(killed) < given.kills:
        return 0
    last = subprocess.run(command(contract, home, "--json"), capture_output=True, text=True)
    assert last.returncode in (0, 1), last.stderr
    report = {"kills": sum(told is not None for told in killed), **compare(home, contract)}
    report["after"] = Counter(told.split(" after ")[1].split(",")[0].split(" (")[0] for told in killed if told)
    print(json.dumps(report))
    wrong = any(report[name] for name in ("days_twice", "runs_twice", "rows_differ", "nights_differ"))
    return int(wrong or report["days"] < DAYS or not report["days"] == report["nights"] == report["runs"])


if __name__ == "__main__":
    sys.exit(main())
