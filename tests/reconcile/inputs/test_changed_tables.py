"""Tables that another tool has changed: the column is named, or the row that stands for nothing is no pending one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyiceberg.types import StringType

from plumbline.connect.table_names import EPOCHS
from plumbline.contract.errors import SetupError
from tests.support.world import Row, World, play, show

MakeWorld = Callable[..., World]
CHANGES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "a column in another case": (
        "joined.plays_stream",
        lambda change: change.add_column("TITLE", StringType()),
        "columns of joined.plays_stream have names that differ in case only: title, TITLE",
    ),
    "a ledger's column dropped": (
        EPOCHS,
        lambda change: change.delete_column("planned_at"),
        "column planned_at of plumbline.epochs was dropped by another tool",
    ),
    "a ledger's column renamed": (
        EPOCHS,
        lambda change: change.rename_column("planned_at", "at"),
        "column planned_at of plumbline.epochs was renamed to at by another tool",
    ),
    "an archive's column dropped": (
        "raw.plays",
        lambda change: change.delete_column("kafka_timestamp"),
        "column kafka_timestamp of raw.plays was dropped by another tool",
    ),
}


def played(make_world: MakeWorld) -> World:
    return make_world().play([show("a", 0), play("pa", "a", 1)], [show("end", 600)])


@pytest.mark.parametrize(("table", "change", "told"), CHANGES.values(), ids=CHANGES)
def test_the_column_is_named(make_world: MakeWorld, table: str, change: Callable[[Any], Any], told: str) -> None:
    world = played(make_world).write()
    with world.lake.load(table).update_schema(allow_incompatible_changes=True) as schema:
        change(schema)
    with pytest.raises(SetupError, match=told):
        world.reconcile()


def test_a_batch_row_of_a_record_that_the_archive_lacks_is_not_pending(make_world: MakeWorld) -> None:
    """It would be for ever: the stream never reads what is no record."""
    world = played(make_world)
    nothing = world._place(show("x", 5))
    world.unarchived = ("x",)
    world.batch.append(Row(nothing))
    world.write().reconcile()
    assert world.told() == [("end", "missing pending"), ("x", "missing unexplained")]
