"""A diff that is killed or runs out of disk: nothing half-written, nothing left behind, and the next one is right."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

ROWS = 150_000
SIDE = "COPY (SELECT range AS k, md5((range + {})::VARCHAR) AS v FROM range({})) TO '{}' (FORMAT parquet)"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Compare two sides of which every row differs."""
    folder = tmp_path_factory.mktemp("sides")
    for shift, side in enumerate(("a", "b")):
        duckdb.sql(SIDE.format(shift, ROWS, folder / f"{side}.parquet"))
    files = [str(folder / "a.parquet"), str(folder / "b.parquet")]
    return [sys.executable, "-m", "plumbline", "diff", *files, "--key", "k", "--out", str(folder / "drift.parquet")]


def begin(command: list[str], spill: Path, largest_file: int | None = None) -> subprocess.Popen[str]:
    def limited() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    spill.mkdir(exist_ok=True)
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limited,
        env={**os.environ, "TMPDIR": str(spill)},
    )  # fmt: skip


def test_a_full_disk_is_one_line_and_leaves_nothing(command: list[str], tmp_path: Path) -> None:
    process = begin(command, tmp_path / "spill", largest_file=500_000)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 3
    assert len(told.splitlines()) == 1
    assert told.startswith("error: ")
    assert "Next: " in told
    assert list((tmp_path / "spill").iterdir()) == []
    assert not Path(command[-1]).exists()


@pytest.mark.slow
def test_a_kill_leaves_all_or_nothing_and_the_next_run_is_whole(command: list[str], tmp_path: Path) -> None:
    chance, spill, drift = random.Random(5), tmp_path / "spill", Path(command[-1])
    started = time.monotonic()
    assert begin(command, spill).wait(timeout=120) == 1
    took = time.monotonic() - started
    for _ in range(3):
        drift.unlink(missing_ok=True)
        process = begin(command, spill)
        time.sleep(took * chance.uniform(0.2, 1.0))  # a moment at random, not a condition
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not drift.exists() or pq.read_table(drift).num_rows == ROWS
    assert begin(command, spill).wait(timeout=120) == 1
    assert pq.read_table(drift).num_rows == ROWS
    assert list(spill.iterdir()) == []
