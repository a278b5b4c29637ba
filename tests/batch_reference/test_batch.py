"""The batch reference on archives of its own: ranges are replaced exactly, and nothing beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pyarrow as pa
import pytest

from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.errors import SetupError
from plumbline.contract.ranges import TimeRange
from tests.support.model import START, Event, Placed, Row, joined
from tests.support.scenario import SIDES, Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

NewScenario = Callable[..., Scenario]
EVERYTHING = TimeRange()
DAY = 1440
LEFTS = [Event("a", 0), Event("b", 100), Event("c", DAY - 1), Event("d", DAY), Event("e", 40 * DAY)]
RIGHTS = [Event("a", 1, "pa"), Event("c", DAY + 30, "pc"), Event("e", 40 * DAY + 60, "pe")]


def minutes(start: float, end: float) -> TimeRange:
    return TimeRange(START + timedelta(minutes=start), START + timedelta(minutes=end))


def archive(job: Scenario, left: Sequence[Event] = (), right: Sequence[Event] = ()) -> None:
    """Put events into the archives, as the archiver would have."""
    for side, events in (("left", left), ("right", right)):
        source = job.contract.sources[SIDES[side]]
        job.lake.ensure_table(source.archive, ARCHIVE_SCHEMA, ("day", "event_time"))
        rows = []
        for event in events:
            placed = Placed(event, 0, len(job.placed[side]))
            job.placed[side].append(placed)
            values = {"topic": source.topic, "partition": 0, "offset": placed.offset, "value": event.value(side)}
            rows.append(values | {"event_time": event.at, "schema_id": 0})
        if rows:
            job.lake.append(source.archive, pa.Table.from_pylist(rows, schema=ARCHIVE_SCHEMA))


def wanted(job: Scenario, time_range: TimeRange = EVERYTHING) -> list[Row]:
    """The reference's rows of a range, as all of the archive gives them now."""
    rows = joined(job.contract, job.placed["left"], job.placed["right"], None)
    return [row for row in rows if time_range.contains(row.at)]


@pytest.mark.parametrize("unit", ["none", "hour", "day", "month"])
def test_a_range_is_replaced_and_its_neighbours_stay(new_scenario: NewScenario, unit: str) -> None:
    job = new_scenario(output={"partition_by": unit})
    archive(job, LEFTS, RIGHTS)
    result = job.batch()
    assert (result["rows"], result["changed"]) == (5, True)
    before = job.rows("joined.batch")
    assert before == wanted(job)
    archive(job, [Event("new", 101), Event("beside", 20)], [Event("b", 102, "pb"), Event("a", 2, "pa2")])
    cut = minutes(100, 110)
    assert job.batch(cut)["rows"] == 2
    inside = [row for row in job.rows("joined.batch") if cut.contains(row.at)]
    assert inside == wanted(job, cut)
    assert [row.named() for row in inside] == ["b+pb", "new"]
    assert [r for r in job.rows("joined.batch") if not cut.contains(r.at)] == [r for r in before if r.label != "b"]


def test_the_same_range_again_changes_nothing(new_scenario: NewScenario) -> None:
    job = new_scenario()
    archive(job, LEFTS, RIGHTS)
    first, again = job.batch(minutes(0, 200)), job.batch(minutes(0, 200))
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["snapshot_id"] == again["snapshot_id"]
    job.batch(minutes(200, DAY))
    rows = job.rows("joined.batch")
    third = job.batch(minutes(0, 200))
    assert third["snapshot_id"] != first["snapshot_id"]
    assert job.rows("joined.batch") == rows


def test_right_rows_beyond_the_range_still_match(new_scenario: NewScenario) -> None:
    job = new_scenario()
    archive(job, LEFTS, RIGHTS)
    job.batch(minutes(DAY - 1, DAY))
    assert [row.named() for row in job.rows("joined.batch")] == ["c+pc"]


def test_the_commit_names_its_range_and_its_inputs(new_scenario: NewScenario) -> None:
    job = new_scenario()
    archive(job, LEFTS, RIGHTS)
    result = job.batch(TimeRange(None, START + timedelta(minutes=5)))
    properties = job.lake.load("joined.batch").current_snapshot().summary.additional_properties
    assert properties["plumbline.range.from"] == "open"
    assert properties["plumbline.range.to"] == "2024-03-01T00:05:00Z"
    for source in ("orders", "payments"):
        newest = job.lake.load(f"raw.{source}").current_snapshot().snapshot_id
        assert properties[f"plumbline.archive.{source}.snapshot-id"] == str(newest) == str(result["archives"][source])


def test_without_an_archive_the_next_step_is_named(new_scenario: NewScenario) -> None:
    job = new_scenario()
    with pytest.raises(SetupError, match=r"'orders' has no archive yet: raw.orders is missing.*stream run"):
        job.batch()
    archive(job, LEFTS, [])
    with pytest.raises(SetupError, match="'payments' has no archive yet"):
        job.batch()
