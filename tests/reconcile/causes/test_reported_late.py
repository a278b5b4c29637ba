"""The cause `reported_late`: what a job's reports prove of its rows, and what they do not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from plumbline.contract.errors import IncompleteError
from plumbline.contract.lineage import COORDINATES, EVENT_TIME
from plumbline.reconcile.explain.explain import explain
from plumbline.reconcile.lateness.what_if import what_if
from tests.reconcile.causes.test_causes import stream_of
from tests.reconcile.causes.test_sharper_causes import SIGN, from_the_future
from tests.reconcile.evidence.test_rows_elsewhere import DAY, FAR, append
from tests.support.job_reports import LATE, by_epoch, of, progress, ready, reports, told
from tests.support.world import World, play, show
from tests.support.world_rows import START, Row

MakeWorld = Callable[..., World]


def test_a_report_alone_proves_its_row_late(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    document = told(world, reports(world)).document
    assert world.told() == [
        ("c pc", "mismatch reported_late"),
        ("x", "missing reported_late"),
        ("y py", "missing reported_late"),
    ]
    assert document["reports"]["sound"] == 3
    assert document["reports"]["wrong"] == {}
    assert document["balanced"]


def test_a_late_left_that_the_job_pads_is_in_the_books(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    for name in ("x", "y"):
        world.stream.append(Row(world.record(name), None))
    document = told(world, reports(world), progress(world), "  late_left: padded\n").document
    assert world.told() == [("c pc", "mismatch late_right"), ("y py", "mismatch late_left")]
    assert document["agrees"] is True, document["predicted"]


def test_another_reason_is_no_lateness(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    rows = [row | {"reason": "no customer"} for row in reports(world)]
    document = told(world, rows).document
    assert document["causes"] == {"unexplained": 3}
    assert document["reports"]["wrong"] == {}


def test_one_false_report_takes_the_proof_of_the_others(make_world: MakeWorld) -> None:
    """They may be of another job, or of an attempt that was rolled back; then each is a coincidence."""
    world = stream_of(make_world(), LATE)
    document = told(world, [*reports(world), of(world, "a")]).document
    assert document["reports"]["wrong"] == {"written": 1}
    assert document["causes"] == {"unexplained": 3}
    assert "reports" in document["unknown"]["lacking"]


@pytest.mark.parametrize(
    "change",
    [
        {"topic": "t.plays"},
        {"topic": "t.other"},
        {"topic": None},
        {"partition": 1},
        {"partition": 5},
        {"offset": 0},
        {"partition": None},
        {"offset": None},
        {"event_time": None, "watermark": None},
    ],
    ids=str,
)
def test_a_report_with_wrong_coordinates_proves_nothing(change: dict[str, Any], make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    told(world, [of(world, "x") | change, of(world, "pc")])
    assert ("x", "missing unexplained") in world.told()


def test_a_dropped_right_record_does_not_hide_that_its_left_one_is_lost(make_world: MakeWorld) -> None:
    """The join keeps its left side: without the match the left row comes alone."""
    world = stream_of(make_world(), LATE)
    world.stream = [row for row in world.stream if row.left.name != "c"]
    told(world, reports(world))
    assert ("c pc", "missing unexplained") in world.told()


def test_a_left_row_with_and_without_a_match_is_not_explained_by_a_dropped_match(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), [play("pa2", "a", 6)])
    world.stream.append(Row(world.record("a")))
    told(world, reports(world))
    assert not any(finding == "extra reported_late" for _, finding in world.told())


def test_what_the_job_pads_must_be_there(make_world: MakeWorld) -> None:
    """`x` has no match and `y` one: both must have come alone, at once."""
    world = stream_of(make_world(), LATE)
    document = told(world, reports(world), progress(world), "  late_left: padded\n").document
    assert [found for found in world.told() if found[0] != "c pc"] == [
        ("x", "missing unexplained"),
        ("y py", "missing unexplained"),
    ]
    assert document["agrees"] is False


def test_a_padded_left_without_a_row_in_the_batch_is_not_explained(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    world.stream.append(Row(world.record("x")))
    world.batch = [row for row in world.batch if row.left.name != "x"]
    told(world, reports(world), job="  late_left: padded\n")
    assert ("x", "extra unexplained") in world.told()


@pytest.mark.parametrize("changed", [{EVENT_TIME: FAR}, {"show_id": "another"}, dict.fromkeys(COORDINATES)], ids=str)
def test_a_reported_row_that_the_table_holds_elsewhere(changed: dict[str, Any], make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    rows = [Row(world.record("x")), Row(world.record("c"), world.record("pc")), Row(world.record("y"))]
    ready(world, reports(world))
    for row in rows:
        append(world, row, **{EVENT_TIME: FAR} | changed)
    world.reconcile(time_range=DAY)
    assert not any("reported_late" in finding for _, finding in world.told())


def test_explain_tells_what_reconcile_does(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    told(world, reports(world))
    for key, cause in (("x", "reported_late"), ("c", "reported_late")):
        [finding] = explain(world.contract, world.home, key).findings
        assert finding["cause"] == cause


def test_what_lifted_the_watermark_of_such_a_job_is_not_claimed(make_world: MakeWorld) -> None:
    """Of a Spark job it is `watermark_poisoned`: an event from the future came an epoch before."""
    world = from_the_future(make_world(), SIGN, [show("x", 15), play("pa2", "a", 12)])
    late = [of(world, name, watermark=START + timedelta(minutes=20)) for name in world.late]
    document = told(world, late, by_epoch(world)).document
    assert {"late_left", "late_right"} <= document["causes"].keys()
    assert "watermark_poisoned" not in document["causes"]


def test_what_other_delays_would_have_lost_is_not_told_without_watermarks(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), LATE)
    ready(world, reports(world), progress(world))
    with pytest.raises(IncompleteError, match="but not by which watermark"):
        what_if(world.contract, world.home, DAY)
