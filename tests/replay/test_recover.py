"""A lost checkpoint recovered: afterwards the table is that of a job that never lost it, row for row by lineage."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plumbline.contract.errors import IncompleteError, SetupError
from tests.support.model import Event
from tests.support.recovering import Calm, expect, forget_offsets, lose, outcome, recovered
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

Feed = tuple[list[Event], list[Event]]

FEEDS: tuple[Feed, ...] = (
    (
        [Event("a", 0), Event("b", 5), Event("open", 30, partition=1), Event("wait", 38)],
        [Event("a", 10, "p-a"), Event("lone", 40, "p-lone", partition=1)],
    ),
    (
        [Event("l1", 20), Event("c", 95), Event("d", 118, partition=1)],
        [Event("wait", 60, "p-wait"), Event("b", 20, "late-b"), Event("d", 120, "p-d"), Event("b", 64, "p-b")],
    ),
    (
        [Event("e", 200), Event("l2", 100, partition=1), Event("f", 199, partition=1)],
        [
            Event("c", 150, "p-c"),
            Event("d", 125, "p-d2", partition=1),
            Event("d", 99, "late-d"),
            Event("e", 210, "p-e"),
        ],
    ),
    (
        [Event("g", 300), Event("l3", 150), Event("h", 290, partition=1)],
        [
            Event("f", 230, "p-f"),
            Event("e", 220, "p-e2", partition=1),
            Event("g", 310, "p-g"),
            Event("e", 180, "late-e"),
        ],
    ),
    ([Event("end", 900)], [Event("end", 900, "p-end")]),
)
"""Each brings matches for what the last one left open, late events of both sides, and rows that stay unmatched."""


def crash_between(job: Scenario, calm: Calm) -> None:
    """Kill the job when an epoch's rows are in the table and its checkpoint does not say so.

    The moment is short: a job that slipped through gets one more pair of events.
    """
    for minute in range(211, 215):
        try:
            job.crash("after-sink-commit")
            return
        except AssertionError:
            job.feed([Event(f"x{minute}", minute)], [Event(f"x{minute}", minute, f"p-x{minute}")])
            calm.epoch()
    job.crash("after-sink-commit")


def test_lost_three_times(new_scenario: Callable[..., Scenario]) -> None:
    """Early with open state; after late drops, when only the archive has the rows; between table and checkpoint."""
    job = new_scenario()
    calm = Calm(job)

    def step(number: int) -> None:
        job.feed(*FEEDS[number])
        calm.epoch()

    step(0)
    job.epoch()
    lose(job)
    assert recovered(job)["state"]["rows"] == 5
    step(1)
    job.epoch()
    assert outcome(job).late == ["l1", "late-b"]
    lose(job, "join", "ledger")
    forget_offsets(job)
    with pytest.raises(IncompleteError, match="the archive has them"):
        recovered(job, source="kafka")
    document = recovered(job)
    assert {piece["door"] for source in document["sources"].values() for piece in source["pieces"]} == {"archive"}
    step(2)
    crash_between(job, calm)
    lose(job)
    with pytest.raises(SetupError, match="checkpoint is gone"):
        job.epoch()
    assert recovered(job)["proof"]["missing"] == 0
    step(3)
    job.epoch()
    step(4)
    job.epoch()
    expect(job, late=["l1", "l2", "l3", "late-b", "late-d", "late-e"])
    assert job.rows() == calm.rows()
    assert job.archived() == job.delivered()
    job.batch()
    document = job.reconcile()
    assert document["unexplained"] == 0
    assert document["causes"]["late_left"] == 3
    assert document["causes"]["late_right"] >= 1
