"""The story of rows of a team's own job that do not name their records: what they can have been made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from plumbline.reconcile.explain.explain import explain
from tests.reconcile.causes.test_causes import spoil_stream, stream_of
from tests.support.unnamed_rows import unnamed
from tests.support.world import CONTRACT, World, play, show

MakeWorld = Callable[..., World]
TEXT = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
WHOLE = "(implied: no other archived records can make it)"


def emitted(world: World, key: str) -> list[str]:
    story = explain(world.contract, world.home, key).document["story"]
    return [
        moment["text"].partition(": row ")[2].partition(", in ")[0] for moment in story if moment["what"] == "emitted"
    ]


def test_the_story_names_implied_records_and_says_that_they_are(make_world: MakeWorld) -> None:
    """Of rows that differ and of rows that do not."""
    world = stream_of(make_world(), [show("x", 3), play("pc", "c", 4)])
    spoil_stream(world, "a", "pa", seconds=-1.0)
    unnamed(world, contract=TEXT)
    a, b, c = (world.record(name) for name in ("a", "b", "c"))
    pa = world.record("pa")
    assert emitted(world, "a") == [f"from shows {a.partition}:{a.offset} and plays {pa.partition}:{pa.offset} {WHOLE}"]
    assert emitted(world, "b") == [f"from shows {b.partition}:{b.offset}, unmatched {WHOLE}"]
    assert emitted(world, "c") == [f"from shows {c.partition}:{c.offset}, unmatched {WHOLE}"]
    (finding,) = explain(world.contract, world.home, "c").document["findings"]
    assert (finding["cause"], finding["evidence"]["implied_by"]) == ("late_right", "archive")
    assert "implied" in finding["sentence"]


def test_the_story_says_that_the_archive_may_lack_records(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), [play("pd2", "e", 121)])
    world.archive_without("pd2")
    unnamed(world, contract=TEXT)
    (said,) = emitted(world, "b")
    assert said.endswith("can make it, but the archive may lack some that the stream read)")


def test_a_row_of_no_record_is_said_to_be_one(make_world: MakeWorld) -> None:
    world = stream_of(make_world())
    spoil_stream(world, "b", None, left=replace(world.record("b"), name="other", minute=7))
    unnamed(world, contract=TEXT)
    assert emitted(world, "b") == ["that does not say what it was made from: no archived records can make it"]


@pytest.mark.parametrize("count", [2, 7])
def test_all_choices_that_can_have_made_a_row_are_shown(count: int, make_world: MakeWorld) -> None:
    """Shows of one key and time, of an output without their title."""
    twins = [replace(show("b", 1), name=f"b{i}", partition=1) for i in range(count - 1)]
    world = make_world().play([show("z", -90)], [show("b", 1), *twins], [show("f", 300), play("pf", "f", 301)], [])
    unnamed(world, contract=TEXT.replace("shows.title, ", ""))
    said = emitted(world, "b")
    assert len(said) == count
    placed = [world.record(name) for name in ("b", *(twin.name for twin in twins))][:5]
    places = "; ".join(f"from shows {one.partition}:{one.offset}, unmatched" for one in placed)
    more = "" if count <= 5 else f"; {count - 5} more"
    untold = "that does not say what it was made from"
    assert set(said) == {f"{untold}: {count} choices of archived records can make it ({places}{more})"}
