"""What came out by a hair is counted; the verdict stays that of the exact rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plumbline.connect.home import Home
from plumbline.contract.loader import parse
from tests.reconcile.causes.test_causes import spoil_stream
from tests.support.world import CONTRACT, World, play, show

MICROSECOND = 1 / 60_000_000
TOLERANT = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
TOLERANT = TOLERANT.replace("  fail_when:", "  tolerances: {seconds: {abs: 0.5}}\n  fail_when:")


def tolerant(folder: Path) -> World:
    """Shows a and b played at both bounds, c in between; d at the late watermark, and e a millisecond after it."""
    world = World(Home(folder, folder / "jars"), parse(TOLERANT))
    return world.play(
        [show("a", 0), play("pa", "a", 0), play("pa2", "a", 60), show("c", 2), play("pc", "c", 4)],
        [show("b", 100), play("pb", "b", 160 - MICROSECOND * 1000), play("pb2", "b", 110)],
        [],
        [show("d", 90), show("e", 90 + 1 / 60_000), show("far", 95)],
        [show("f", 300), play("pf", "f", 301)],
        [],
    )


def test_rows_at_an_edge_are_counted_and_judged_by_the_rules(tmp_path: Path) -> None:
    world = tolerant(tmp_path)
    spoil_stream(world, "a", "pa2", seconds=60.5)
    spoil_stream(world, "b", "pb2", seconds=110.25)
    spoil_stream(world, "c", "pc", seconds=9.0)
    document = world.write().reconcile(edges=True).document
    assert document["edges"] == {"tolerance": {"seconds": 2}, "window": 3, "watermark": 2}
    assert world.told() == [("c pc", "mismatch value_divergence"), ("d", "missing late_left")]


def test_they_are_counted_only_on_request(make_world: Callable[..., World]) -> None:
    world = make_world().play([show("a", 0), play("pa", "a", 60)], [])
    without, counted = world.write().reconcile().document, world.reconcile(edges=True).document
    assert without["edges"] is None
    assert counted["edges"] == {"tolerance": {}, "window": 1, "watermark": 0}
    assert counted["run_id"] != without["run_id"]


def test_without_lineage_rows_equal_by_tolerance_are_counted_by_key(tmp_path: Path) -> None:
    from tests.reconcile.test_outside import TABLES, VALUES, rewrite

    world = tolerant(tmp_path)
    spoil_stream(world, "c", "pc", seconds=4.5)
    world.write()
    for table, rows in zip(TABLES, (world.stream, world.batch), strict=True):
        rewrite(world, table, rows, VALUES)
    assert world.reconcile(edges=True).document["edges"]["tolerance"] == {"seconds": 1}
