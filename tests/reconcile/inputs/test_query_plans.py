"""A team's own Spark query in which another stateful operator may come before the join: no row is called late."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from plumbline.contract.errors import IncompleteError
from plumbline.contract.loader import parse
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.explain.explain import explain
from plumbline.reconcile.lateness.what_if import what_if
from plumbline.reconcile.report import terminal
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.stories import tell
from tests.reconcile.inputs.test_foreign_table import JOB, late_and_lost, theirs
from tests.support.world import CONTRACT, World

MakeWorld = Callable[..., World]
JOIN = "symmetricHashJoin"


def planned(make_world: MakeWorld, *operators: str | None, job: str = "") -> World:
    """A late show, a late play and a lost pair, of epochs whose query has these operators."""
    world = late_and_lost(make_world)
    for row in world.ledger:
        row["operators"] = operators[row["epoch"] % len(operators)]
    theirs(world)
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer") + JOB.replace("TIME", "shown")
    world.contract = parse(f"{text}{job}", "plays.yaml")
    return world


@pytest.mark.parametrize(
    ("operators", "reason", "step"),
    [
        ((f"{JOIN}, {JOIN}",), f"the query has the stateful operators {JOIN}, {JOIN}, and a", "is the first of them"),
        ((f"{JOIN}, stateStoreSave",), "a join behind another one drops by an earlier", "is the first of them"),
        ((None,), "which stateful operators the query has was not observed", "let `plumbline observe` read"),
    ],
)
def test_no_cause_by_lateness_is_told_and_the_reason_is_said(
    operators: tuple[str | None, ...], reason: str, step: str, make_world: MakeWorld
) -> None:
    world = planned(make_world, *operators)
    run = world.reconcile()
    assert {kind.split()[1] for _, kind in world.told()} <= {"unexplained", "pending"}
    document = run.document
    assert (document["predicted"], document["agrees"], document["settled"]) == (None, None, False)
    assert "rule" in document["unknown"]["lacking"]
    assert {"late_left", "late_right"} <= set(document["unknown"]["causes"])
    console = Console(record=True, width=200, file=io.StringIO())
    terminal.show(run, Facts(contract_path="plays.yaml"), console)
    shown = " ".join(console.export_text().split())
    assert reason in shown
    assert "next: Look at the query's plan" in shown
    assert step[1:] in shown
    assert "not settled: another stateful operator may come before the join" in shown
    with pytest.raises(IncompleteError, match=reason[:30]) as caught:
        what_if(world.contract, world.home, TimeRange())
    assert step in str(caught.value.next_step)
    assert {record.fate for record in explain(world.contract, world.home, {"show_id": "x"}).records} == {"read"}


@pytest.mark.parametrize(
    ("operators", "job"),
    [
        ((JOIN,), ""),
        ((f"{JOIN}, dedupe",), ""),
        ((f"{JOIN}, {JOIN}",), "  join_first: true\n  held_back: 0 minutes\n"),
        ((None,), "  join_first: true\n  held_back: 0 minutes\n"),
    ],
)
def test_where_the_join_has_the_logged_watermark_they_are(
    operators: tuple[str | None, ...], job: str, make_world: MakeWorld
) -> None:
    world = planned(make_world, *operators, job=job)
    document = world.reconcile().document
    assert {"late_left", "late_right"} <= {kind.split()[1] for _, kind in world.told()}
    assert document["unproven_spark"] == []
    assert document["predicted"] is not None


def test_a_query_without_a_join_is_not_the_contracts(make_world: MakeWorld) -> None:
    """Whatever the contract says."""
    world = planned(make_world, "stateStoreSave", job="  join_first: true\n")
    assert world.reconcile().document["unproven_spark"] == [
        "of an unknown version with the stateful operators stateStoreSave"
    ]


@pytest.mark.parametrize(
    ("operators", "job"),
    [
        (f"stateStoreSave, {JOIN}", ""),
        (f"{JOIN}, dedupe, {JOIN}", "  join_first: true\n"),
        (f"{JOIN}, {JOIN}", "  join_first: true\n  held_back: 1000 hours\n"),
        (None, "  join_first: true\n"),
    ],
)
def test_what_may_be_held_back_behind_the_join_is_not_called_lost(
    operators: str | None, job: str, make_world: MakeWorld
) -> None:
    world = planned(make_world, operators, job=job)
    run = world.reconcile()
    kinds = {kind.split()[1] for _, kind in world.told()}
    assert {"late_left", "late_right", "pending"} == kinds
    document = run.document
    assert (document["predicted"], document["agrees"], document["settled"]) == (None, None, False)
    assert document["held_back"] == {"by": [operators.split(", ")[0]] if operators else [], "rows": 1}
    console = Console(record=True, width=200, file=io.StringIO())
    terminal.show(run, Facts(contract_path="plays.yaml"), console)
    shown = " ".join(console.export_text().split())
    assert "behind the join may hold rows back: 1 row of the batch may be held, or lost" in shown
    assert "1 of them held back or lost" in shown
    [told] = [row for row in world.findings() if row["cause"] == "pending"]
    assert tell(told).sentence.startswith("Held back behind the join, or lost: the join has written this row")
