"""Faithful replays: the recorded epochs again, with their restarts and no-data epochs, give the live rows exactly."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest

from plumbline.contract.errors import UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.replay.fidelity import dropped, played_watermarks
from plumbline.replay.plan import Plan
from plumbline.replay.publish import PUBLISHED
from plumbline.replay.steps import open_replay
from plumbline.replay.tape import cut
from plumbline.replay.tape import order as place_on_tape
from tests.support.model import START, Event, Row, simulated
from tests.support.replaying import Replay, copy_of, planned
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

RUNS, FEEDS = 2, 3
PLAYED = TimeRange(START + timedelta(minutes=65), START + timedelta(minutes=95))


@pytest.fixture(scope="module")
def lively(new_scenario: Callable[..., Scenario]) -> Scenario:
    """A live run with restarts: events of six half hours, some of them an hour late, on both sides."""
    job, drawn = new_scenario(join={"within": ["-20 minutes", "60 minutes"]}), random.Random(20130708)
    names = count()
    for run in range(RUNS):
        job.live(*(feed_of(drawn, names, 30 * (run * FEEDS + i)) for i in range(FEEDS)))
    job.live(([Event("end", 900)], [Event("end", 900, "p-end")]))
    assert any(epoch.no_data for epoch in job.ledger.epochs())
    assert len({epoch.run_id for epoch in job.ledger.epochs()}) == RUNS + 1
    assert len(job.outcome().late) > 5
    return job


def feed_of(drawn: random.Random, names: count[int], minute: int) -> tuple[list[Event], list[Event]]:
    """Six events a side around `minute`; every third comes an hour late."""
    lefts, rights = [], []
    for _ in range(6):
        number = next(names)
        at = minute + drawn.uniform(0, 30) - (60 if drawn.random() < 0.33 else 0)
        lefts.append(Event(f"o{number}", max(0, at), partition=drawn.randrange(2)))
        known = f"o{drawn.randrange(max(0, number - 9), number + 1)}"
        paid = minute + drawn.uniform(0, 40) - (60 if drawn.random() < 0.33 else 0)
        rights.append(Event(known, max(0, paid), f"p{number}", partition=drawn.randrange(2)))
    return lefts, rights


def some_range(drawn: random.Random) -> TimeRange:
    start = drawn.uniform(-20, 220)
    return TimeRange(START + timedelta(minutes=start), START + timedelta(minutes=start + drawn.uniform(1, 120)))


def live_rows(job: Scenario, time_range: TimeRange) -> list[Row]:
    return [row for row in job.rows() if time_range.contains(row.at)]


def test_the_planned_epochs_alone_decide_the_rows_of_twenty_random_ranges(lively: Scenario) -> None:
    drawn, lengths = random.Random(8), set()
    for number in range(20):
        time_range = some_range(drawn)
        plan = planned(lively, time_range, ("kafka", "iceberg", "auto")[number % 3], late="faithful").plan
        assert foretold(lively, plan) == live_rows(lively, time_range), time_range
        lengths.add(len(plan.epochs))
    assert min(lengths) < len(list(lively.ledger.epochs())) - 4, "the margins take everything"


def foretold(job: Scenario, plan: Plan, seed: int | None = None) -> list[Row]:
    """The rows of a plan's range that its epochs alone give; with a seed, in that other order."""
    begins = {name: {piece.partition: piece.start for piece in reversed(s.read)} for name, s in plan.sources.items()}
    rows = simulated(job.contract, job.placed, plan.epochs, begins, place_on_tape(len(plan.epochs), seed))
    return [row for row in rows if plan.time_range.contains(row.at)]


def without_the_end(job: Scenario) -> None:
    """The archives lose their later half and a stretch in the middle: a seam, and a hole that the topic fills."""
    for archive in ("raw.orders", "raw.payments"):
        job.lake.load(archive).delete("offset >= 11 or offset = 8")


def test_played_across_a_seam_they_give_the_live_rows_with_the_same_drops_and_watermarks(lively: Scenario) -> None:
    job = copy_of(lively, "seam")
    without_the_end(job)
    day = planned(job, PLAYED, "auto", late="faithful")
    assert {s.door for s in day.plan.sources.values()} == {"iceberg and kafka"}
    assert [epoch["restart"] for epoch in day.plan.epochs].count(True) == 1
    ran = day.run()
    assert day.staged() == live_rows(lively, PLAYED)
    marks = ran["fidelity"]["watermarks"]
    assert (marks["apart"], marks["same"] + marks["before"]) == ([], len(day.plan.epochs))
    assert ran["fidelity"]["order"] == 1.0
    assert ran["fidelity"]["dropped"] == ran["fidelity"]["dropped_live"] > 0
    assert ran["late"] == expected_drops(day)
    audited = day.audit()
    assert audited["passed"], audited["checks"]
    assert audited["against_live"]["counts"]["match"] == len(day.staged())
    live = job.rows()
    assert day.publish()["action"] == PUBLISHED
    assert job.rows() == live


def expected_drops(day: Replay) -> int:
    """Late rows by the played watermarks; of left rows Spark sees those of the range only."""
    played, tape = played_watermarks(day.folder.checkpoint), day.folder.tape
    start, end = PLAYED.start_us, PLAYED.end_us
    assert start is not None
    assert end is not None
    lefts = [dropped(tape, ["orders"], played, since) for since in (start, end)]
    return dropped(tape, ["payments"], played, 0) + lefts[0] - lefts[1]


def test_the_tape_is_the_same_from_the_topic_and_across_the_seam(lively: Scenario) -> None:
    """What an archive does not know may hold anything, so across the seam the tape begins with further epochs."""
    cuts = []
    for source in ("kafka", "auto"):
        job = copy_of(lively, f"tape-{source}")
        if source == "auto":
            without_the_end(job)
        replay = open_replay(job.home, planned(job, PLAYED, source, late="faithful").id)
        cuts.append(cut(job.spark, replay)["sources"])
    for name, files in cuts[0].items():
        assert [file["sha256"] for file in files] == [file["sha256"] for file in cuts[1][name]][-len(files) :]
        assert sum(file["rows"] for file in files) > 10


def test_another_order_shows_which_rows_depend_on_it(lively: Scenario) -> None:
    job = copy_of(lively, "other")
    straight, live = planned(job, PLAYED, late="faithful").plan, live_rows(job, PLAYED)
    seed = next(seed for seed in range(1000) if moves_a_pair(foretold(job, straight, seed), live))
    other = planned(job, PLAYED, late="faithful", perturb=seed)
    assert (other.plan.epochs, other.plan.sources) == (straight.epochs, straight.sources)
    assert other.id != straight.replay_id
    other.run()
    assert other.staged() == foretold(job, straight, seed)
    audited = other.audit()
    counts = audited["against_live"]["counts"]
    assert (counts["missing"], counts["extra"]) == unlike(live, other.staged())
    with pytest.raises(UsageError, match="in another order"):
        other.publish()


def moves_a_pair(rows: list[Row], live: list[Row]) -> bool:
    """Whether some rows stay, and a pair comes or goes."""
    return bool(set(rows) & set(live)) and any(row.label and row.payment for row in set(rows) ^ set(live))


def unlike(live: list[Row], rows: list[Row]) -> tuple[int, int]:
    """How many keys only the live rows have, and how many only these."""
    keys = [{(row.id, row.payment) for row in side} for side in (live, rows)]
    return len(keys[0] - keys[1]), len(keys[1] - keys[0])


def test_another_order_moves_epochs_a_few_places() -> None:
    order = place_on_tape(30, 7)
    assert sorted(order) == list(range(30)) != order
    assert all(abs(place - number) <= 4 for number, place in enumerate(order))
    assert place_on_tape(30, None) == sorted(order)


def test_only_recorded_epochs_have_another_order(lively: Scenario) -> None:
    with pytest.raises(UsageError, match="--perturb changes the order of recorded epochs"):
        planned(lively, PLAYED, perturb=7)
