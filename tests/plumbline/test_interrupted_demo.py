"""A signal in the middle of the demo: it ends at once and in good order, and nothing of it keeps running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def running_in(folder: Path) -> list[str]:
    """Command lines that name the folder: the broker, its supervisor, Spark's JVM, the demo."""
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if str(folder) in line]


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.kafka
@pytest.mark.spark
@pytest.mark.slow
def test_a_signal_to_the_whole_group_ends_the_demo(tmp_path: Path) -> None:
    """As `timeout` and supervisors send it: to the JVM too, which must live until the stream has ended."""
    home, log = tmp_path / "demo", tmp_path / "log"
    with log.open("wb") as sink:
        demo = subprocess.Popen(
            [sys.executable, "-m", "plumbline", "demo", "--home", str(home)],
            stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, cwd=ROOT,
        )  # fmt: skip
    try:
        epochs = home / "checkpoints" / "flights" / "ledger" / "epochs"
        assert until(lambda: any(epochs.glob("*.json")) or demo.poll() is not None, 300), log.read_text()
        os.killpg(demo.pid, signal.SIGTERM)
        assert demo.wait(60) == 130, log.read_text()
    finally:
        demo.kill()
    said = log.read_text()
    assert said.endswith("error: interrupted\n")
    assert "Traceback" not in said
    assert "3/7" not in said
    assert until(lambda: running_in(tmp_path) == [], 30), running_in(tmp_path)
