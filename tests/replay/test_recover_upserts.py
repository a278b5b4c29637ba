"""A lost checkpoint of a table with the newest row per key, recovered: as plain Python has it over all lives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.expressions import EqualTo

from plumbline.contract.errors import IncompleteError, UsageError
from tests.support.model import Event
from tests.support.recovering import forget_offsets, lose, outcome, recovered
from tests.support.scenario import Scenario
from tests.support.upserts import CHANGES, newest, orders_with_many_payments

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

NewScenario = Callable[..., Scenario]
STREAM = "joined.stream"
SMALL_EPOCHS = {**CHANGES, "stream": {"max_events_per_epoch": 10}}


def expect(job: Scenario) -> None:
    """The table is what the model says over all lives, and the batch's rows that it lacks have a proven cause."""
    assert job.rows() == newest(job, outcome(job).rows)


def fed(job: Scenario, first: int, last: int) -> Scenario:
    """Feed that part of the orders and payments."""
    lefts, rights = orders_with_many_payments(16)
    return job.feed(lefts[first:last], rights[first:last])


def test_lost_again_and_again(new_scenario: NewScenario) -> None:
    """With the topics; with archive and published ledger alone; after a kill whose epoch no ledger recorded."""
    job = new_scenario(**SMALL_EPOCHS)
    fed(job, 0, 45).epoch()
    lose(job)
    document = recovered(job)
    assert document["proof"]["matched"] > 0
    assert document["proof"]["open"] > 0
    fed(job, 45, 80).epoch()
    expect(job)
    lose(job, "join", "ledger")
    forget_offsets(job)
    document = recovered(job)
    assert {piece["door"] for source in document["sources"].values() for piece in source["pieces"]} == {"archive"}
    fed(job, 80, 110)
    job.crash("after-sink-commit")
    lose(job)
    assert recovered(job)["border"]["unrecorded_epochs"] == 1
    job.epoch()
    expect(job)
    fed(job, 110, 140).feed([Event("end", 1000)], [Event("end", 1000, "p-end")]).epoch()
    expect(job)
    assert {name[0] for name in outcome(job).late} == {"o", "p"}, "both sides had late events"
    job.batch()
    told = job.reconcile()
    assert (told["unexplained"], told["balanced"]) == (0, True)
    assert told["causes"]


@pytest.fixture(scope="module")
def lost(new_scenario: NewScenario) -> Scenario:
    """A job whose checkpoint is kept aside, so that each test loses what it needs."""
    job = new_scenario(**SMALL_EPOCHS)
    fed(job, 0, 40).epoch()
    shutil.copytree(job.job.root, aside(job))
    return job


def aside(job: Scenario) -> Path:
    return job.job.root.with_name("kept")


def with_other_row(job: Scenario, change: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """The newest row with a payment is another one, or several."""
    table = job.lake.load(STREAM)
    held = table.scan().to_arrow()
    row = max((one for one in held.to_pylist() if one["payment"]), key=lambda one: one["_event_time"])
    table.delete(EqualTo("label", row["label"]))
    job.lake.load(STREAM).append(pa.Table.from_pylist(change(row), schema=held.schema))


GONE = "1 rows missing, 0 too many, 0 twice"
OTHER = "1 rows missing, 1 too many, 0 twice"
TWICE = "0 rows missing, 0 too many, 1 twice"
UNMATCHED = dict.fromkeys(("payment", "paid", "_right_partition", "_right_offset", "_right_event_time"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda row: [], GONE, id="gone"),
        pytest.param(lambda row: [row | UNMATCHED], OTHER, id="an older one"),
        pytest.param(lambda row: [row, row], TWICE, id="twice"),
    ],
)
def test_a_table_that_others_changed_is_refused(
    lost: Scenario, change: Callable[[dict[str, Any]], list[dict[str, Any]]], told: str
) -> None:
    before = lost.lake.load(STREAM).current_snapshot()
    assert before is not None
    with_other_row(lost, change)
    lose(lost)
    try:
        with pytest.raises(IncompleteError, match=told):
            recovered(lost)
        for accepted in ("accept_gaps", "accept_differences"):
            with pytest.raises(UsageError, match="a table with the newest row per key is recovered exactly"):
                recovered(lost, **{accepted: True})
    finally:
        lost.lake.load(STREAM).manage_snapshots().rollback_to_snapshot(before.snapshot_id).commit()
        shutil.rmtree(lost.job.root)
        shutil.copytree(aside(lost), lost.job.root)
