"""A batch run older than the stream: lines are laid to newer records where those make them, and else to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plumbline.reconcile.aggregates.terminal import next_steps
from tests.reconcile.aggregates.test_compared_aggregates import change, minutes, on_time
from tests.support import aggregate_world
from tests.support.aggregate_world import AggregateWorld, named

_spelled = aggregate_world._value


def test_a_record_that_came_after_the_batch_run_is_named_with_its_sum(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).batch_without("q1", "p2").aggregated().write()
    run = world.compared()
    assert sorted((named(one.key), f"{one.kind} {one.said.cause}") for one in run.findings) == [
        ("0 b", "mismatch arrived_after_batch"),
        ("20 a", "mismatch arrived_after_batch"),
    ]
    alone, more = run.document["findings"]
    assert alone["values"]["played"] == {"batch": 0, "stream": 1, "causes": {"arrived_after_batch": -1}}
    assert alone["rows"] == {
        "batch": 1,
        "stream": 1,
        "lost": {"arrived_after_batch": {"gone": 1, "alone": 0, "came": 1}},
    }
    assert more["values"]["shown"] == {"batch": 1, "stream": 2, "causes": {"arrived_after_batch": -1}}
    assert (run.exit_code, run.document["stale"], run.document["balanced"]) == (1, 0, True)
    assert "plumbline batch run takes.yaml" in "".join(next_steps(run.document, "takes.yaml"))


def test_a_line_that_lacks_newer_records_too_is_not_clean(tmp_path: Path) -> None:
    """Both tables lack a record that the stream has read: the batch ran too early, the stream lost it."""
    world = AggregateWorld.made(tmp_path).play(*on_time()).batch_without("q1")
    world.stream = [row for row in world.stream if row.right is None or row.right.name != "q1"]
    run = world.aggregated().write().compared()
    assert (run.exit_code, run.document["stale"], run.findings) == (3, 1, ())


@pytest.mark.parametrize("spoiled", ["shown", "played", "paid", "weight"])
def test_another_number_beside_a_newer_record_is_laid_to_nothing(tmp_path: Path, spoiled: str) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).batch_without("q1").aggregated()
    [line] = [one for one in world.stream_lines if named(one) == "0 b"]
    change(world, world.stream_lines, "0 b", **{spoiled: line[spoiled] * 2})
    run = world.write().compared()
    assert (run.exit_code, run.document["stale"], run.document["causes"]) == (3, 1, {})


@pytest.mark.parametrize(
    "value",
    [
        {"genre": 7},
        {"genre": "b", "show_id": None},
        {"genre": {"of": "b"}},
    ],
)
def test_a_value_that_duckdb_may_read_otherwise_than_spark_proves_nothing(
    tmp_path: Path, value: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregate_world, "_value", lambda one, source: _spelled(one, source) | value)
    world = AggregateWorld.made(tmp_path).play(*on_time()).batch_without("b0", "q1").aggregated().write()
    run = world.compared()
    assert (run.exit_code, run.document["stale"], run.document["causes"]) == (3, 1, {})


def test_a_batch_run_older_than_the_stream_is_not_drift_and_not_clean(tmp_path: Path) -> None:
    """Where the contract has SQL that nobody but Spark computes."""
    world = AggregateWorld.made(tmp_path, by_spark=True).play(*on_time()).batch_without("q1").aggregated().write()
    run = world.compared()
    assert (run.exit_code, run.document["verdict"], run.document["stale"]) == (3, "incomplete", 1)
    assert run.document["causes"] == {}
    assert world.compared(time_range=minutes(10, 60)).exit_code == 0
