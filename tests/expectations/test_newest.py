"""`plumbline expect` on tables with the newest row per key: one row of each, which says how new it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from plumbline.contract.lineage import RIGHT_EVENT_TIME
from plumbline.expectations.run import run
from tests.support.upsert_world import UPSERTED, UpsertWorld, newest, values
from tests.support.world import STREAM, play, show

ONE = "the newest row per key and event time: each has one row"
THERE = "the time of the right event is there exactly where the row has one"


def world(folder: Path) -> UpsertWorld:
    return UpsertWorld.at(folder).play(
        [show("z", -90)], [show("a", 0), show("b", 1), play("a1", "a", 5), play("a2", "a", 9)], [show("f", 300)], []
    )


def failed(one: UpsertWorld, *more: dict[str, Any]) -> list[str]:
    """Why what fails of the stream table with more rows does."""
    one.write()
    if more:
        one.lake.append(STREAM, pa.Table.from_pylist(list(more), schema=UPSERTED))
    document = run(one.contract, one.home, on=["stream", "batch"]).document
    assert document["tables"]["batch"]["success"]
    return [each["why"] for each in document["tables"]["stream"]["expectations"] if not each["success"]]


def test_right_tables_keep_every_rule(tmp_path: Path) -> None:
    assert failed(world(tmp_path)) == []


def test_an_older_row_beside_the_newest(tmp_path: Path) -> None:
    """Of appended tables it would be a pair of its own."""
    one = world(tmp_path)
    assert failed(one, values(one.row("a", "a1"))) == [ONE]


@pytest.mark.parametrize("held", ["a", "z"])
def test_a_row_that_does_not_say_how_new_it_is(tmp_path: Path, held: str) -> None:
    """One with a right event and no time of it, and the reverse: no later row would take its place as it should."""
    one = world(tmp_path)
    [spoiled] = [row for row in newest(one.stream) if row.left.name == held]
    one.held = [row for row in newest(one.stream) if row.left.name != held]
    time = None if spoiled.right else spoiled.left.at
    assert THERE in failed(one, {**values(spoiled), RIGHT_EVENT_TIME: time})
