"""The table of a Spark job whose commits name no epoch, as foreachBatch and MERGE leave it: its rows tell the epoch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from plumbline.connect.kafka import create_topics
from plumbline.contract.loader import parse
from plumbline.contract.ranges import spell_time
from plumbline.reconcile.explain.explain import explain
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.markdown import render as markdown
from plumbline.reconcile.report.page import render as page
from plumbline.reconcile.report.terminal import show as show_run
from tests.reconcile.causes.test_causes import stream_of
from tests.reconcile.inputs.test_foreign_table import JOB, STREAM, late_and_lost, theirs
from tests.support.world import CONTRACT, World, play, show
from tests.support.world_rows import Row

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


def ahead(make_world: MakeWorld) -> World:
    """The job has read on since it was observed: of the last epoch's records it wrote a match."""
    world = stream_of(make_world(), after=[show("g", 310), play("pg", "g", 311)])
    world.ledger = [row for row in world.ledger if row["epoch"] <= 6]
    return world


def test_what_is_held_back_is_counted_with_what_would_judge_it(make_world: MakeWorld) -> None:
    world = merged(ahead(make_world))
    run = world.reconcile()
    offset = {name: world.record(name).offset for name in ("g", "pg")}
    assert run.document["unobserved"] == {
        "rows": 1,
        "last_epoch": 6,
        "offsets": [
            {"source": "shows", "partition": 0, "observed": offset["g"], "needed": offset["g"] + 1},
            {"source": "plays", "partition": 0, "observed": offset["pg"], "needed": offset["pg"] + 1},
        ],
        "closed_until": None,
    }
    assert (run.document["verdict"], run.exit_code, run.document["unexplained"]) == ("incomplete", 3, 0)


def test_the_story_of_such_a_row_says_that_nobody_has_observed_its_epoch(make_world: MakeWorld) -> None:
    world = merged(ahead(make_world))
    story = explain(world.contract, world.home, {"show_id": "g"})
    assert story.verdict == "pending"
    assert {finding["cause"] for finding in story.findings} <= {"pending"}
    [held] = [moment.text for moment in story.moments if moment.what == "not observed"]
    shown, played = world.record("g").offset, world.record("pg").offset
    assert held == (
        f"joined.plays_stream: row from shows 0:{shown} and plays 0:{played}, of an epoch that was not observed yet: "
        "not compared before `plumbline observe` has seen it"
    )
    assert not any(moment.what in ("emitted", "not emitted") for moment in story.moments)
    assert [record.fate for record in story.records] == ["not read", "not read"]
    assert explain(world.contract, world.home, {"show_id": "a"}).verdict == "match"


def test_an_unmatched_row_needs_its_window_closed(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), after=[show("g", 310)])
    world.stream.append(Row(world.record("g")))
    held = merged(world).reconcile().document["unobserved"]
    assert held is not None
    assert (held["rows"], held["offsets"], held["closed_until"]) == (1, [], spell_time(world.record("g").at))


def test_a_difference_is_drift_whatever_is_observed_later(make_world: MakeWorld) -> None:
    world = ahead(make_world)
    world.stream.remove(world.row("f", "pf"))
    document = merged(world).reconcile().document
    assert (document["verdict"], document["unobserved"] is None) == ("drift", False)


def test_every_page_says_what_is_held_back(make_world: MakeWorld) -> None:
    world = merged(ahead(make_world))
    run = world.reconcile()
    console = Console(width=400, file=StringIO())
    show_run(run, Facts(), console)
    assert isinstance(console.file, StringIO)
    for told in (console.file.getvalue(), re.sub("</?span>", "", page([run.document], []))):
        assert "1 stream row not compared: it is of epochs after 6, the newest that was observed" in told
        assert f"plays partition 0 up to offset {world.record('pg').offset + 1}" in told
        assert "plumbline observe CONTRACT --once" in told
    assert "**Not compared:** 1 stream row of epochs after 6" in markdown([run.document], [])


@pytest.mark.parametrize("side", ["left", "right"])
def test_an_invented_row_beyond_the_topics_end_is_unexplained(
    side: str, make_world: MakeWorld, kafka: dict[str, str]
) -> None:
    """It does not hide among the rows of epochs that are not observed yet, and those are not taken for invented."""
    create_topics(kafka, {"t.shows": 2, "t.plays": 2})
    world = ahead(make_world)
    shown, played = world.record("a"), world.record("pa")
    invented = {
        "left": Row(replace(shown, name="invented", show="invented", offset=5_000)),
        "right": Row(shown, replace(played, name="invented", offset=5_000)),
    }
    world.stream.append(invented[side])
    merged(world)
    without_broker = world.reconcile(record=False).document
    assert without_broker["unobserved"] is not None
    assert (without_broker["unobserved"]["rows"], without_broker["verdict"]) == (2, "incomplete")
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer") + JOB.replace("TIME", "shown")
    world.contract = parse(f"{text}{CHECKPOINT}kafka: {json.dumps(kafka)}\n", "plays.yaml")
    document = world.reconcile().document
    assert document["unobserved"] is not None
    assert (document["unobserved"]["rows"], document["verdict"], document["causes"]) == (
        1, "drift", {"unexplained": 1},
    )  # fmt: skip


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
