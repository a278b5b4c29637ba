"""The table of a Spark job whose commits name no epoch, as foreachBatch and MERGE leave it: its rows tell the epoch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plumbline.contract.loader import parse
from tests.reconcile.causes.test_causes import stream_of
from tests.reconcile.inputs.test_foreign_table import JOB, STREAM, late_and_lost, theirs
from tests.support.world import CONTRACT, World, play, show

MakeWorld = Callable[..., World]
CHECKPOINT = "  checkpoint: /jobs/plays/checkpoint\n"
LINEAGE = "  lineage: {left: {partition: show_p, offset: show_o}, right: {partition: play_p, offset: play_o}}\n"


def merged(world: World, job: str = JOB + CHECKPOINT) -> World:
    """Write the world as `theirs` does, with commits that name the engine alone."""
    rows = theirs(world).lake.load(STREAM).scan().to_arrow()
    world.lake.catalog().drop_table(STREAM)
    world.lake.ensure_table(STREAM, rows.schema)
    world.lake.append(STREAM, rows, {"engine-version": "4.1.4", "spark.app.id": "local-1"})
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer") + job.replace("TIME", "shown")
    world.contract = parse(text, "plays.yaml")
    return world


def test_late_rows_are_told_by_the_checkpoint_that_the_contract_names(make_world: MakeWorld) -> None:
    world = merged(late_and_lost(make_world))
    document = world.reconcile().document
    causes = dict(world.told())
    assert (causes["x"], causes["b pb"], causes["f pf"]) == (
        "missing late_left", "mismatch late_right", "missing unexplained",
    )  # fmt: skip
    assert document["balanced"]


def test_with_nothing_lost_the_prediction_agrees(make_world: MakeWorld) -> None:
    world = merged(stream_of(make_world(), [show("x", 3), play("pb", "b", 4)], after=[show("g", 310)]))
    document = world.reconcile().document
    assert (document["agrees"], document["unexplained"], document["causes"]) == (
        True, 0, {"late_left": 1, "late_right": 1},
    )  # fmt: skip
    assert document["counts"]["pending"] == 1


@pytest.mark.parametrize("known", [3, 5, 7, 8])
def test_rows_of_epochs_that_are_not_observed_yet_are_not_compared(known: int, make_world: MakeWorld) -> None:
    """A job that goes on: matches of records that the ledger has not read, and unmatched rows of windows that it holds
    for open, are of later epochs. What they took the place of is pending, and never late, lost or unexplained."""
    world = stream_of(make_world(), [show("x", 3), play("pb", "b", 4)], after=[show("g", 310), play("pg", "g", 311)])
    late = {row["epoch"]: row["late_watermark_ms"] for row in world.ledger}
    assert len(late) > known
    world.ledger = [row for row in world.ledger if row["epoch"] <= known]
    document = merged(world).reconcile().document
    assert (document["unexplained"], document["balanced"], document["agrees"]) == (0, True, True)
    told = {"late_left", "late_right"} if known > max(world.read_in[name] for name in ("x", "pb")) else set()
    assert set(document["causes"]) <= {"late_left", "late_right"}
    assert set(document["causes"]) >= told


@pytest.mark.parametrize(
    "job", [JOB, (JOB + CHECKPOINT).replace(LINEAGE, "")], ids=["without a checkpoint", "without coordinates"]
)
def test_without_a_checkpoint_or_coordinates_nothing_is_told_of_lateness(job: str, make_world: MakeWorld) -> None:
    world = merged(late_and_lost(make_world), job)
    document = world.reconcile().document
    assert set(document["causes"]) == {"unexplained"}
    assert document["predicted"] is None


def test_a_table_that_contradicts_the_checkpoint_gets_no_cause_of_lateness(make_world: MakeWorld) -> None:
    """It may be that of another query."""
    world = late_and_lost(make_world)
    world.stream.append(next(row for row in world.batch if row.left.name == "x"))
    document = merged(world).reconcile().document
    assert document["agrees"] is False
    assert set(document["causes"]) == {"unexplained"}
