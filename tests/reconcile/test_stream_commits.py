"""A comparison beside a running stream is of one moment; and only what a proven Spark did is predicted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from test_causes import right_arrived_after_batch, stream_of
from world import OUTPUT, World

from reconcile.report.reading import not_compared

MakeWorld = Callable[..., World]


def last_commit(world: World, epoch: int, spark: str = "4.1.4") -> None:
    said = {"spark.sql.streaming.queryId": "q1", "spark.sql.streaming.epochId": str(epoch), "engine-version": spark}
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
        "and 4.1.4"
        if strange
        else ""
    )


def test_a_prediction_that_is_not_held_to_the_tables_says_why(make_world: MakeWorld) -> None:
    world = make_world()
    right_arrived_after_batch(world)
    document = world.write().reconcile().document
    assert document["agrees"] is None
    assert not_compared(document) == (
        "not held to the tables: the two sides did not take in the same records (1 by arrived_after_batch)"
    )
