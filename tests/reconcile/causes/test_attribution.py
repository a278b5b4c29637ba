"""The short forms of benchmarks/attribution: drift is planted of every kind, and each finding has its label."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).resolve().parents[3]

from benchmarks.attribution.attribution import Score  # noqa: E402
from benchmarks.attribution.drift_kinds import KINDS  # noqa: E402
from benchmarks.attribution.foreign import Told  # noqa: E402
from benchmarks.attribution.pipelines import Pipelines  # noqa: E402

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FROM_OUTSIDE = ["late_right", "future_stamp", "poison", "double_commit", "deleted_output", "altered_value"]
FROM_OUTSIDE += ["schema_change", "batch_cut", "archive_gap"]
"""Kinds that need one restart of the job, and one run after the batch. Some spoil nothing that the stream has yet."""


@pytest.mark.parametrize(
    ("kinds", "seeds"),
    [pytest.param(list(KINDS), range(3), id="all together"), pytest.param([], range(1), id="none")],
)
def test_each_finding_has_the_cause_that_was_planted(kinds: list[str], seeds: range) -> None:
    score = Score()
    for seed in seeds:
        score.judge("all" if kinds else "clean", kinds, seed)
    assert score.faults == []
    assert score.planted == score.found == score.right
    if kinds:
        assert len(score.planted) >= 15


@pytest.mark.spark
@pytest.mark.kafka
def test_each_has_it_in_a_real_pipeline(kafka: dict[str, str], spark: SparkSession) -> None:
    score = Score(Pipelines(kafka).build)
    score.judge("real", FROM_OUTSIDE, 3)
    assert score.faults == []
    assert score.planted == score.found == score.right
    assert len(score.planted) >= 6


def test_a_wrong_cause_lowers_precision_and_recall_and_fails() -> None:
    score = Score(
        planted=Counter(late_left=200), found=Counter(late_left=197, unexplained=3), right=Counter(late_left=197)
    )
    assert score.rates("late_left") == (1.0, 0.985)
    assert score.rates("unexplained") == (0.0, 0.0)
    assert not score.passed


def test_beside_a_job_of_a_teams_own_no_cause_is_told_wrongly() -> None:
    told = Told()
    told.judge(1, list(KINDS))
    assert told.wrong == []
    never = {cause for cause, number in told.planted.items() if told.told["lineage"][cause] < number}
    assert never == {"lost_output"}
    some = {evidence: set(+causes) - {"unexplained"} for evidence, causes in told.told.items()}
    assert {"late_left", "watermark_poisoned", "quarantined"} <= some["ledger"]
    assert {"quarantined"} <= some["archive"] < some["ledger"]
    assert some["tables"] <= {"replayed"}


def test_a_cause_that_was_not_planted_is_counted_as_wrong() -> None:
    told = Told()
    row = {"show_id": "s1", "play_id": "p1", "seconds": 1.0}
    late = {"class": "missing", "cause": "late_left", "key": {"show_id": "s1"}, "left_row": row, "right_row": None}
    told._count("ledger", [late, late], Counter({("s1 p1", "late_left"): 1, ("s2", "late_left"): 1}), "here")
    assert told.told["ledger"] == {"late_left": 1}
    assert told.wrong == ["here: missing ('s1', 'p1') told late_left, [('s1 p1', 'late_left')]"]
