"""A replay cut off while it cuts its tape and killed while it plays it, then repeated: nothing twice or lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from model import named
from replaying import SECOND_DAY, Replay, planned
from scenario import Scenario, until

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def day(shop: Scenario, monkeypatch: pytest.MonkeyPatch) -> Replay:
    """A replay of fourteen rows in four epochs."""
    monkeypatch.setattr("replay.plan.ROWS_PER_EPOCH", 4)
    return planned(shop, SECOND_DAY)


def run_until(day: Replay, reached: Callable[[], bool]) -> None:
    """Run the replay in a process of its own and kill its group when `reached` holds."""
    command = [sys.executable, "-m", "plumbline", "replay", "run", day.id, "--execute"]
    job = subprocess.Popen([*command, "--home", str(day.job.home.root)], start_new_session=True)
    try:
        until(lambda: reached() or job.poll() is not None, "the replay did not come so far")
        assert job.poll() is None, "the replay ended before"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        job.wait(60)


def digests(day: Replay) -> list[str]:
    manifest = day.folder.read("tape/manifest")
    assert manifest is not None
    return [file["sha256"] for files in manifest["sources"].values() for file in files]


def newest(folder: Path) -> int:
    return max((int(path.name) for path in folder.glob("[0-9]*")), default=-1)


def interrupted(*args: Any) -> None:
    raise KeyboardInterrupt


def test_killed_while_cutting_and_while_playing(day: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    second = day.folder.tape / "payments"
    with monkeypatch.context() as before_the_manifest:
        before_the_manifest.setattr("replay.tape.write_json", interrupted)
        with pytest.raises(KeyboardInterrupt):
            day.run()
    assert list(second.glob("*.parquet"))
    assert day.folder.read("tape/manifest") is None
    run_until(day, lambda: newest(day.folder.checkpoint / "offsets") >= 2)
    cut = digests(day)
    assert day.state == "planned"
    result = day.run()
    assert (result["rows"], result["late"], result["epochs"]) == (8, 0, 4)
    assert digests(day) == cut
    assert named(day.staged()) == ["b+p-b", "c+p-c", "d+p-d", "l1+p-l1", "l2", "lone", "two+p-one", "two+p-two"]
    assert day.audit()["passed"]
    times = [file.stat().st_mtime for file in sorted(second.glob("*.parquet"))]
    assert all(a < b for a, b in pairwise(times))


def test_a_replay_whose_folder_was_removed_starts_anew(shop: Scenario) -> None:
    day = planned(shop, SECOND_DAY)
    first = day.run()
    staged = day.staged()
    shutil.rmtree(day.folder.root)
    assert planned(shop, SECOND_DAY).id == day.id
    assert day.run()["rows"] == first["rows"]
    assert day.staged() == staged
