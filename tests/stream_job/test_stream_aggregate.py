"""The stream's aggregate, held to plain Python: late events on both sides, restarts, and nothing twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.contract.loader import parse
from plumbline.reconcile.aggregates.run import reconcile_aggregate
from plumbline.stream_job.aggregate import aggregated
from plumbline.stream_job.join import join
from plumbline.stream_job.status import look
from tests.contract.test_aggregate import with_value
from tests.support import aggregates
from tests.support.aggregates import WINDOW, held, modelled
from tests.support.model import Event
from tests.support.scenario import Scenario, within

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

NewScenario = Callable[..., Scenario]


def feeds(seed: int, rounds: int = 3, count: int = 50) -> list[tuple[list[Event], list[Event]]]:
    """Per round: orders and payments of six customers around a moment that moves an hour a round.

    Both sides tolerate ten minutes, so that some of each side are late.
    """
    dice = random.Random(seed)

    def events(place: int, side: str) -> list[Event]:
        return [
            Event(f"c{dice.randrange(6)}", 60 * place + dice.randrange(-100 * 60, 5 * 60) / 60, f"{side}{place}.{i}",
                  amount=dice.randrange(9), partition=dice.randrange(2))
            for i in range(count)
        ] + [Event("c0", 60 * place + 5, f"{side}{place}.last")]  # fmt: skip

    return [(events(place, "o"), events(place, "p")) for place in range(1, rounds + 1)]


def closed(job: Scenario) -> list[dict[str, Any]]:
    """What plain Python says of all windows that the epochs in the ledger have closed."""
    low, high = (bound // timedelta(milliseconds=1) for bound in job.contract.join.within)
    outcome, evict_ms = job.outcome(), job.ledger.read(job.ledger.last_epoch()).evict_watermark_ms
    behind_ms = evict_ms + min(low, -high) - 1
    windows = modelled(outcome.rows, WINDOW)
    return [window for window in windows if window["window_end"].timestamp() * 1000 <= behind_ms]


def expect(job: Scenario, least: int) -> None:
    """The table holds the closed windows; the job dropped what the rule calls late, at the join and nowhere else."""
    windows = closed(job)
    assert held(job, job.contract.output.stream_table) == windows
    assert len(windows) >= least


@pytest.mark.parametrize(
    ("kind", "bounds", "seed"),
    [("left_outer", (0, 60), 1), ("inner", (-45, 10), 2), ("left_outer", (-20, -5), 3)],
)
def test_the_table_holds_the_closed_windows(
    new_scenario: NewScenario, kind: str, bounds: tuple[int, int], seed: int
) -> None:
    """Every round is a run of its own: state, watermarks and windows go on where the last one stopped."""
    job = aggregates.aggregated(new_scenario(join={"kind": kind, "within": within(*bounds)}))
    dropped = 0
    for number, (left, right) in enumerate(feeds(seed)):
        before = len(job.outcome().late) if number else 0
        job.feed(left, right).epoch()
        expect(job, least=0)
        dropped = look(job.contract, job.home).heartbeat.done.late_rows
        assert dropped == len(job.outcome().late) - before, "no row of the join comes behind the windows' clock"
    expect(job, least=8)
    outcome = job.outcome()
    assert {name[0] for name in outcome.late} == {"o", "p"}, "both sides had late events"
    assert job.noted_as_late() == outcome.late
    assert run(["late", str(job.contract_path), f"--home={job.home.root}"]) == 0
    assert run(["quarantine", str(job.contract_path), f"--home={job.home.root}"]) == 0
    job.batch()
    explains_all(job)


def explains_all(job: Scenario) -> None:
    """The batch's line without the rows of late records is the stream's, for each line that differs."""
    compared = reconcile_aggregate(job.contract, job.home)
    document, lines = compared.document, closed(job)
    ends = {line["window_end"] for line in lines}
    batch = [line for line in held(job, "joined.batch") if line["window_end"] <= max(ends)]
    stream = {(line["window_start"], line["id"]): line for line in lines}
    differ = [line for line in batch if stream.get((line["window_start"], line["id"])) != line]
    assert len(compared.findings) == sum(document["causes"].values()) == len(differ) > 0
    assert set(document["causes"]) <= {"late_left", "late_right"}
    assert (document["unexplained"], document["balanced"], document["agrees"]) == (0, True, True)
    assert (document["stale"], document["apart"], compared.exit_code) == (0, 0, 1)
    assert document["counts"]["stream"] == len(lines)


@pytest.mark.parametrize("text", ["max(impressions.price)", "count_distinct(impressions.id)"])
def test_numbers_of_the_left_side_alone_keep_the_join(spark: Any, text: str) -> None:
    """Without it nobody would read the right topic, and its watermark would hold nothing back."""
    contract = parse(with_value(text).partition("      played:")[0] + "  stream_table: a.b\n  batch_table: a.c\n")
    record = ("0 AS partition", "id AS offset", "current_timestamp() AS timestamp", "CAST('' AS BINARY) AS value")
    raw = spark.range(1).selectExpr(*record)
    frame = aggregated(contract, join(contract.rows, raw, raw))
    assert "Join LeftOuter" in frame._jdf.queryExecution().optimizedPlan().toString()
