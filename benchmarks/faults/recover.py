"""Random feeds, random losses, recoveries: after each the stream table must be what the plain model says, row by row.

    .venv/bin/python -m benchmarks.faults.recover --rounds 5 --seed 7

Each round is a stream of its own: random kind of join and bounds, events in disorder on two partitions, and after each
delivery one of: go on; lose the checkpoint; lose the ledger's folder, the published ledger or the whole folder with it;
kill the job by SIGKILL before; kill the recovery by SIGKILL and repeat it. At its end every record must be archived
once, and reconcile must explain every difference from the batch reference. Prints a line a round and a report; exits 1
when a round fails. A round is repeated by its seed alone: `--rounds 1 --seed SEED`.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from benchmarks.faults.rounds import Report, changes, feed, main, options

# isort: split
from plumbline.connect.broker import start
from plumbline.connect.home import Home
from plumbline.connect.table_names import EPOCHS
from plumbline.contract.errors import SetupError
from tests.support.model import Event
from tests.support.recovering import expect, kill_recovery, lose, outcome, recovered
from tests.support.scenario import Scenario

STEPS = 5
LOSSES = ("none", "checkpoint", "ledger folder", "published ledger", "whole folder")


def one_round(seed: int, folder: Path, home: Home) -> Report:
    """Run a round; returns what happened. Raises AssertionError when a row is wrong."""
    dice = random.Random(seed)
    made = changes(dice, (6, 20, 1000))
    kafka = {"bootstrap.servers": start(home).bootstrap_servers}
    job = Scenario.begin(folder, kafka, f"r{seed}", made)
    events, seconds, did = Counter[str](), list[float](), list[str]()
    for step in range(STEPS):
        job.feed(*feed(dice, 60 * (step + 1), f"s{step}", 6 * (step + 1), dice.randint(4, 30)))
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


def total_of(reports: list[Report]) -> Report:
    times = sorted(s for report in reports for s in report.get("recover_s", []) if s)
    return {
        "recoveries": len(times),
        "seconds": {"median": times[len(times) // 2], "most": times[-1]} if times else None,
        "rows": sum(report.get("rows", 0) for report in reports),
        "late": sum(report.get("late", 0) for report in reports),
    }


if __name__ == "__main__":
    sys.exit(main(options(__doc__).parse_args(), one_round, total_of))
