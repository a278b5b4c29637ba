"""SIGKILL of the streaming job at chosen and at random moments: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from plumbline.connect.table_names import EPOCHS
from plumbline.stream_job.epochs import rows_of
from plumbline.stream_job.ledger import Epoch
from tests.support.model import Event
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

EPOCHS_OF_TEN = 16


def events() -> tuple[list[Event], list[Event]]:
    """Sixteen epochs of ten events a side, an hour each; from the fourth on one event of each side is late.

    Each epoch brings both sides' newest times, so that a restart, which forgets them, does not change the watermarks.
    """
    lefts, rights = [], []
    for n in range(10 * EPOCHS_OF_TEN):
        minute, partition = 6 * n, n % 2
        late = 150 if n >= 30 else 0
        lefts.append(Event(f"o{n}", minute - (late if n % 10 == 6 else 0), partition=partition))
        rights.append(Event(f"o{n - n % 3}", minute - (late if n % 10 == 3 else 0), f"p{n}", partition=partition))
    return lefts, rights


def steps(epochs: Sequence[Epoch]) -> list[object]:
    """What each epoch with data read, and its watermarks."""
    return [(e.start, e.end, e.late_watermark_ms, e.evict_watermark_ms) for e in epochs if not e.no_data]


def delete_last_commit(job: Scenario) -> None:
    """Lose the newest file of the checkpoint, as by a disk that had not written it."""
    commits = [path for path in (job.job.join / "commits").iterdir() if path.name.isdigit()]
    max(commits, key=lambda path: int(path.name)).unlink()


def written(job: Scenario) -> dict[str, int]:
    """When each file of the stream table was written, in ns."""
    files = job.lake.load(job.contract.output.stream_table).inspect.files()["file_path"].to_pylist()
    return {file: Path(file.removeprefix("file:")).stat().st_mtime_ns for file in files}


def test_a_job_killed_again_and_again_ends_with_the_rows_of_one_never_killed(
    new_scenario: Callable[..., Scenario],
) -> None:
    job = new_scenario(stream={"max_events_per_epoch": 10})
    job.feed(*events())
    calm = job.beside("calm")
    calm.epoch()
    chance = random.random()
    stood = [job.crash("after-sink-commit")]
    committed = written(job)
    stood += [job.crash("during-state-commit")]
    stood += [job.crash("random", chance), job.crash("during-archive-commit")]
    delete_last_commit(job)
    print(f"killed {stood}")
    job.restart()
    assert committed
    assert committed.items() <= written(job).items(), "an epoch that was done again wrote over a committed file"
    job.expect()
    calm.expect()
    assert job.rows() == calm.rows()
    late = job.outcome().late
    assert len([name for name in late if name.startswith("o")]) >= 10
    assert len([name for name in late if name.startswith("p")]) >= 10
    assert job.noted_as_late() == late, "each late event is in plumbline.late, once, and nothing else is"
    assert calm.noted_as_late() == late
    assert job.archived() == job.delivered()
    ledger = list(job.ledger.epochs())
    assert [epoch.epoch for epoch in ledger] == list(range(len(ledger)))
    assert all(before.end == after.start for before, after in pairwise(ledger))
    assert len({epoch.run_id for epoch in ledger}) > 1
    assert steps(ledger) == steps(list(calm.ledger.epochs()))
    published = job.lake.load(EPOCHS).scan().to_arrow().sort_by([("epoch", "ascending"), ("source", "ascending")])
    wanted = list(rows_of(job.contract, ledger))
    assert sorted(published.to_pylist(), key=str) == sorted(wanted, key=str)
