"""What is left after a loss: one of the two ledgers, neither for the newest epochs, nothing of the job's folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from plumbline.connect.table_names import EPOCHS
from plumbline.contract.errors import IncompleteError, SetupError
from tests.support.model import Event
from tests.support.recovering import expect, kill_recovery, lose, outcome, published, recovered
from tests.support.scenario import Scenario, within

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]


def refuses_without_the_first_life(job: Scenario, query_id: str) -> None:
    """The files beside the new checkpoint know nothing of the old one: what it dropped would come back."""
    from pyiceberg.expressions import EqualTo

    table = job.lake.load(EPOCHS)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    table.delete(EqualTo("query_id", query_id))
    with pytest.raises(IncompleteError, match=r"the ledger begins at offset \d+ of partition \d of"):
        recovered(job, execute=False, force=True)
    job.lake.load(EPOCHS).manage_snapshots().set_current_snapshot(snapshot.snapshot_id).commit()


def test_each_ledger_alone_after_a_kill_and_with_nothing_of_the_folder(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario()
    job.feed([Event("a", 0), Event("b", 30, partition=1)], [Event("a", 10, "p-a"), Event("z", 40, "p-z")]).epoch()
    job.feed(
        [Event("c", 100), Event("l1", 20), Event("far", 150, partition=1)],
        [Event("b", 85, "p-b"), Event("c", 101, "p-c")],
    ).epoch()
    before = published(job)
    job.lake.catalog().drop_table(EPOCHS)
    lose(job)
    new = job.job.root / "recover" / "new"
    kill_recovery(job, lambda: (new / "join" / "commits" / "0").exists())
    assert not (job.job.root / "given-up").exists()
    with pytest.raises(SetupError, match=r"checkpoint is gone.*stream recover"):
        job.epoch()
    assert recovered(job)["ledger"]["from"] == [str(job.ledger.folder)]
    assert published(job)[: len(before)] == before
    job.feed([Event("d", 200), Event("e", 199, partition=1)], [Event("c", 140, "p-c2"), Event("d", 201, "p-d")]).epoch()
    expect(job, late=["l1"])
    refuses_without_the_first_life(job, before[0].query_id)

    shutil.rmtree(job.job.root)
    document = recovered(job)
    assert document["ledger"]["from"] == [EPOCHS]
    assert sorted(document["archivers"]) == ["orders", "payments"]
    assert document["changed"] == ["unknown: the folder no longer says by which contract the checkpoint was made"]
    job.feed([Event("l2", 100), Event("f", 300)], [Event("e", 230, "p-e"), Event("f", 301, "p-f")]).epoch()
    expect(job, late=["l1", "l2"])
    assert job.archived() == job.delivered()


def forget_epochs(job: Scenario, after: int) -> None:
    """Let both ledgers end at an epoch, as when nothing was recorded or published since."""
    from pyiceberg.expressions import GreaterThan

    job.lake.load(EPOCHS).delete(GreaterThan("epoch", after))
    for path in (job.ledger.folder / "epochs").glob("*.json"):
        if int(path.stem) > after:
            path.unlink()


def test_several_epochs_that_only_the_table_knows(new_scenario: Callable[..., Scenario]) -> None:
    """What was dropped in them is told by what the table lacks; no row of them comes twice, and none is unexplained."""
    job = new_scenario()
    job.feed([Event("a", 0), Event("b", 30, partition=1)], [Event("a", 10, "p-a"), Event("z", 40, "p-z")]).epoch()
    known = job.ledger.last_epoch()
    job.feed([Event("c", 100), Event("m", 92)], [Event("b", 85, "p-b"), Event("c", 101, "p-c")]).epoch()
    job.feed(
        [Event("l1", 60), Event("d", 200), Event("n", 170, partition=1)],
        [Event("b", 84, "late-b"), Event("m", 70, "late-m"), Event("l1", 100, "p-l1"), Event("d", 201, "p-d")],
    ).epoch()
    truth = outcome(job)
    assert truth.late == ["l1", "late-b", "late-m"]
    forget_epochs(job, known)
    lose(job)
    document = recovered(job)
    assert document["border"]["unrecorded_epochs"] > 1
    assert not document["border"]["certain"]
    assert outcome(job).rows == truth.rows == job.rows()
    job.feed([Event("end", 400)], [Event("n", 220, "p-n"), Event("m", 95, "p-m"), Event("end", 401, "p-end")]).epoch()
    # Nothing tells whether late-m was admitted, and nothing comes of it.
    expect(job, late=["l1", "late-b", "p-m"])
    job.batch()
    assert job.reconcile()["unexplained"] == 0


def test_rows_of_both_sides_that_stay_alone(new_scenario: Callable[..., Scenario]) -> None:
    """A full outer join with a lower bound below zero: what was emitted alone before does not come again."""
    job = new_scenario(join={"kind": "full_outer", "within": within(-30, 60)})
    job.feed(
        [Event("a", 100), Event("b", 130, partition=1), Event("x", 20), Event("y", 95)],
        [Event("a", 80, "p-a"), Event("q", 50, "p-q", partition=1), Event("r", 140, "p-r"), Event("v", 100, "p-v")],
    ).epoch()
    job.feed([Event("c", 190)], [Event("c", 180, "p-c")]).epoch()
    assert {"x", "y", "p-q", "p-v"} <= {row.named() for row in job.rows()}
    lose(job)
    assert recovered(job)["proof"]["missing"] == 0
    job.feed(
        [Event("r", 165), Event("l1", 100), Event("d", 300)], [Event("b", 185, "p-b"), Event("d", 300, "p-d")]
    ).epoch()
    job.feed([Event("end", 900)], [Event("end", 900, "p-end")]).epoch()
    expect(job)
