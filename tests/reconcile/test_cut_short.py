"""A reconcile that is killed: all or nothing of it is kept, and the next one tells and keeps what it would have."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.cut_short import TOO_LATE, Reconciled


@pytest.mark.slow
def test_a_kill_leaves_all_or_nothing_and_the_next_run_is_whole(tmp_path: Path) -> None:
    """`benchmarks/reconcile/kills.py` does it fifty times."""
    chance = random.Random(5)
    undisturbed = Reconciled.undisturbed(tmp_path, seed=5)
    assert all(undisturbed.kept.values())
    for earliest in (0.5, 0.75):
        undisturbed.forget()
        wrong = undisturbed.after_a_kill(undisturbed.seconds * chance.uniform(earliest, 1.0))
        assert set(wrong) <= {TOO_LATE}
