"""A column of one of the jobs' own tables that another tool retyped: named, by every command that reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.cli import run
from plumbline.connect.table_names import EPOCHS, LATE, QUARANTINE
from plumbline.connect.tables import LATE_SCHEMA, QUARANTINE_SCHEMA
from tests.support.table_versions import edit, numbered, retyped
from tests.support.world import CONTRACT, World, play, show

RANGE = ["--from", "2024-02-29T20:00Z", "--to", "2024-02-29T22:00Z"]
RECONCILE, EXPLAIN, LATENESS = ["reconcile", "--full"], ["explain", "--key", "show_id=a"], ["lateness"]
EXPECT, PLAN, LIST = ["expect", "--on", "sources", *RANGE], ["replay", "plan", *RANGE], ["quarantine"]
LATE_LIST = ["late"]
ARCHIVE = "raw.shows"
CASES = [
    *((ARCHIVE, "event_time", "geometry", line) for line in (RECONCILE, EXPLAIN, LATENESS, EXPECT, PLAN)),
    *((ARCHIVE, "partition", "unknown", line) for line in (RECONCILE, EXPLAIN, EXPECT, PLAN)),
    (ARCHIVE, "event_time", "timestamp_ns", ["reconcile", *RANGE]),
    (ARCHIVE, "kafka_timestamp", "geography", RECONCILE),
    (ARCHIVE, "topic", "timestamp_ns", RECONCILE),
    *((EPOCHS, "late_watermark_ms", "geometry", line) for line in (RECONCILE, EXPLAIN, LATENESS)),
    pytest.param(EPOCHS, "end_offset", "geometry", [*PLAN, "--late", "faithful"], marks=pytest.mark.java),
    *((QUARANTINE, "reason", "geometry", line) for line in (RECONCILE, LIST)),
    (QUARANTINE, "headers", "timestamp_ns", RECONCILE),
    (LATE, "epoch", "geometry", LATE_LIST),
    (EPOCHS, "end_offset", "geometry", LATE_LIST),
]


@pytest.mark.parametrize(("table", "column", "kind", "line"), CASES)
def test_the_column_is_named(
    table: str, column: str, kind: str, line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World.at(tmp_path).play([show("a", 0), play("pa", "a", 5)], [show("d", 100)], [show("f", 300)])
    world.write()
    contract = tmp_path / "plays.yaml"
    contract.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    world.lake.ensure_table(QUARANTINE, QUARANTINE_SCHEMA)
    world.lake.ensure_table(LATE, LATE_SCHEMA)
    edit(world.lake, table, numbered)
    edit(world.lake, table, retyped(column, kind))
    words = 2 if line[0] == "replay" else 1
    asked = ["--contract", str(contract)] if line[0] == "explain" else [str(contract)]
    assert run([*line[:words], *asked, *line[words:], "--home", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert f"error: column {column} of {table} is {kind}, where the jobs keep " in said
    assert "Next: " in said
