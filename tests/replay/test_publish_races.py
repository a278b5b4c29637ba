"""Publishing beside other writers: what is appended elsewhere stays, what comes into the range is never lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

import plumbline.replay.publish as publishing
from plumbline.contract.errors import IncompleteError, UsageError
from tests.support.model import START
from tests.support.replaying import SECOND_DAY, Replay, the_replay
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

INSIDE, OUTSIDE = START + timedelta(days=1, hours=3), START + timedelta(days=2, hours=3)


def append(job: Scenario, name: str, at: datetime, offset: int) -> None:
    """Another writer appends one row to the stream table, by a catalog of its own."""
    table = job.lake.load("joined.stream")
    row = {"id": name, "label": name, "amount": 1.0, "_event_time": at, "_left_partition": 0, "_left_offset": offset}
    table.append(pa.Table.from_pylist([row], schema=table.schema().as_arrow()))


def labels(job: Scenario) -> list[str]:
    return [row.label for row in job.rows()]


@pytest.fixture
def day(replayed: Scenario) -> Replay:
    found = the_replay(replayed)
    assert found.audit()["passed"]
    return found


@pytest.fixture
def at_the_commit(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Let something happen once, after publish or rollback looked at the table and just before it commits."""
    from pyiceberg.table import Table

    overwrite = Table.overwrite

    def when(action: Callable[[], None]) -> None:
        waiting = [action]

        def raced(self: Table, *args: Any, **kwargs: Any) -> None:
            while waiting:
                waiting.pop()()
            overwrite(self, *args, **kwargs)

        monkeypatch.setattr(Table, "overwrite", raced)

    return when


def test_an_append_outside_the_range_at_the_commit_survives(
    day: Replay, at_the_commit: Callable[[Callable[[], None]], None]
) -> None:
    at_the_commit(lambda: append(day.job, "x", OUTSIDE, 900))
    assert day.publish()["changed"]
    assert "x" in labels(day.job)
    assert "l1" in labels(day.job)


def test_a_job_that_appends_faster_than_publish_looks_does_not_hold_it_up(
    day: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = publishing._tag_before

    def raced(*args: Any) -> None:
        append(day.job, "x", OUTSIDE, 900)
        tag(*args)

    monkeypatch.setattr(publishing, "_tag_before", raced)
    assert day.publish()["changed"]
    assert labels(day.job).count("x") == 1, "it began more than once"
    assert "l1" in labels(day.job)


def test_an_append_into_the_range_at_the_commit_is_not_lost(
    day: Replay, at_the_commit: Callable[[Callable[[], None]], None]
) -> None:
    at_the_commit(lambda: append(day.job, "x", INSIDE, 900))
    with pytest.raises(IncompleteError, match=f"changed since the audit.*replay audit {day.id}"):
        day.publish()
    assert "x" in labels(day.job)
    assert "l1" not in labels(day.job)
    assert day.state == "audited"


def test_an_append_into_the_range_while_the_tag_is_set_is_not_lost(
    day: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = publishing._tag_before

    def raced(*args: Any) -> None:
        monkeypatch.setattr(publishing, "_tag_before", tag)
        append(day.job, "x", INSIDE, 900)
        tag(*args)

    monkeypatch.setattr(publishing, "_tag_before", raced)
    with pytest.raises(IncompleteError, match="changed since the audit"):
        day.publish()
    assert "x" in labels(day.job)


def test_rows_that_came_since_the_audit_are_looked_at_first(day: Replay) -> None:
    append(day.job, "y", OUTSIDE, 901)
    append(day.job, "x", INSIDE, 900)
    with pytest.raises(IncompleteError, match="changed since the audit"):
        day.publish()
    assert day.audit()["against_live"]["counts"]["missing"] > 0
    assert day.publish()["changed"]
    assert "x" not in labels(day.job)
    assert "y" in labels(day.job)
    day.rollback()
    assert {"x", "y"} <= set(labels(day.job))


def test_a_rollback_keeps_what_came_after_the_publish(
    day: Replay, at_the_commit: Callable[[Callable[[], None]], None]
) -> None:
    live = labels(day.job)
    day.publish()
    append(day.job, "y", OUTSIDE, 901)
    append(day.job, "x", INSIDE, 900)
    at_the_commit(lambda: append(day.job, "z", INSIDE, 902))
    day.rollback()
    assert sorted(labels(day.job)) == sorted([*live, "x", "y", "z"])
    assert day.state == "rolled back"
    with pytest.raises(IncompleteError, match="changed since the audit"):
        day.publish()


def test_publish_cuts_a_month_partition_at_the_range(day: Replay) -> None:
    files = [task.file.partition for task in day.job.lake.load("joined.stream").scan().plan_files()]
    assert len(files) == 1, "all rows lie in one partition"
    beside = [row for row in day.job.rows() if not SECOND_DAY.contains(row.at)]
    assert len(beside) == 4
    day.publish()
    assert [row for row in day.job.rows() if not SECOND_DAY.contains(row.at)] == beside


def test_a_rollback_under_a_later_replay_is_refused(day: Replay) -> None:
    day.publish()
    table = day.job.lake.load("joined.stream")
    other = table.scan(row_filter="label = 'b'").to_arrow()
    name = other.column_names.index("_replay_id")
    table.append(other.set_column(name, "_replay_id", pa.array(["20240302-1d-00000000"], pa.string())))
    with pytest.raises(UsageError, match="replay 20240302-1d-00000000 was published over this range later"):
        day.rollback()
