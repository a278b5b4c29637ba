"""`plumbline reconcile` and `plumbline diff --out` killed at random moments: the next run must give the whole result.

    .venv/bin/python -m benchmarks.reconcile.kills --kills 50 --seed 5

Each of the two is first run undisturbed, then killed by SIGKILL at a moment drawn over that time, again and again, each
time from the start: nothing of it is kept yet. One that was done before its moment does not count. After each kill the
findings, runs and verdicts must be there whole or not at all, and the drift file likewise; the run after it must tell
and keep what the undisturbed one did and leave no spill behind. Prints what was wrong, and a report; exits 1 when
anything was.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from tests.support.cut_short import TOO_LATE, Reconciled, killed

ROWS = 150_000
SIDE = "COPY (SELECT range AS k, md5((range + {})::VARCHAR) AS v FROM range({})) TO '{}' (FORMAT parquet)"
Round = Callable[[float], list[str]]


def reconciling(folder: Path, seed: int) -> tuple[Round, float]:
    """What a kill at a moment (seconds) does to a reconcile, and how long one takes."""
    undisturbed = Reconciled.undisturbed(folder, seed)

    def once(moment: float) -> list[str]:
        undisturbed.forget()
        return undisturbed.after_a_kill(moment)

    return once, undisturbed.seconds


def diffing(folder: Path, _seed: int) -> tuple[Round, float]:
    """The same for a diff of two files of which every row differs."""
    for shift, side in enumerate(("a", "b")):
        duckdb.sql(SIDE.format(shift, ROWS, folder / f"{side}.parquet"))
    drift, spill = folder / "drift.parquet", folder / "spill"
    spill.mkdir()
    command = [sys.executable, "-m", "plumbline", "diff", str(folder / "a.parquet"), str(folder / "b.parquet")]
    command += ["--key", "k", "--out", str(drift)]
    settings = {**os.environ, "TMPDIR": str(spill)}

    def whole() -> bool:
        done = subprocess.run(command, env=settings, capture_output=True)
        return done.returncode == 1 and pq.read_table(drift).num_rows == ROWS

    def once(moment: float) -> list[str]:
        drift.unlink(missing_ok=True)
        wrong = [] if killed(command, moment, env=settings) else [TOO_LATE]
        if drift.exists() and pq.read_table(drift).num_rows != ROWS:
            wrong.append("half a drift file")
        if not whole():
            wrong.append("another result afterwards")
        return wrong + [f"left {name}" for name in os.listdir(spill)]

    begun = time.monotonic()
    assert whole()
    return once, time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=5)
    asked = parser.parse_args()
    chance, report, failed = random.Random(asked.seed), {}, False
    for name, begin in (("reconcile", reconciling), ("diff", diffing)):
        with tempfile.TemporaryDirectory() as folder:
            once, seconds = begin(Path(folder), asked.seed)
            rounds: list[list[str]] = []
            while (late := sum(TOO_LATE in found for found in rounds)) + asked.kills > len(rounds):
                rounds.append(once(seconds * chance.uniform(0.1, 1.0)))
        wrong = [what for found in rounds for what in found if what != TOO_LATE]
        report[name] = {"killed": len(rounds) - late, "too_late": late, "wrong": wrong}
        failed = failed or bool(wrong)
        print(json.dumps({name: report[name]}), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
