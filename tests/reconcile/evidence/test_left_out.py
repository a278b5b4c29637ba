"""What never entered the join is not late: quarantined records, and those that `where` leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plumbline.connect.where_conditions import condition
from plumbline.contract.loader import parse
from plumbline.reconcile.document import record_lines
from plumbline.reconcile.lateness.curve import measure
from tests.support.world import CONTRACT, World, play, show

MakeWorld = Callable[..., World]


def with_where(world: World, shows: str | None = None, plays: str | None = None) -> World:
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    for source, where in (("shows", shows), ("plays", plays)):
        if where is not None:
            text = text.replace(f"archive: raw.{source}", f'archive: raw.{source}\n    where: "{where}"')
    world.contract = parse(text)
    return world


def afternoon(world: World, left_out: set[str]) -> World:
    """Shows and plays that come late, some of them not of the join; the model keeps those in no row, and late never."""
    world.refused = dict.fromkeys(left_out, "")
    world.play(
        [show("z", -90)],
        [show("a", 0), play("pa", "a", 5), show("c", 2)],
        [show("d", 100), play("pd", "d", 120, 1)],
        [],
        [show("x", 3), show("trailer", 4), play("pc", "c", 4), play("ad", "c", 5), play("ad2", "c", 6)],
        [],
    )
    keep = [
        row
        for row in world.batch
        if row.left.name not in left_out and (not row.right or row.right.name not in left_out)
    ]
    world.batch, world.refused = keep, {}
    return world.write()


SHOWS, PLAYS = "show_id <> 'trailer'", "play_id NOT IN ('ad', 'ad2')"


def test_what_where_leaves_out_is_not_late_and_is_counted_apart(make_world: MakeWorld) -> None:
    world = afternoon(with_where(make_world(), SHOWS, PLAYS), {"trailer", "ad", "ad2"})
    document = world.reconcile(record=False).document
    curves = measure(world.contract, world.home, document)
    assert [(curve.records, curve.lost(0), curve.at_most) for curve in curves] == [(5, 1, False), (3, 1, False)]
    assert document["balanced"]
    assert record_lines(document) == (
        "shows: 6 archived = 5 entered + 1 left out by where",
        "plays: 5 archived = 3 entered + 2 left out by where",
    )


def test_a_condition_that_only_spark_can_judge_is_said_to_be_unknown(make_world: MakeWorld) -> None:
    world = afternoon(with_where(make_world(), plays="lower(play_id) NOT LIKE 'ad%'"), {"ad", "ad2"})
    document = world.reconcile(record=False).document
    assert [curve.at_most for curve in measure(world.contract, world.home, document)] == [False, True]
    assert record_lines(document)[1] == (
        "plays: 5 archived = 5 readable (only Spark can evaluate which of them where leaves out)"
    )


def test_a_condition_that_lets_nothing_in_does_not_look_healthy(make_world: MakeWorld) -> None:
    world = afternoon(with_where(make_world(), plays="play_id = 'no such play'"), set())
    assert record_lines(world.reconcile(record=False).document)[1] == (
        "plays: 5 archived = 0 entered + 5 left out by where, which lets none in: look at the condition"
    )


def test_quarantined_records_are_not_late(make_world: MakeWorld) -> None:
    world = make_world()
    world.refused = {"x": "oversize"}
    world.play([show("z", -90)], [show("a", 0), play("pa", "a", 5)], [show("d", 100), play("pd", "d", 120)], [],
               [show("x", 3), show("y", 4)], [])  # fmt: skip
    curves = measure(world.contract, world.home, world.write().reconcile(record=False).document)
    assert [(curve.records, curve.lost(0)) for curve in curves] == [(4, 1), (2, 0)]


@pytest.mark.parametrize(
    ("where", "known"),
    [
        ("title = 'a'", True), ("title<>'a' AND (show_id IN ('x', 'y') OR NOT title IS NULL)", True),
        ("`title` is not null", True), ("number >= -3", True), ("good = true or good IS NULL", True),
        ("title = 3", False), ("number = '3'", False), ("title < 'b'", False), ("lower(title) = 'a'", False),
        ("title = 'a\\\\'", False), ("share > 0.5", False), ("TITLE = 'a'", False), ("title = show_id", False),
    ],
)  # fmt: skip
def test_conditions_that_mean_the_same_in_both_engines(where: str, known: bool) -> None:
    fields = "{show_id: string, shown_at: timestamp, title: string, number: int, good: boolean, share: double}"
    old = "{show_id: string, shown_at: timestamp, title: string}"
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer").replace(old, fields)
    source: Any = parse(text).left.model_copy(update={"where": where})
    found = condition(source)
    assert (found is not None) is known
