"""A lost checkpoint of an aggregate, recovered: every window once, whole, and as plain Python has it over all lives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pyiceberg.expressions import EqualTo, GreaterThan

from plumbline.connect.table_names import EPOCHS
from plumbline.contract.errors import IncompleteError, UsageError
from plumbline.contract.lateness import output_watermark_ms
from plumbline.reconcile.aggregates.run import reconcile_aggregate
from tests.stream_job.test_stream_aggregate import feeds
from tests.support.aggregates import VALUES, aggregated, held, modelled
from tests.support.model import Event
from tests.support.recovering import forget_offsets, lose, outcome, published, recovered
from tests.support.scenario import Scenario, within

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

FLOATS = {"weight": "sum(orders.amount / 3)"}


def modelled_closed(job: Scenario) -> list[dict[str, Any]]:
    """What plain Python says of the windows that the epochs of all lives have closed."""
    low, high = (bound // timedelta(milliseconds=1) for bound in job.contract.join.within)
    closed_ms = output_watermark_ms(published(job)[-1].evict_watermark_ms, low, high)
    windows = modelled(outcome(job).rows)
    return [window for window in windows if window["window_end"].timestamp() * 1_000 <= closed_ms]


def expect(job: Scenario) -> None:
    lines = [{k: v for k, v in line.items() if k != "weight"} for line in held(job, "joined.stream")]
    assert lines == modelled_closed(job)


@pytest.mark.parametrize(("kind", "bounds", "seed"), [("left_outer", (0, 60), 1), ("inner", (-45, 10), 2)])
def test_lost_again_and_again(
    new_scenario: Callable[..., Scenario], kind: str, bounds: tuple[int, int], seed: int
) -> None:
    """With the topics; with archive and published ledger alone; with windows of the life before still open."""
    job = aggregated(new_scenario(join={"kind": kind, "within": within(*bounds)}), values={**VALUES, **FLOATS})
    rounds = feeds(seed, rounds=4)
    job.feed(*rounds[0]).epoch()
    lose(job)
    assert recovered(job)["proof"]["missing"] == 0
    job.feed(*rounds[1]).epoch()
    expect(job)
    lose(job, "join", "ledger")
    forget_offsets(job)
    document = recovered(job)
    assert {piece["door"] for source in document["sources"].values() for piece in source["pieces"]} == {"archive"}
    assert document["proof"]["matched"] > 0
    assert document["proof"]["open"] > 0
    job.feed(*rounds[2]).epoch()
    expect(job)
    lose(job)
    recovered(job)
    job.feed(*rounds[3]).epoch()
    job.feed([Event("end", 900)], [Event("end", 900, "p-end")]).epoch()
    expect(job)
    assert {name[0] for name in outcome(job).late} >= {"o", "p"}, "both sides had late events"
    job.batch()
    told = reconcile_aggregate(job.contract, job.home).document
    assert (told["unexplained"], told["balanced"], told["agrees"]) == (0, True, True)
    assert told["causes"]


@pytest.fixture(scope="module")
def lost(new_scenario: Callable[..., Scenario]) -> Scenario:
    """A job whose checkpoint is kept aside, so that each test loses what it needs."""
    job = aggregated(new_scenario())
    for left, right in feeds(3):
        job.feed(left, right).epoch()
    shutil.copytree(job.job.root, job.job.root.with_name("kept"))
    return job


@pytest.fixture
def kept(lost: Scenario) -> Scenario:
    shutil.rmtree(lost.job.root)
    shutil.copytree(lost.job.root.with_name("kept"), lost.job.root)
    return lost


def forget_last(job: Scenario, after: int) -> None:
    """No ledger has the epochs after this one."""
    job.lake.load(EPOCHS).delete(GreaterThan("epoch", after))
    for path in (job.ledger.folder / "epochs").glob("*.json"):
        if int(path.stem) > after:
            path.unlink()


def test_a_changed_line_is_refused_and_nothing_is_accepted(kept: Scenario) -> None:
    lose(kept)
    for accepted in ("accept_gaps", "accept_differences"):
        with pytest.raises(UsageError, match="exactly or not at all"):
            recovered(kept, **{accepted: True})
    table = kept.lake.load("joined.stream")
    lines = table.scan().to_arrow()
    newest = max(lines["window_start"].to_pylist())
    rows = lines.to_pylist()
    row = next(row for row in rows if row["window_start"] == newest)
    row["orders"] += 1
    table.delete(EqualTo("window_start", newest.isoformat()))
    changed = type(lines).from_pylist([row for row in rows if row["window_start"] == newest], schema=lines.schema)
    kept.lake.load("joined.stream").append(changed)
    with pytest.raises(IncompleteError, match=r"1 rows missing, 1 too many, 0 twice \(missing: window_start"):
        recovered(kept)
    table = kept.lake.load("joined.stream")
    table.delete(EqualTo("window_start", newest.isoformat()))
    original = lines.to_pylist()
    kept.lake.load("joined.stream").append(
        type(lines).from_pylist([row for row in original if row["window_start"] == newest], schema=lines.schema)
    )


def test_windows_of_an_epoch_that_no_ledger_knows_are_refused_and_its_log_is_enough(kept: Scenario) -> None:
    """Comes last: the published ledger lacks the epoch from then on, until the recovery brings it back."""
    forget_last(kept, kept.ledger.last_epoch() - 1)
    aside = kept.job.root.with_name("aside")
    kept.job.join.rename(aside)
    with pytest.raises(IncompleteError, match="which records the epoch that wrote it had read is not known"):
        recovered(kept)
    aside.rename(kept.job.join)
    shutil.rmtree(kept.job.join / "state")
    assert recovered(kept)["proof"]["missing"] == 0
    kept.feed([Event("end", 900)], [Event("end", 900, "p-end")]).epoch()
    expect(kept)
