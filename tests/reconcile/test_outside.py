"""Tables that no job of ours wrote: what cannot be proven is unknown and unexplained, never made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa
import pytest

from plumbline.reconcile.judge.unknown_causes import SOURCES
from tests.reconcile.causes.test_causes import several_at_once, spoil_stream, stream_of
from tests.support.world import OUTPUT, Row, World, play, show

MakeWorld = Callable[..., World]
TABLES = ("joined.plays_stream", "joined.plays_batch")
ALL_BUT_REPLAYED = [
    "duplicate_input", "double_commit", "schema_change", "value_divergence", "archive_gap", "arrived_after_batch",
    "out_of_contract", "quarantined", "window_edge", "watermark_poisoned", "late_left", "late_right", "reported_late",
    "pending", "lost_output",
]  # fmt: skip


def rewrite(world: World, table: str, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Let a table be one of another job: with these columns, committed without a property of ours."""
    schema = pa.schema([OUTPUT.field(name) for name in columns])
    world.lake.catalog().drop_table(table)
    world.lake.ensure_table(table, schema)
    values = [{name: row.values()[name] for name in columns} for row in rows]
    world.lake.append(table, pa.Table.from_pylist(values, schema=schema))


VALUES = [name for name in OUTPUT.names if not name.startswith("_")]


@pytest.mark.parametrize("columns", [VALUES, [*VALUES, "_event_time"]], ids=["values alone", "with the event time"])
def test_two_tables_of_others_get_classes_and_no_cause(columns: list[str], make_world: MakeWorld) -> None:
    world = make_world()
    several_at_once(world)
    world.ledger = []
    world.write()
    for table, rows in zip(TABLES, (world.stream, world.batch), strict=True):
        rewrite(world, table, rows, columns)
    document = world.reconcile().document
    # Rows of one key (a, d) can only be told apart by their values: they are missing and extra, not mismatches.
    counts = {"mismatch": 1, "missing": 7, "extra": 3, "duplicate": 1, "pending": 0}
    assert {name: document["counts"][name] for name in counts} == counts
    assert document["causes"] == {"unexplained": 12}
    assert document["balanced"]
    assert (document["settled"], document["predicted"]) == (False, None)
    assert list(document["unknown"]["lacking"]) == ["lineage", "ledger", "batch_runs"]
    assert document["unknown"]["causes"] == ALL_BUT_REPLAYED


def test_with_lineage_what_needs_no_ledger_is_told(make_world: MakeWorld) -> None:
    """Values, copies and pairs out of contract; a row that is missing may be late or lost, and nobody knows."""
    world = make_world()
    stream_of(world, [show("x", 3), play("pd2", "d", 121)])
    spoil_stream(world, "a", "pa", seconds=99.0)
    world.stream.append(world.row("b"))
    world.stream = [replace(row, right=world.record("pa")) if row.left.name == "f" else row for row in world.stream]
    world.ledger = []
    document = world.write().reconcile().document
    assert world.told() == [
        ("a pa", "mismatch value_divergence"),
        ("b", "duplicate double_commit"),
        ("f pf", "mismatch unexplained"),
        ("x", "missing unexplained"),
    ]
    assert list(document["unknown"]["lacking"]) == ["ledger"]
    assert {"late_left", "late_right", "lost_output", "pending"} <= set(document["unknown"]["causes"])


def test_with_all_there_is_nothing_is_unknown(make_world: MakeWorld) -> None:
    document = stream_of(make_world()).write().reconcile().document
    assert document["unknown"] == {"lacking": {}, "causes": []}


def test_a_source_that_a_cause_needs_is_one_that_can_lack() -> None:
    from plumbline.reconcile.causes import registry

    assert {need for cause in registry() for need in cause.needs} == set(SOURCES)
