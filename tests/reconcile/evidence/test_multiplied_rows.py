"""Rows that a team's own job multiplies behind its join, by an explode or another table, of which the batch reference
has one: copies of it, or unexplained. Late records are told as ever, nothing else is claimed, and nothing is clean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.reconcile.causes.test_causes import stream_of
from tests.support.job_reports import LATE, reports, told
from tests.support.unnamed_rows import unnamed
from tests.support.world import CONTRACT, World
from tests.support.world_rows import Row

MakeWorld = Callable[..., World]
MADE: dict[str, Callable[[Row], list[Row]]] = {
    "a": lambda row: [row, row],
    "b": lambda row: [replace(row, seconds=1000.0 * n) for n in range(3)],
    "d": lambda row: [row, replace(row, seconds=1000.0)],
    "f": lambda row: [],
}
"""What the job makes of a row, by the name of its left record; the others stay as they are."""


def multiplied(world: World) -> World:
    stream_of(world, LATE)
    world.stream = [each for row in world.stream for each in MADE.get(row.left.name, lambda row: [row])(row)]
    return world


def test_rows_that_name_their_records(make_world: MakeWorld) -> None:
    world = multiplied(make_world())
    told(world, reports(world))
    assert world.told() == [
        ("a pa", "duplicate double_commit"),
        ("b", "duplicate double_commit"),
        ("c pc", "mismatch reported_late"),
        ("d pd", "duplicate double_commit"),
        ("f pf", "missing unexplained"),
        ("x", "missing reported_late"),
        ("y py", "missing reported_late"),
    ]


def test_rows_that_do_not(make_world: MakeWorld) -> None:
    world = multiplied(make_world())
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    unnamed(world, contract=text, newest=max(row["epoch"] for row in world.ledger)).reconcile()
    assert world.told() == [
        *[("", "extra unexplained")] * 3,
        ("a pa", "duplicate double_commit"),
        ("b", "missing unexplained"),
        ("c pc", "mismatch late_right"),
        ("d pd", "duplicate double_commit"),
        ("f pf", "missing unexplained"),
        ("x", "missing late_left"),
        ("y py", "missing late_left"),
    ]
