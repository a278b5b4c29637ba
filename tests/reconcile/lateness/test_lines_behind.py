"""Other delays for an aggregate: how many lines lack a record, held to plain Python over the world's own records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plumbline.cli import run as command
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.lateness.of_lines import LinesBehind
from plumbline.reconcile.lateness.what_if import what_if
from tests.support import documents
from tests.support.aggregate_world import AggregateWorld, begun, contract, drawn
from tests.support.world_rows import MINUTE_MS, Record


def lines_lacking(world: AggregateWorld, longer_ms: int) -> int:
    """The batch's lines with a row of a record that would have been late if both delays were longer."""
    read_under = {row["epoch"]: row["late_watermark_ms"] for row in world.ledger}

    def is_lost(record: Record | None) -> bool:
        return record is not None and record.us <= (read_under[world.read_in[record.name]] - longer_ms) * 1_000

    lost = [row for row in world.batch if is_lost(row.left) or is_lost(row.right)]
    return len({(begun(row.left.at), row.left.show[0]) for row in lost})


@pytest.mark.parametrize(("seed", "kind"), [(0, "left_outer"), (1, "inner")])
def test_lines_are_those_of_the_model(seed: int, kind: str, tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path, kind).play(*drawn(seed)).aggregated().write()
    document = what_if(world.contract, world.home, TimeRange())
    assert document["lines"] == len(world.batch_lines)
    told = {choice["change_ms"]: choice["lines"] for choice in document["choices"]}
    assert told == {change: lines_lacking(world, change) for change in told}
    assert told[max(told)] == 0 < told[0] < told[min(told)]


def test_a_line_counts_by_the_latest_of_its_records() -> None:
    behind = LinesBehind(9, ((-20, 4), (0, 2), (7, 1)))
    assert [behind.lost(minutes * MINUTE_MS) for minutes in (-30, -20, -19, 0, 1, 7, 8)] == [7, 7, 3, 3, 1, 1, 0]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = AggregateWorld.made(tmp_path / "home").play(*drawn(0)).aggregated().write()
    file, home = tmp_path / "plays.yaml", f"--home={world.home.root}"
    file.write_text(contract("left_outer"))
    assert command(["lateness", str(file), home, "--lose", "0%", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    documents.checked("lateness", document)
    assert document["wanted"]["lines"] == 0
    assert command(["lateness", str(file), home]) == 0
    told = capsys.readouterr().out
    assert f"of {len(world.batch_lines):,} lines" in told
    assert "lines: those of the batch table that would lack a record" in told
