"""Events per second and CPU of replays beside the live job catching up on the same data, in one run.

    .venv/bin/python -m benchmarks.replay.speed [--events 250000] [--epoch 50000]

A day of impressions, 0.6 plays for each within 25 minutes, a little out of order. The live job reads it all (join,
archivers, ledger) and ends; then ranges of the day are replayed from the archive, each cut and played: complete ones,
which join at once, and faithful ones, which play the recorded epochs. Both are processes of their own with Spark
started before the clock; `live` is timed from the start of the query to the last event joined. CPU is that of the
process and of its JVM. The first replay is the one to compare with `live`: both begin on a JVM that has compiled
nothing yet. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.stream import cpu
from benchmarks.stream.plays import FIELDS, MINUTE_US, PARTITIONS, contract_text, impression, play
from plumbline.connect.broker import start, stop
from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, create_topics, produce
from plumbline.contract.loader import load
from plumbline.contract.ranges import TimeRange, from_micros

START_US = 1_700_006_400_000_000
DAY_US = 24 * 60 * MINUTE_US
REPLAYS = ((24, "complete"), (24, "complete"), (12, "complete"), (3, "complete"), (24, "faithful"), (3, "faithful"))
"""Hours of the range, and what becomes of late rows."""


def events(count: int) -> Iterator[Record]:
    """A day of events, and two hours later one of each that closes all windows."""
    draw = random.Random(1)
    step = DAY_US // count
    due = [("impressions", n, START_US + n * step) for n in range(count)]
    due += [
        ("plays", n, START_US + n * step + draw.randrange(25 * MINUTE_US))
        for n in draw.sample(range(count), count * 6 // 10)
    ]
    due.sort(key=lambda item: item[2] + draw.randrange(MINUTE_US))
    due += [(topic, count, START_US + DAY_US + 120 * MINUTE_US) for topic in FIELDS]
    for topic, number, us in due:
        event = (impression if topic == "impressions" else play)(number, us, draw)
        yield Record(topic, event["id"].encode(), json.dumps(event).encode(), us // 1000)


def live(path: Path, home: Home, total: int) -> dict[str, Any]:
    """The live job over all events; ends once all are joined and every window of the day is closed."""
    from plumbline.stream_job.job_folder import JobFolder
    from plumbline.stream_job.run import run

    contract, ended, failures = load(path), threading.Event(), list[BaseException]()
    ledger = JobFolder.of(contract, home).ledger

    def job() -> None:
        try:
            run(contract, home, stop=ended)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=job)
    thread.start()
    while thread.is_alive() and not (ledger.folder / "runs").exists():
        time.sleep(0.02)
    begun, spent, joined, done = time.monotonic(), cpu.total(), 0, None
    while thread.is_alive() and not ended.is_set():
        time.sleep(0.1)
        last = ledger.read(ledger.last_epoch()) if ledger.last_epoch() >= 0 else None
        joined = sum(sum(side.values()) for side in last.end) if last else 0
        if joined >= total and done is None:
            done = (time.monotonic() - begun, cpu.total() - spent)
        if last and done and last.evict_watermark_ms * 1000 >= START_US + DAY_US + 60 * MINUTE_US:
            ended.set()
    thread.join()
    if failures:
        raise failures[0]
    assert done is not None
    return {"what": "live", "events": joined, **_figures(joined, *done)}


def replays(path: Path, home: Home) -> Iterator[dict[str, Any]]:
    """Each replay of REPLAYS, planned, cut and played."""
    from plumbline.connect.lake import Lake
    from plumbline.replay.plan import make_plan
    from plumbline.replay.play import run, session_for
    from plumbline.replay.store import ReplayFolder

    contract, spark = load(path), None
    for hours, late in REPLAYS:
        begin = from_micros(START_US)
        plan = make_plan(contract, path, home, TimeRange(begin, begin + timedelta(hours=hours)), late=late)
        folder = ReplayFolder.of(home, plan.replay_id)
        spark = spark or session_for(home, Lake.open(home, contract.catalog), [plan])
        begun, before = time.monotonic(), cpu.total()
        ran = run(contract, home, plan, folder, spark=spark)
        spent, count = (time.monotonic() - begun, cpu.total() - before), sum(ran["tape"].values())
        yield {
            "what": late,
            "hours": hours,
            "epochs": plan.tape_epochs,
            "events": count,
            "rows": ran["rows"],
            "cut_s": ran["seconds"]["cut"],
            "play_s": ran["seconds"]["play"],
            **_figures(count, *spent),
        }
        folder.remove()


def _figures(count: int, seconds: float, spent: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(spent, 1),
        "events_per_second": round(count / seconds),
        "cpu_per_million": round(spent / count * 1e6, 1),
    }


def _lines(path: Path, home: Home, total: int) -> Iterator[dict[str, Any]]:
    """What both processes measured, the live job first; each replay is compared with it."""
    compared: dict[str, Any] = {}
    for what in ("live", "replay"):
        child = [sys.executable, "-m", __spec__.name, "--child", what, str(path), str(home.root), str(total)]
        with subprocess.Popen(child, stdout=subprocess.PIPE, text=True) as process:
            for text in process.stdout or ():
                line = json.loads(text)
                compared = compared or line
                line["times_live"] = round(line["events_per_second"] / compared["events_per_second"], 1)
                line["cpu_share"] = round(line["cpu_per_million"] / compared["cpu_per_million"], 2)
                print(json.dumps(line), file=sys.stderr, flush=True)
                yield line
        if process.returncode:
            raise SystemExit(f"{what} failed")


def table(lines: list[dict[str, Any]]) -> str:
    """The lines as a table in Markdown."""
    columns = {
        "": "what",
        "hours": "hours",
        "epochs": "epochs",
        "events": "events",
        "cut s": "cut_s",
        "play s": "play_s",
        "events/s": "events_per_second",
        "times live": "times_live",
        "CPU s per million": "cpu_per_million",
        "of live": "cpu_share",
    }

    def cell(value: Any) -> str:
        return f"{value:,}" if isinstance(value, int | float) else value or ""

    rows = [list(columns), ["---"] * len(columns)]
    rows += [[cell(line.get(name)) for name in columns.values()] for line in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=250_000, help="impressions; there are 0.6 plays for each")
    parser.add_argument("--epoch", type=int, default=50_000, help="events per source in an epoch of the live job")
    parser.add_argument("--child", nargs=4, metavar=("WHAT", "CONTRACT", "HOME", "TOTAL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        what, path, home, total = given.child
        found = live(Path(path), Home.resolve(home), int(total)) if what == "live" else None
        for line in [found] if found else replays(Path(path), Home.resolve(home)):
            print(json.dumps(line), flush=True)
        return
    with tempfile.TemporaryDirectory(prefix="speed-", ignore_cleanup_errors=True) as scratch:
        home, path = Home.resolve(Path(scratch) / "home"), Path(scratch) / "throughput.yaml"
        broker = start(home)
        try:
            client = {"bootstrap.servers": broker.bootstrap_servers}
            create_topics(client, dict.fromkeys(FIELDS, PARTITIONS))
            total = produce(client, events(given.events))
            path.write_text(contract_text(broker.bootstrap_servers, given.epoch, "memory"))
            lines = list(_lines(path, home, total))
        finally:
            stop(home)
    print(table(lines))


if __name__ == "__main__":
    main()
