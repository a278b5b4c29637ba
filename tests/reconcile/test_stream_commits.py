"""A comparison beside a running stream is of one moment; and only what a proven Spark did is predicted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from test_causes import right_arrived_after_batch, stream_of
from world import OUTPUT, World, play, show

from reconcile.report.reading import not_compared

MakeWorld = Callable[..., World]


def last_commit(world: World, epoch: int, spark: str | None = "4.1.4") -> None:
    said = {"spark.sql.streaming.queryId": "q1", "spark.sql.streaming.epochId": str(epoch)}
    said |= {"engine-version": spark} if spark else {}
    world.lake.append("joined.plays_stream", OUTPUT.empty_table(), said)


@pytest.mark.parametrize(("epoch", "cause"), [(4, "pending"), (6, "lost_output")])
def test_rows_of_epochs_after_the_pinned_commit_are_not_lost(epoch: int, cause: str, make_world: MakeWorld) -> None:
    """The pair of f was read in epoch 5. The ledger goes on to epoch 7."""
    world = stream_of(make_world())
    world.stream.remove(world.row("f", "pf"))
    last_commit(world.write(), epoch)
    document = world.reconcile().document
    assert ("f pf", f"missing {cause}") in world.told()
    assert document["stream"]["last_epoch"] == epoch


@pytest.mark.parametrize(("version", "strange"), [("4.1.3", []), ("4.1.4", []), ("4.2.0", ["4.2.0"])])
def test_a_spark_that_was_not_proven_is_not_predicted(version: str, strange: list[str], make_world: MakeWorld) -> None:
    world = stream_of(make_world()).write()
    last_commit(world, 7, version)
    document = world.reconcile().document
    assert document["unproven_spark"] == strange
    assert (document["predicted"] is None) is bool(strange)
    assert not_compared(document) == (
        "nothing is predicted: the stream ran on Spark 4.2.0, whose rule of lateness is not proven; proven are 4.1.3 "
        "and 4.1.4, and late or lost rows are unexplained"
        if strange
        else ""
    )


@pytest.mark.parametrize(("version", "proven"), [("4.1.4", True), ("4.2.0", False), (None, False)])
def test_causes_by_the_late_rule_are_told_of_a_proven_spark_only(
    version: str | None, proven: bool, make_world: MakeWorld
) -> None:
    """A late show, a late play and a lost pair; and a record that is not read yet, which no rule of Spark's decides."""
    late = [show("x", 3), play("pb", "b", 4)]
    world = stream_of(make_world(), late, archived_only=[show("n", 310)])
    world.stream.remove(world.row("f", "pf"))
    last_commit(world.write(), 7, version)
    document = world.reconcile().document
    by_rule = {"late_left", "late_right", "lost_output"}
    told = {kind.split()[1] for _, kind in world.told()}
    assert told == ({*by_rule, "pending"} if proven else {"unexplained", "pending"})
    assert ("rule" in document["unknown"]["lacking"]) is not proven
    assert by_rule <= set(document["unknown"]["causes"]) or proven
    assert bool(document["unproven_spark"]) is not proven


def test_a_prediction_that_is_not_held_to_the_tables_says_why(make_world: MakeWorld) -> None:
    world = make_world()
    right_arrived_after_batch(world)
    document = world.write().reconcile().document
    assert document["agrees"] is None
    assert not_compared(document) == (
        "not held to the tables: the two sides did not take in the same records (1 by arrived_after_batch)"
    )
