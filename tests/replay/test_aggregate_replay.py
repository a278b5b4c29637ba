"""Replays of an aggregate: whole windows through the same job, equal to the batch reference and to plain Python."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from math import nextafter
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.contract.errors import IncompleteError, UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.aggregates.run import reconcile_aggregate
from plumbline.replay.series import Several, plan_several
from tests.stream_job.test_stream_aggregate import feeds
from tests.support.aggregates import VALUES, aggregated, held, modelled
from tests.support.model import START, Event, joined
from tests.support.replaying import Replay, copy_of, planned
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

ASKED = TimeRange(START + timedelta(minutes=62), START + timedelta(minutes=178))
WHOLE = TimeRange(START + timedelta(minutes=60), START + timedelta(minutes=180))
FLOATS = {"weight": "sum(orders.amount / 3)", "mean_weight": "avg(payments.paid / 7)"}
"""Their sums hang on the order of the rows."""


@pytest.fixture(scope="module")
def live(new_scenario: Callable[..., Scenario]) -> Scenario:
    """Four hours live, late events on both sides, and the batch reference of all."""
    job = aggregated(new_scenario(), values={**VALUES, **FLOATS})
    for left, right in feeds(1):
        job.feed(left, right).epoch()
    job.feed([Event("end", 600)], [Event("end", 600, "p-end")]).epoch()
    assert {name[0] for name in job.outcome().late} == {"o", "p"}, "both sides had late events"
    job.batch()
    return job


@pytest.fixture(scope="module")
def played(live: Scenario) -> Replay:
    replay = planned(live, ASKED)
    assert replay.run()["late"] == 0
    return replay


@pytest.fixture
def copy(played: Replay, numbers: count[int]) -> Replay:
    """A copy that may be changed."""
    return Replay(copy_of(played.job, f"copy{next(numbers)}"), played.id)


def in_range(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of the range, without what plain Python does not say."""
    left_out = {*FLOATS, "_replay_id"}
    return [{k: v for k, v in one.items() if k not in left_out} for one in lines if WHOLE.contains(one["window_start"])]


def everything(job: Scenario) -> list[dict[str, Any]]:
    """What plain Python says of the range when nothing is late."""
    return in_range(modelled(joined(job.contract, job.placed["left"], job.placed["right"], None)))


def test_a_range_is_widened_to_whole_windows_and_equals_the_batch(played: Replay) -> None:
    job = played.job
    assert played.plan.time_range == WHOLE
    staged = held(job, played.plan.staging_table)
    assert in_range(staged) == in_range(held(job, "joined.batch")) == everything(job)
    assert len(staged) == len(in_range(staged)) > len(in_range(held(job, "joined.stream")))
    document = played.audit()
    assert document["passed"]
    names = ["coverage", "late-rows", "no-row-twice", "whole-windows", "agrees-with-batch"]
    assert [check["name"] for check in document["checks"]] == names
    assert not any(page["uncovered"] for pages in document["coverage"].values() for page in pages)
    assert document["against_live"]["counts"]["extra"] > 0
    assert document["against_live"]["counts"]["mismatch"] > 0


def test_the_recorded_epochs_give_the_live_lines(live: Scenario) -> None:
    faithful = planned(live, ASKED, late="faithful")
    faithful.run()
    document = {check["name"]: check["passed"] for check in faithful.audit()["checks"]}
    assert document["late-rows"]
    assert in_range(held(live, faithful.plan.staging_table)) == in_range(held(live, "joined.stream"))


@pytest.mark.parametrize(
    ("column", "change", "passes"),
    [
        ("weight", lambda held: nextafter(held, 1e9), True),
        ("weight", lambda held: held + 1e-6, False),
        ("mean_weight", lambda held: nextafter(held, 1e9), True),
        ("orders", lambda held: held + 1, False),
        ("rate", lambda held: nextafter(held, 1e9), False),
    ],
)
def test_only_sums_of_floats_may_differ_and_by_rounding_alone(
    copy: Replay, column: str, change: Callable[[Any], Any], passes: bool
) -> None:
    batch = copy.job.lake.load("joined.batch")
    lines = batch.scan().to_arrow()
    rows = lines.to_pylist()
    row = next(row for row in rows if WHOLE.contains(row["window_start"]) and row[column] is not None)
    row[column] = change(row[column])
    batch.overwrite(type(lines).from_pylist(rows, schema=lines.schema), snapshot_properties=_said(batch))
    assert copy.audit()["passed"] is passes


def _said(table: Any) -> dict[str, str]:
    """What the newest commit of the batch says of its rows."""
    said = table.current_snapshot().summary.additional_properties
    return {name: value for name, value in said.items() if name.startswith("plumbline.")}


def test_a_line_twice_or_of_half_a_window_fails_the_audit(copy: Replay) -> None:
    staging = copy.job.lake.load(copy.plan.staging_table)
    lines = staging.scan().to_arrow()
    staging.append(lines.slice(0, 1))
    failed = [check["name"] for check in copy.audit()["checks"] if not check["passed"]]
    assert failed == ["no-row-twice", "agrees-with-batch"]
    row = {**lines.slice(0, 1).to_pylist()[0], "window_start": ASKED.start}
    staging.overwrite(type(lines).from_pylist([row, *lines.slice(1).to_pylist()], schema=lines.schema))
    failed = [check["name"] for check in copy.audit()["checks"] if not check["passed"]]
    assert failed == ["whole-windows", "agrees-with-batch"]


def test_what_is_not_closed_or_cut_is_refused(live: Scenario) -> None:
    closed = START + timedelta(minutes=520)  # 600 less the delay, the hour of within and 1 ms are not quite 530
    planned(live, TimeRange(WHOLE.start, closed))
    with pytest.raises(IncompleteError, match="has not closed"):
        planned(live, TimeRange(WHOLE.start, closed + timedelta(minutes=1)))
    with pytest.raises(UsageError, match="would cut windows of 10 minutes"):
        plan_several(live.contract, live.contract_path, live.home, Several(ASKED, every=timedelta(minutes=15)))
    several = plan_several(live.contract, live.contract_path, live.home, Several(ASKED, every=timedelta(minutes=60)))
    assert [TimeRange.of_json(one["range"]).start for one in several["replays"]] == [
        START + timedelta(minutes=60),
        START + timedelta(minutes=120),
    ]


def span(asked: TimeRange) -> list[str]:
    """The range as a command takes it."""
    return [f"--from={asked.start:%Y-%m-%dT%H:%MZ}", f"--to={asked.end:%Y-%m-%dT%H:%MZ}"]


def test_the_command_says_that_it_widened_the_range(live: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", "plan", str(live.contract_path), f"--home={live.home.root}", *span(ASKED)]) == 0
    assert "widened to whole windows" in capsys.readouterr().err


def test_the_range_comes_from_a_recorded_comparison(live: Scenario) -> None:
    assert run(["reconcile", str(live.contract_path), f"--home={live.home.root}"]) == 1
    several = plan_several(live.contract, live.contract_path, live.home, Several(TimeRange(), "latest"))
    closed = TimeRange(START - timedelta(days=1), START + timedelta(minutes=520))  # findings on both days
    assert [TimeRange.of_json(one["range"]) for one in several["replays"]] == [closed]


def stream(job: Scenario) -> list[dict[str, Any]]:
    """The stream table's lines, without the replay's id."""
    return [{k: v for k, v in one.items() if k != "_replay_id"} for one in held(job, "joined.stream")]


def test_published_it_replaces_the_windows_and_rolled_back_it_holds_the_lines_of_before(copy: Replay) -> None:
    job, before = copy.job, stream(copy.job)
    copy.audit()
    published = copy.publish()
    assert (published["changed"], copy.state) == (True, "published")
    assert in_range(stream(job)) == everything(job)
    outside = [line for line in before if not WHOLE.contains(line["window_start"])]
    assert [line for line in stream(job) if not WHOLE.contains(line["window_start"])] == outside
    named = {line["_replay_id"] for line in held(job, "joined.stream") if WHOLE.contains(line["window_start"])}
    assert named == {copy.id}
    again = copy.publish()
    assert (again["changed"], again["snapshot_id"]) == (False, published["snapshot_id"])
    assert copy.rollback()["changed"]
    assert stream(job) == before
    assert copy.rollback()["changed"] is False
    assert copy.publish()["changed"]
    assert in_range(stream(job)) == everything(job)


def test_lines_that_somebody_else_changed_since_the_audit_are_not_replaced(copy: Replay) -> None:
    copy.audit()
    table = copy.job.lake.load("joined.stream")
    lines = table.scan().to_arrow()
    rows = lines.to_pylist()
    outside = next(row for row in rows if not WHOLE.contains(row["window_start"]))
    inside = next(row for row in rows if WHOLE.contains(row["window_start"]))
    outside["orders"] += 1
    table.overwrite(type(lines).from_pylist(rows, schema=lines.schema))
    inside["orders"] += 1
    changed = type(lines).from_pylist(rows, schema=lines.schema)
    copy.job.lake.load("joined.stream").overwrite(changed)
    with pytest.raises(IncompleteError, match="changed since the audit"):
        copy.publish()
    copy.audit()
    copy.publish()
    assert in_range(stream(copy.job)) == everything(copy.job)
    assert outside in stream(copy.job)


def test_the_stream_goes_on_after_a_publish(live: Scenario) -> None:
    """The table has got a column by the publish; the job that runs meanwhile writes on."""
    with live.running():
        live.feed([Event("on", 700)], [Event("on", 700, "p-on")]).caught_up()
        replay = planned(live, ASKED)
        replay.run()
        replay.audit()
        replay.publish()
        live.feed([Event("on", 900)], [Event("on", 900, "p-on")]).caught_up()
    live.feed([Event("on", 1200)], [Event("on", 1200, "p-on")]).epoch()
    assert in_range(stream(live)) == everything(live)
    found = [(line["window_start"], line["orders"]) for line in stream(live) if line["id"] == "on"]
    assert found == [(START + timedelta(minutes=minute), 1) for minute in (700, 900)]
    live.batch()
    assert run(["reconcile", str(live.contract_path), f"--home={live.home.root}", *span(WHOLE)]) == 0
    document = reconcile_aggregate(live.contract, live.home, WHOLE).document
    assert (document["verdict"], document["unexplained"], document["agrees"]) == ("clean", 0, True)
