"""`plumbline history`: the runs in order of time, and how each cause goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plumbline.commands.history import history as command
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.report.history import history
from tests.reconcile.causes.test_causes import late_left
from tests.support.examples_of_runs import document
from tests.support.world import CONTRACT, START, World

NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)


def recorded(*runs: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"document": json.dumps(run), "recorded_at": NOON + timedelta(days=i)} for i, run in enumerate(runs)]


def late(number: int) -> dict[str, Any]:
    """A run over one day of 100 batch rows."""
    return document(1, {"late_left": {"missing": number}} if number else {})


@pytest.mark.parametrize(
    ("numbers", "usual", "direction"),
    [
        pytest.param([2], None, "steady", id="a single run has no trend"),
        pytest.param([2, 2, 8, 3], 2, "steady", id="one and a half times the median is steady"),
        pytest.param([2, 2, 8, 4], 2, "risen", id="more than that has risen, whatever one bad night was"),
        pytest.param([6, 6, 3], 6, "fallen", id="half of the median has fallen"),
        pytest.param([0, 0, 1], 0, "risen", id="the first ever has risen"),
        pytest.param([1, 0], 1, "fallen", id="none any more has fallen"),
    ],
)
def test_the_trend_of_a_cause(numbers: list[int], usual: float | None, direction: str) -> None:
    trend = history("plays", recorded(*map(late, numbers)))["trend"]["late_left"]
    assert trend == {"shares": numbers, "newest": numbers[-1], "usual": usual, "direction": direction}


def test_only_ranges_of_one_length_are_a_trend() -> None:
    """One bad week is no rise over a whole year, nor is a year a fall after a bad week."""
    year = late(0)
    year["range"] = {"from": None, "to": None}
    trend = history("plays", recorded(year, late(2), year, late(4)))["trend"].get("late_left", {})
    assert (trend["shares"], trend["usual"], trend["direction"]) == ([0, 2, 0, 4], 2, "risen")


def test_a_run_without_batch_rows_has_no_share() -> None:
    empty = late(0)
    empty["counts"] = dict.fromkeys(empty["counts"], 0)
    trend = history("plays", recorded(late(2), empty))["trend"]["late_left"]
    assert (trend["shares"], trend["newest"], trend["direction"]) == ([2, None], None, "steady")


def test_the_last_runs_only() -> None:
    told = history("plays", recorded(late(1), late(2), late(3)), last=2)
    assert [run["causes"]["late_left"] for run in told["runs"]] == [2, 3]
    assert [run["recorded_at"] for run in told["runs"]] == [NOON + timedelta(days=1), NOON + timedelta(days=2)]


def test_the_command_tells_of_recorded_runs(
    make_world: Callable[..., World], capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world()
    late_left(world)
    first = world.write().reconcile(time_range=TimeRange(START, START + timedelta(days=1))).document
    second = world.reconcile().document
    path = world.home.root / "plays.yaml"
    path.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    command.main([str(path), "--home", str(world.home.root), "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert [run["run_id"] for run in told["runs"]] == [first["run_id"], second["run_id"]]
    assert [run["snapshots"] for run in told["runs"]] == [first["snapshots"], second["snapshots"]]
    assert told["trend"]["late_left"]["direction"] == "steady"
    command.main([str(path), "--home", str(world.home.root)], standalone_mode=False)
    page = capsys.readouterr().out
    assert second["run_id"] in page
    assert "late_left" in page
    assert "drift" in page
