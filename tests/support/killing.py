"""Killing a command when it has come so far, and `plumbline nightly` at a random moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from plumbline.connect.home import Home
from tests.support.crashing import signal_all
from tests.support.scenario import until

STEPS = ("batch", "expectations", "reconcile", "night")
MOMENTS = {"": 1, "nightly: ": 1, "batch: ": 3, "expect: ": 3, "reconcile: ": 2, ", 2 of ": 3, ", 3 of ": 3}
"""The start of the process, of a night, of its steps, of the second and third night; with how often each is drawn."""


def run_until(reached: Callable[[], bool], home: Home, *arguments: str) -> None:
    """Run a `plumbline` command on the home, and kill it with all its processes by SIGKILL when `reached` holds.

    Fails when it ends before.
    """
    command = [sys.executable, "-m", "plumbline", *arguments, "--home", str(home.root)]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        until(lambda: reached() or process.poll() is not None, "the command did not come so far")
        assert process.poll() is None, "the command ended before"
    finally:
        signal_all(process, signal.SIGKILL)
        process.wait(60)


def command(contract: Path, home: Home, *options: str) -> list[str]:
    return [sys.executable, "-m", "plumbline", "nightly", str(contract), "--home", str(home.root), *options]


def kill_nightly(contract: Path, home: Home, dice: random.Random, *options: str, span: float = 3.0) -> str | None:
    """Run it and kill it with its JVM by SIGKILL; says in which step of which day. None: it ended before.

    A line of its progress is drawn from MOMENTS, and a moment of the `span` seconds after it.
    """
    log = contract.with_suffix(".killed.log")
    with log.open("wb") as sink:
        job = subprocess.Popen(
            command(contract, home, *options), stdout=sink, stderr=sink, start_new_session=True, cwd=contract.parent
        )
    line = dice.choices(list(MOMENTS), MOMENTS.values())[0].encode()
    while job.poll() is None and line not in log.read_bytes():
        time.sleep(0.01)
    moment = time.monotonic() + dice.uniform(0, span)
    while job.poll() is None and time.monotonic() < moment:
        time.sleep(0.01)
    ended = job.poll() is not None
    signal_all(job, signal.SIGKILL)
    job.wait(60)
    return None if ended else f"{stands(home)}, at {log.read_text().strip().splitlines()[-1:]}"


def stands(home: Home) -> str:
    """The newest night that has begun and its last step."""
    nights = sorted(path for path in home.root.glob("nightly/*/*-*-*") if path.is_dir())
    if not nights:
        return "no day"
    done = [step for step in STEPS if (nights[-1] / f"{step}.json").exists()]
    return f"{nights[-1].name} after {done[-1] if done else 'nothing'}"
