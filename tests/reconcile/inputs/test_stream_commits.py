"""A comparison beside a running stream is of one moment; and only what a proven Spark did is predicted."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate
from rich.console import Console

from plumbline.commands.report import lateness
from plumbline.contract.errors import IncompleteError
from plumbline.contract.ranges import TimeRange
from plumbline.nightly.run import _settled_us as settled_us
from plumbline.reconcile.document import closing_unknown
from plumbline.reconcile.explain.explain import explain
from plumbline.reconcile.lateness.curve import measure
from plumbline.reconcile.lateness.what_if import what_if
from plumbline.reconcile.report import terminal
from plumbline.reconcile.report.answers import answers
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.not_judged import not_compared
from plumbline.replay.settled import settled_end, unproven_closing
from tests.reconcile.causes.test_causes import double_commit, right_arrived_after_batch, stream_of
from tests.support.world import OUTPUT, World, play, show
from tests.support.world_rows import START

FACTS = Facts(contract_path="plays.yaml")

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


@pytest.mark.parametrize("by", ["maintenance", "replay.id", "replay.rollback-of"])
def test_nor_are_those_above_which_maintenance_or_a_publish_lies(by: str, make_world: MakeWorld) -> None:
    world = stream_of(make_world())
    world.stream.remove(world.row("f", "pf"))
    last_commit(world.write(), 4)
    if by == "maintenance":
        compact(world)
    else:
        world.lake.append("joined.plays_stream", OUTPUT.empty_table(), {by: "some-replay"})
    document = world.reconcile().document
    assert ("f pf", "missing pending") in world.told()
    assert document["stream"]["last_epoch"] == 4


def test_an_unnamed_commit_above_may_be_one_of_the_jobs(make_world: MakeWorld) -> None:
    """As of a job that went over to `foreachBatch`: nothing says that the table lacks what its ledger has."""
    world = stream_of(make_world())
    world.stream.remove(world.row("f", "pf"))
    last_commit(world.write(), 4)
    world.lake.append("joined.plays_stream", OUTPUT.empty_table())
    world.reconcile()
    assert ("f pf", "missing lost_output") in world.told()


def compact(world: World) -> None:
    """Commit the files of the stream table once more, as a compaction that found nothing to join."""
    table = world.lake.load("joined.plays_stream")
    head = table.current_snapshot()
    assert head is not None
    number = table.metadata.last_sequence_number + 1
    changes = {"snapshot_id": head.snapshot_id + 1, "parent_snapshot_id": head.snapshot_id, "sequence_number": number}
    made = head.model_copy(update={**changes, "summary": Summary(Operation.REPLACE)})
    to_it = SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=made.snapshot_id)
    with table.transaction() as transaction:
        transaction._apply((AddSnapshotUpdate(snapshot=made), to_it))


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


@pytest.mark.parametrize(("versions", "known"), [(("4.2.0", "4.1.4"), True), (("4.1.4", "4.2.0"), False)])
def test_what_is_closed_is_told_where_a_proven_spark_made_the_newest_epoch(
    versions: tuple[str, str], known: bool, make_world: MakeWorld
) -> None:
    world = stream_of(make_world()).write()
    for place, version in enumerate(versions):
        last_commit(world, 6 + place, version)
    document = world.reconcile(time_range=TimeRange(START, START + timedelta(hours=1))).document
    assert (document["settled"], document["stream"]["closed_until"] is not None) == (known, known)
    assert closing_unknown(document) is not known
    assert world.reconcile(require_settled=True).document["verdict"] == "incomplete"
    assert document["predicted"] is None
    shown = Console(record=True, width=200, file=io.StringIO())
    terminal.show(world.reconcile(time_range=TimeRange(START, START + timedelta(hours=1))), FACTS, shown)
    said = "not settled: the rule of Spark 4.2.0 is not proven"
    assert (said in shown.export_text()) is not known


def test_no_replay_is_advised_that_would_be_refused(make_world: MakeWorld) -> None:
    """Rows written twice can be told without the rule; a replay repairs them, but is refused."""
    world = make_world()
    double_commit(world)
    last_commit(world.write(), 7, "4.2.0")
    run = world.reconcile()
    assert set(run.document["causes"]) == {"double_commit"}
    todo = answers([run.document], FACTS, ()).what_to_do
    assert todo.short == "Run the stream on a proven Spark"
    assert all("replay" not in command for command in todo.commands)
    with pytest.raises(IncompleteError, match=r"4\.2\.0, whose rule of lateness is not proven"):
        settled_end(world.lake, world.contract)
    assert unproven_closing(world.lake, world.contract) == "4.2.0"
    job: Any = SimpleNamespace(lake=world.lake, contract=world.contract)
    assert settled_us(job) is None, "the night goes by the clock"


def test_the_curves_of_lateness_and_a_keys_story_say_that_the_rule_is_not_proven(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), [show("x", 3)])
    last_commit(world.write(), 7, "4.2.0")
    refused = r"which records the stream lost as late is not known: the stream ran on Spark 4\.2\.0"
    with pytest.raises(IncompleteError, match=refused):
        what_if(world.contract, world.home, TimeRange(), lose=0.1)
    with pytest.raises(IncompleteError, match=refused):
        measure(world.contract, world.home, world.reconcile().document)
    assert lateness(world.contract, world.home, world.reconcile().document) == ()
    story = explain(world.contract, world.home, "x").document
    assert [record["fate"] for record in story["records"]] == ["read"]
    assert not {"dropped", "admitted", "closed", "open"} & {moment["what"] for moment in story["story"]}


def test_a_day_is_not_kept_as_settled_while_an_unproven_spark_is_in_its_history(make_world: MakeWorld) -> None:
    world = stream_of(make_world()).write()
    last_commit(world, 7, "4.2.0")
    for _ in range(2):
        assert world.reconcile().document["reused"]["partitions"] == 0


def test_a_prediction_that_is_not_held_to_the_tables_says_why(make_world: MakeWorld) -> None:
    world = make_world()
    right_arrived_after_batch(world)
    document = world.write().reconcile().document
    assert document["agrees"] is None
    assert not_compared(document) == (
        "not held to the tables: the two sides did not take in the same records (1 by arrived_after_batch)"
    )


def noted(world: World, **versions: str | None) -> World:
    """The world whose ledger says which Spark planned its epochs: those up to the last, and the last one (`newest`)."""
    last = max(row["epoch"] for row in world.ledger)
    for row in world.ledger:
        row["spark_version"] = versions["newest"] if row["epoch"] == last else versions["earlier"]
    return world


def expire(world: World, epoch: int) -> None:
    """Let the snapshot of an epoch expire, as `maintain` does."""
    table = world.lake.load("joined.plays_stream")
    said = {snapshot.snapshot_id: snapshot.summary for snapshot in table.snapshots()}
    found = [id for id, summary in said.items() if summary and summary["spark.sql.streaming.epochId"] == str(epoch)]
    table.maintenance.expire_snapshots().by_ids(found).commit()
    assert all(snapshot.snapshot_id not in found for snapshot in world.lake.load("joined.plays_stream").snapshots())


@pytest.mark.parametrize(
    ("earlier", "strange"),
    [("4.2.0", ["4.2.0"]), ("4.1.3", []), (None, [])],
    ids=["not proven", "proven", "written by an earlier version, which ran on a proven one"],
)
def test_a_spark_whose_commits_have_expired_is_not_forgotten(
    earlier: str | None, strange: list[str], make_world: MakeWorld
) -> None:
    world = noted(stream_of(make_world(), [show("x", 3)]), earlier=earlier, newest="4.1.4").write()
    last_commit(world, 6, earlier or "4.1.3")
    last_commit(world, 7, "4.1.4")
    expire(world, 6)
    document = world.reconcile().document
    assert document["unproven_spark"] == strange
    assert (document["predicted"] is None) is bool(strange)
    assert {kind.split()[1] for _, kind in world.told()} == ({"unexplained"} if strange else {"late_left"})


def test_what_is_closed_is_not_told_where_only_the_ledger_knows_the_newest_spark(make_world: MakeWorld) -> None:
    world = noted(stream_of(make_world()), earlier="4.1.4", newest="4.2.0").write()
    document = world.reconcile().document
    assert (document["settled"], document["stream"]["closed_until"]) == (False, None)
    assert unproven_closing(world.lake, world.contract) == "4.2.0"
    with pytest.raises(IncompleteError, match=r"4\.2\.0, whose rule of lateness is not proven"):
        settled_end(world.lake, world.contract)
