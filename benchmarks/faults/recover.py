"""Random feeds, random losses, recoveries: after each the stream table must be what the plain model says, row by row.

    .venv/bin/python benchmarks/faults/recover.py --rounds 5 --seed 7

Each round is a stream of its own: random kind of join and bounds, events in disorder on two partitions, and after each
delivery one of: go on; lose the checkpoint; lose the ledger's folder, the published ledger or the whole folder with it;
kill the job by SIGKILL before; kill the recovery by SIGKILL and repeat it. At its end every record must be archived
once, and reconcile must explain every difference from the batch reference. Prints a line a round and a report; exits 1
when a round fails. A round is repeated by its seed alone: `--rounds 1 --seed SEED`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("PLUMBLINE_JARS", str(ROOT / ".plumbline" / "jars"))
for folder in ("tests/replay", "tests", "."):
    sys.path.insert(0, str(ROOT / folder))

from model import Event  # noqa: E402
from recovering import expect, kill_recovery, lose, outcome, recovered  # noqa: E402
from scenario import Scenario, within  # noqa: E402

from connect.broker import start, stop  # noqa: E402
from connect.home import Home  # noqa: E402
from contract.errors import SetupError  # noqa: E402
from stream_job.tables import EPOCHS  # noqa: E402

STEPS = 5
LOSSES = ("none", "checkpoint", "ledger folder", "published ledger", "whole folder")


def feed(dice: random.Random, clock: int, name: str, keys: int) -> tuple[list[Event], list[Event]]:
    """Events of both sides around `clock` (minutes): a few far behind, a few keys more than once."""
    sides: tuple[list[Event], list[Event]] = ([], [])
    for number in range(dice.randint(4, 30)):
        side = dice.randrange(2)
        behind = dice.choice([0, 0, 0, dice.uniform(0, 15), dice.uniform(0, 200)])
        minute = round(max(0.1, clock + dice.uniform(-20, 20) - behind), 2)
        key = f"k{dice.randrange(max(1, keys - 12), keys + 1)}"
        sides[side].append(Event(key, minute, f"{name}-{number}", partition=dice.randrange(2)))
    return sides


def changes(dice: random.Random) -> dict[str, Any]:
    """A random join."""
    low, high = dice.choice([(0, 60), (-30, 60), (-90, -10), (0, 15)])
    kind = dice.choice(["inner", "left_outer", "left_outer", "right_outer", "full_outer"])
    return {
        "join": {"kind": kind, "within": within(low, high)},
        "stream": {"max_events_per_epoch": dice.choice([6, 20, 1000]), "state": dice.choice(["memory", "rocksdb"])},
    }


def one_round(seed: int, folder: Path, kafka: dict[str, str]) -> dict[str, Any]:
    """Run a round; returns what happened. Raises AssertionError when a row is wrong."""
    dice = random.Random(seed)
    made = changes(dice)
    job = Scenario.begin(folder, kafka, f"r{seed}", made)
    events, seconds, did = Counter[str](), list[float](), list[str]()
    for step in range(STEPS):
        job.feed(*feed(dice, 60 * (step + 1), f"s{step}", 6 * (step + 1)))
        if dice.random() < 0.4:
            did.append(crash(job, dice))
        else:
            job.epoch()
            expect(job)
        loss = dice.choice(LOSSES)
        if loss != "none" and (job.job.join / "metadata").exists():
            seconds.append(lose_and_recover(job, dice, loss))
            did.append(loss)
        job.epoch()
        expect(job)
    job.feed([Event("end", 5000)], [Event("end", 5000, "p-end")]).epoch()
    expect(job)
    assert job.archived() == job.delivered(), "a record is not archived, or twice"
    job.batch()
    found = job.reconcile()
    assert found["unexplained"] == 0, f"{found['unexplained']} differences are unexplained"
    events["rows"], events["late"] = len(job.rows()), len(outcome(job).late)
    return {"seed": seed, "join": made["join"], "did": did, **events, "recover_s": [round(s, 1) for s in seconds]}


def crash(job: Scenario, dice: random.Random) -> str:
    """Kill the job at some point; a job that ended before is as good."""
    point = dice.choice(["after-sink-commit", "after-offset-log", "random"])
    try:
        return "SIGKILL " + job.crash(point, dice.random())
    except AssertionError:
        return f"slipped through {point}"


def lose_and_recover(job: Scenario, dice: random.Random, loss: str) -> float:
    """Lose what `loss` names, recover, perhaps after a recovery that is killed; seconds that the last one took."""
    # Of a second life the table alone knows the first: that one may not go.
    if loss == "published ledger" and lives(job) == {epoch.query_id for epoch in job.ledger.epochs()}:
        job.lake.catalog().drop_table(EPOCHS)
    if loss == "whole folder":
        shutil.rmtree(job.job.root)
    else:
        lose(job, "join", *(["ledger"] if loss == "ledger folder" and (job.job.root / "ledger").exists() else []))
    try:
        job.epoch()
    except SetupError:
        pass
    else:
        assert not job.rows(), "the job went on without its checkpoint"
        return 0.0
    if dice.random() < 0.3:
        new = job.job.root / "recover" / dice.choice(["tape", "playing", "new/join/commits", "new/ledger"])
        with suppress(AssertionError):  # done before it came to the kill
            kill_recovery(job, new.exists)
    begun = time.monotonic()
    if not (job.job.join / "metadata").exists():
        document = recovered(job, source=dice.choice(["auto", "kafka", "archive"]))
        assert document["proof"]["duplicates"] == 0
    return time.monotonic() - begun


def lives(job: Scenario) -> set[str]:
    """Query ids in the published ledger."""
    if not job.lake.exists(EPOCHS):
        return set()
    return set(job.lake.load(EPOCHS).scan(selected_fields=("query_id",)).to_arrow()["query_id"].to_pylist())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--report", type=Path, help="write the report as JSON here")
    given = parser.parse_args()
    reports, failed = [], 0
    # Spark still writes its log below it at the end.
    with tempfile.TemporaryDirectory(prefix="recover-", ignore_cleanup_errors=True) as scratch, ExitStack() as last:
        broker = Home.resolve(Path(scratch) / "broker")
        kafka = {"bootstrap.servers": start(broker).bootstrap_servers}
        last.callback(stop, broker)
        for seed in range(given.seed, given.seed + given.rounds):
            folder = Path(scratch) / str(seed)
            folder.mkdir()
            try:
                report = one_round(seed, folder, kafka)
            except Exception as error:
                failed += 1
                report = {"seed": seed, "failed": f"{type(error).__name__}: {str(error)[:2000]}"}
            reports.append(report)
            print(json.dumps(report), flush=True)
    times = [s for report in reports for s in report.get("recover_s", []) if s]
    total = {
        "rounds": len(reports),
        "failed": failed,
        "recoveries": len(times),
        "seconds": {"median": sorted(times)[len(times) // 2], "most": max(times)} if times else None,
        "rows": sum(report.get("rows", 0) for report in reports),
        "late": sum(report.get("late", 0) for report in reports),
    }
    print(json.dumps(total))
    if given.report:
        given.report.write_text(json.dumps({"total": total, "rounds": reports}, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
