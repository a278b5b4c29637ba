"""An epoch ledger that does not name the contract's sources: nothing in it may be taken for unread."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plumbline.contract.errors import ContractError
from plumbline.contract.loader import parse
from tests.support.world import CONTRACT, World, play, show

MakeWorld = Callable[..., World]
RENAMED = {
    "the left source": ("shows", "films", "'films' of t.shows, but of shows of t.shows"),
    "the right source": ("plays", "listens", "'listens' of t.plays, but of plays of t.plays"),
    "the right topic": ("t.plays", "t.others", "'plays' of t.others, but of plays of t.plays"),
}


def late_world(make_world: MakeWorld) -> World:
    world = make_world().play([show("a", 0)], [show("end", 600), play("pend", "end", 601)], [], [play("pa", "a", 1)])
    world.ledger = [row | {"stream_table": world.contract.output.stream_table} for row in world.ledger]
    return world


@pytest.mark.parametrize(("old", "new", "told"), RENAMED.values(), ids=RENAMED)
def test_a_source_that_the_ledger_does_not_name_is_refused(
    make_world: MakeWorld, old: str, new: str, told: str
) -> None:
    """Its late rows were called pending, which is no drift."""
    world = late_world(make_world).write()
    names = f"  {old}:", f"left: {old}", f"right: {old}", f"{old}.", f"topic: {old}"
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    for name in names:
        text = text.replace(name, name.replace(old, new))
    for table in ("joined.", "raw."):
        text = text.replace(table + new, table + old)
    world.contract = parse(text.replace("t.films", "t.shows").replace("t.listens", "t.plays"))
    with pytest.raises(ContractError, match=told):
        world.reconcile()


def test_epochs_of_a_former_topic_say_nothing_of_this_one(make_world: MakeWorld) -> None:
    world = late_world(make_world)
    former = [{**row, "query_id": "q0", "planned_at": row["planned_at"].replace(year=2023)} for row in world.ledger]
    world.ledger += [row | {"topic": f"old.{row['source']}", "late_watermark_ms": 0} for row in former]
    world.write().reconcile()
    assert world.told() == [("a pa", "mismatch late_right")]
