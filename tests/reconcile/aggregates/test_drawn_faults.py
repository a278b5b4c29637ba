"""Faults of eight kinds among late and quarantined records: each named rightly or unexplained, all else explained.

benchmarks/attribution/aggregates.py does the same in many worlds, clean ones too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aggregate_faults import clean, faulty, older
from tests.support.aggregate_world import named


@pytest.mark.parametrize("seed", range(6))
def test_each_fault_is_told_and_nothing_else_is_taken_for_one(tmp_path: Path, seed: int) -> None:
    world, planted = faulty(tmp_path, seed)
    run = world.write().compared()
    told = {named(one.key): one.said.cause for one in run.findings}
    assert {name: told.pop(name) for name in planted} == planted
    assert set(told.values()) <= {"late_left", "late_right", "quarantined"}
    assert len(told) > 10
    assert run.document["balanced"]


@pytest.mark.parametrize("seed", range(2))
def test_a_world_out_of_order_but_in_time_raises_no_alarm(tmp_path: Path, seed: int) -> None:
    run = clean(tmp_path, seed).write().compared()
    assert (run.exit_code, run.findings, run.document["agrees"]) == (0, (), True)


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_older_than_the_stream_explains_what_it_lacks(tmp_path: Path, seed: int) -> None:
    """Alone and beside late and quarantined records, and where the batch ran over some windows once more."""
    world, causes = older(tmp_path, seed)
    run = world.write().compared()
    assert {named(one.key): one.said.cause for one in run.findings} == causes
    assert "arrived_after_batch" in causes.values()
    assert (run.exit_code, run.document["stale"], run.document["unexplained"]) == (1, 0, 0)
    assert (run.document["balanced"], run.document["agrees"]) == (True, True)
