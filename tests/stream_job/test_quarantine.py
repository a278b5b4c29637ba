"""Poison on both sides, one record after another and all together: the stream goes on as if it had not come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import chain, zip_longest

import pytest

from plumbline.contract.admission import reasons_of
from plumbline.contract.ranges import TimeRange
from plumbline.replay.audit import check
from plumbline.replay.plan import make_plan
from plumbline.replay.play import cut_and_play
from plumbline.replay.steps import open_replay
from plumbline.stream_job import quarantine
from tests.support.model import START, Event, joined, named
from tests.support.poison import LONGEST, poisons
from tests.support.scenario import SIDES, Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

EXPRESSIONS = {
    "orders": {"max_bytes": LONGEST, "compute": {"share": "10 / (amount - 1)", "code": "CAST(label AS INT)"}},
    "payments": {"max_bytes": LONGEST, "where": "CAST(payment AS INT) IS NULL"},
}
COLUMNS = ["orders.label", "orders.amount", "orders.share", "orders.code", "payments.payment", "payments.paid"]
"""Each expression meets values that Spark's ANSI mode would end the job for."""


def good(first: int, amount: float = 1) -> tuple[list[Event], list[Event]]:
    """Twenty events a side, two minutes apart from hour `first` on; the payment of every third order is missing."""
    lefts = [Event(f"o{first}-{n}", 60 * first + 2 * n, partition=n % 2, amount=amount) for n in range(20)]
    rights = [Event(f"o{first}-{n}", 60 * first + 2 * n + 5, f"p{first}-{n}") for n in range(20) if n % 3]
    return lefts, [*rights, Event("nobody", 60 * first + 43, f"alone{first}", partition=1)]


def mixed(events: Sequence[Event], poison: Sequence[Event]) -> list[Event]:
    """One of each in turn."""
    return [event for event in chain.from_iterable(zip_longest(poison, events)) if event is not None]


def feed(job: Scenario, first: int, poison: Callable[[str], Sequence[Event]] | None) -> Scenario:
    lefts, rights = good(first)
    if poison is None:
        return job.feed(lefts, rights)
    return job.feed(mixed(lefts, poison("left")), mixed(rights, poison("right")))


def open_rows(job: Scenario) -> list[int]:
    """Rows that wait in the join's state, left and right."""
    reader = job.spark.read.format("statestore")
    return [reader.option("joinSide", side).load(str(job.job.join)).count() for side in ("left", "right")]


def watermarks(job: Scenario) -> list[int]:
    return sorted({epoch.evict_watermark_ms for epoch in job.ledger.epochs()})


@pytest.fixture(scope="module")
def poisoned(new_scenario: Callable[..., Scenario]) -> Scenario:
    """Three epochs with poison, the second killed before its checkpoint knows that it is in the table; one without."""
    job = new_scenario(sources=EXPRESSIONS, output={"columns": COLUMNS})
    feed(job, 0, lambda side: poisons(side)[:25]).epoch()
    feed(job, 2, lambda side: poisons(side)[25:]).crash("after-sink-commit")
    feed(job, 4, poisons).epoch()
    feed(job, 6, None).epoch()
    job.batch()
    return job


@pytest.fixture(scope="module")
def clean(new_scenario: Callable[..., Scenario]) -> Scenario:
    """The same without the poison, in as many runs."""
    job = new_scenario(sources=EXPRESSIONS, output={"columns": COLUMNS})
    for first in (0, 2, 4, 6):
        feed(job, first, None).epoch()
    return job


def test_there_are_forty_poisons_a_side_and_every_reason_is_among_them() -> None:
    for side in ("left", "right"):
        assert len({poison.raw for poison in poisons(side)}) >= 40
        assert {poison.reason for poison in poisons(side)} == reasons_of("json")


def test_all_of_it_is_quarantined_once_with_its_reason_and_archived(poisoned: Scenario) -> None:
    assert poisoned.quarantined() == poisoned.poisoned()
    assert poisoned.archived() == poisoned.delivered()


def test_good_rows_watermarks_and_state_are_those_of_a_run_without_it(poisoned: Scenario, clean: Scenario) -> None:
    poisoned.expect(late=[])
    clean.expect(late=[])
    assert named(poisoned.rows()) == named(clean.rows()) != []
    assert watermarks(poisoned) == watermarks(clean)
    assert open_rows(poisoned) == open_rows(clean)


def test_batch_and_replay_judge_as_the_stream_did(poisoned: Scenario) -> None:
    expected = joined(poisoned.contract, poisoned.placed["left"], poisoned.placed["right"], None)
    assert poisoned.rows("joined.batch") == expected
    document = poisoned.reconcile()
    assert (document["causes"], document["balanced"], document["agrees"]) == ({}, True, True)
    closed = TimeRange(START, START + timedelta(hours=5))
    made = make_plan(poisoned.contract, poisoned.contract_path, poisoned.home, closed, source="kafka", late="complete")
    replay = open_replay(poisoned.home, made.replay_id)
    cut_and_play(replay, spark=poisoned.spark)
    assert poisoned.rows(made.staging_table) == [row for row in expected if row.at < START + timedelta(hours=5)]
    assert check(replay)["passed"]


def test_the_books_hold_every_record(poisoned: Scenario) -> None:
    document = poisoned.reconcile()
    assert document["balanced"]
    for side, source in SIDES.items():
        reasons = Counter(placed.event.reason for placed in poisoned.placed[side] if placed.event.reason)
        archived = len(poisoned.placed[side])
        # How many its `where` leaves out only Spark can tell: a cast of text.
        untold = {"left_out": None} if poisoned.contract.sources[source].where else {}
        assert document["records"][source] == untold | {
            "archived": archived,
            "entered": archived - reasons.total(),
            "quarantined": dict(sorted(reasons.items())),
            "waiting": 0,
            "balanced": True,
        }


def test_what_cannot_be_computed_is_null_on_both_sides(poisoned: Scenario) -> None:
    for table in ("joined.stream", "joined.batch"):
        rows = poisoned.lake.load(table).scan().to_arrow()
        assert set(rows["share"].to_pylist()) == set(rows["code"].to_pylist()) == {None}, table


def test_a_compacted_archive_gives_nothing_new(poisoned: Scenario) -> None:
    for source in poisoned.contract.sources.values():
        poisoned.spark.sql(
            f"CALL lake.system.rewrite_data_files(table => '{source.archive}', options => map('rewrite-all', 'true'))"
        ).collect()
    assert quarantine.publish(poisoned.lake, poisoned.contract) == 0
    assert poisoned.quarantined() == poisoned.poisoned()
    assert poisoned.archived() == poisoned.delivered()
