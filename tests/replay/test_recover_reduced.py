"""A lost checkpoint of a join whose right source is reduced, recovered: windows that were open are made again from all
their events, and none that was written comes twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.expressions import EqualTo, GreaterThan

from plumbline.connect.table_names import EPOCHS
from plumbline.contract.errors import IncompleteError, UsageError
from tests.support.model import Event
from tests.support.recovering import forget_offsets, lose, published, recovered
from tests.support.reduced import changes, orders_paid_in_bursts, stream_rows
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

NewScenario = Callable[..., Scenario]
STREAM = "joined.stream"
SMALL_EPOCHS = {"stream": {"max_events_per_epoch": 30}}


def expect(job: Scenario) -> None:
    """The table is what the model says over all lives."""
    assert job.rows() == stream_rows(job, published(job))


def fed(job: Scenario, first: int, last: int) -> Scenario:
    """Feed that part of the orders and payments; where payments have ids some come again, at once and from before."""
    lefts, rights = (events[3 * first : 3 * last] for events in orders_paid_in_bursts(15))
    if job.contract.right.event_id is not None:
        before = [placed.event for placed in job.placed["right"][-4:]]
        rights = [*(replace(one, partition=1 - one.partition) for one in before), *rights, *rights[-9::4]]
    return job.feed(lefts, rights)


@pytest.mark.parametrize(("take", "event_id"), [("last", None), ("first", "payment")])
def test_lost_again_and_again(new_scenario: NewScenario, take: str, event_id: str | None) -> None:
    """With the topics; with archive and published ledger alone; after a kill whose epoch no ledger recorded."""
    job = new_scenario(**changes(take, event_id), **SMALL_EPOCHS)
    fed(job, 0, 48).epoch()
    lose(job)
    document = recovered(job)
    assert document["proof"]["matched"] > 0
    assert document["proof"]["open"] > 0
    fed(job, 48, 80).epoch()
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
    fed(job, 110, 150).feed([Event("end", 1500)], [Event("end", 1500, "p-end")]).epoch()
    expect(job)
    job.batch()
    told = job.reconcile()
    assert (told["unexplained"], told["balanced"]) == (0, True)
    causes = {"late_left", "late_right"} if take == "last" else {"late_left"}  # a late event is not the first
    assert causes <= set(told["causes"])


@pytest.fixture(scope="module")
def lost(new_scenario: NewScenario) -> Scenario:
    """A job whose checkpoint is kept aside, so that each test loses what it needs."""
    job = new_scenario(**changes("last", "payment"), **SMALL_EPOCHS)
    fed(job, 0, 40).epoch()
    shutil.copytree(job.job.root, aside(job))
    return job


def aside(job: Scenario) -> Path:
    return job.job.root.with_name("kept")


@pytest.fixture
def kept(lost: Scenario) -> Scenario:
    shutil.rmtree(lost.job.root)
    shutil.copytree(aside(lost), lost.job.root)
    return lost


def last_with_payment(job: Scenario) -> dict[str, Any]:
    rows: list[dict[str, Any]] = job.lake.load(STREAM).scan().to_arrow().to_pylist()
    return max((one for one in rows if one["payment"]), key=lambda one: one["_event_time"])


def test_a_row_that_is_gone_is_refused_and_nothing_is_accepted(kept: Scenario) -> None:
    table = kept.lake.load(STREAM)
    before = table.current_snapshot()
    assert before is not None
    table.delete(EqualTo("payment", last_with_payment(kept)["payment"]))
    lose(kept)
    with pytest.raises(IncompleteError, match="1 rows missing, 0 too many, 0 twice"):
        recovered(kept)
    for accepted in ("accept_gaps", "accept_differences"):
        with pytest.raises(UsageError, match="the join of a reduced source is recovered exactly"):
            recovered(kept, **{accepted: True})
    kept.lake.load(STREAM).manage_snapshots().rollback_to_snapshot(before.snapshot_id).commit()


def test_windows_of_several_epochs_that_no_ledger_knows_are_refused(kept: Scenario) -> None:
    """Comes last: the published ledger lacks these epochs from then on."""
    after = kept.ledger.last_epoch() - 5
    kept.lake.load(EPOCHS).delete(GreaterThan("epoch", after))
    lose(kept, "join", "ledger")
    with pytest.raises(IncompleteError, match="which were in the windows of payments, is not known"):
        recovered(kept)
