"""An aggregate's job killed twice, by the model of the benchmark: every line predicted, every difference explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.stream.aggregate_kills import holds, measure

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]


def test_killed_twice(tmp_path: Path, kafka: dict[str, str]) -> None:
    found = measure(tmp_path, kafka, events=2_000, kills=2, seed=7)
    assert holds(found), found
    assert (found["kills"], set(found["causes"])) == (2, {"late_left", "late_right"})
