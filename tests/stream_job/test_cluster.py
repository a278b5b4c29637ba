"""Stream, batch and archiver on a real standalone master with two workers: nothing but the master's address differs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import cluster
from tests.support.model import Event
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

TRANSFORM = """
import os

from pyspark.sql import functions as F

@F.udf("string")
def shouted(label):
    return label and label.upper()

def shouting(rows):
    return rows.withColumn("label", shouted("label"))
"""

RUN = """
import sys
from pathlib import Path

from plumbline.batch_reference import run as batch
from plumbline.connect.home import Home
from plumbline.contract.loader import load
from plumbline.contract.ranges import TimeRange
from plumbline.stream_job import run

contract, home = load(Path(sys.argv[1])), Home.resolve(sys.argv[2])
run.run(contract, home, once=True)
batch.run(contract, home, TimeRange())
"""
"""Both jobs in one application, to start the executors once."""


def test_stream_batch_and_archiver_run_on_two_workers(new_scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    job = new_scenario(stream={"max_events_per_epoch": 30, "state": "rocksdb"})
    module = f"own_{job.contract.contract}"
    (job.contract_path.parent / f"{module}.py").write_text(TRANSFORM)
    job.change_contract(stream={"transform": f"{module}:shouting"})
    lefts = [Event(f"o{n}", 2 * n, f"L{n}", partition=n % 2) for n in range(60)]
    job.feed([*lefts, Event("end", 900, "END")], [Event(f"o{n}", 2 * n + 1, f"p{n}") for n in range(0, 60, 3)])
    job.feed([], [Event("end", 900, "pend")])
    with cluster.running(tmp_path) as there:
        command = [sys.executable, "-c", RUN, str(job.contract_path), str(job.home.root)]
        done = subprocess.run(command, env=there.environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        assert {path.parts[-3] for path in there.executors()} == {"worker-0", "worker-1"}
    job.expect()
    assert job.archived() == job.delivered()
    assert job.rows(job.contract.output.batch_table) == job.rows()
    assert len(job.rows()) == 61
