"""A key column may have any name, those of the comparison's own columns too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from plumbline.contract.errors import ContractError
from plumbline.contract.loader import parse
from plumbline.reconcile.explain.explain import explain
from tests.support.world import CONTRACT, World, play, show

OWN = ("class", "Columns", "left_count", "right_row", "left__event_time", "cause", "id", "key", "batch_row")


@pytest.mark.parametrize("name", OWN)
def test_it_is_reconciled(name: str, make_world: Callable[..., World]) -> None:
    world = make_world().play(
        [show("a", 0), play("pa", "a", 5), show("b", 1), play("pb", "b", 3), play("pb2", "b", 4)],
        [show("d", 100), play("pd", "d", 120)],
        [],
        [show("l", 3)],
        [show("f", 300), play("pf", "f", 301)],
    )
    told = lambda: (world.reconcile(full=True).document["causes"], world.told())  # noqa: E731
    world.stream = [row for row in world.stream if row.right is None or row.right.name != "pb2"]
    world.write()
    expected = told()
    world.lake.catalog().drop_table("plumbline.findings")
    for table in ("joined.plays_stream", "joined.plays_batch"):
        with world.lake.load(table).update_schema() as update:
            update.rename_column("show_id", name)
    text = CONTRACT.replace("KEY", f"[{name}]").replace("KIND", "left_outer")
    text = text.replace("columns: [", f"columns: [{{{name}: shows.show_id}}, ")
    renamed = replace(world, contract=parse(text))
    found = renamed.reconcile(full=True)
    assert (found.document["causes"], renamed.told()) == expected
    assert found.document["balanced"]
    assert {tuple(finding["key"]) for finding in renamed.findings()} == {(name,)}


@pytest.mark.parametrize("table", ["joined.plays_stream", "joined.plays_batch"])
def test_a_key_column_that_a_table_lacks_is_named_with_the_table(table: str, make_world: Callable[..., World]) -> None:
    world = make_world().play([show("a", 0), play("pa", "a", 5)], [show("f", 300)])
    world.write()
    with world.lake.load(table).update_schema(allow_incompatible_changes=True) as update:
        update.rename_column("show_id", "showid")
    said = rf"{table} has no column 'show_id', which the contract's key names.*did you mean 'showid'\?"
    with pytest.raises(ContractError, match=said):
        world.reconcile(full=True)
    with pytest.raises(ContractError, match=said):
        explain(world.contract, world.home, {"show_id": "a"})
