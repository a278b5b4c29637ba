"""What is kept of a comparison of aggregates: the run, its findings, the same findings as a file, the history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from plumbline.cli import run
from tests.support.aggregate_world import AggregateWorld, contract, drawn, named


@pytest.fixture
def world(tmp_path: Path) -> AggregateWorld:
    """Late records on both sides, a line too many, one twice and one that nothing explains."""
    made = AggregateWorld.made(tmp_path / "home").play(*drawn(0)).aggregated()
    twice, copied, wrong, *_ = made.stream_lines
    made.stream_lines += [dict(twice), {**copied, "genre": "x"}]
    wrong["shown"] += 1
    return made.write()


def kept(world: AggregateWorld, table: str) -> list[dict[str, Any]]:
    rows = world.lake.load(f"plumbline.{table}").scan().to_arrow().to_pylist()
    return sorted(rows, key=lambda row: (row["run_id"], row.get("key", "")))


def test_a_run_and_its_findings_are_kept_once(world: AggregateWorld, tmp_path: Path) -> None:
    out = tmp_path / "lines.parquet"
    first = world.compared(out=str(out))
    before = [kept(world, table) for table in ("runs", "findings")]
    again = world.compared()
    assert again.document == first.document
    assert [kept(world, table) for table in ("runs", "findings")] == before
    [row], findings = before
    assert json.loads(row["document"]) == first.document
    assert row["snapshots"] == json.dumps(first.document["snapshots"])
    assert first.document["snapshots"]["agg.batch_rows"] is not None
    written = pq.read_table(out).to_pylist()
    assert sorted(written, key=lambda row: (row["run_id"], row["key"])) == findings
    said = {named(one.key): (one.kind, one.said.cause) for one in first.findings}
    assert {line_of(row): (row["class"], row["cause"]) for row in findings} == said
    assert {"late_left", "late_right", "double_commit", "unexplained"} == {row["cause"] for row in findings}


def line_of(row: dict[str, Any]) -> str:
    return named({"window_start": row["event_time"], "genre": json.loads(row["key"])["genre"]})


def test_a_kept_finding_has_both_lines_and_the_sums(world: AggregateWorld) -> None:
    world.compared()
    for row in kept(world, "findings"):
        evidence, key = json.loads(row["evidence"]), json.loads(row["key"])
        batch, stream = (json.loads(row[side] or "null") for side in ("left_row", "right_row"))
        assert key["window_start"] == row["event_time"].strftime("%Y-%m-%dT%H:%M:%SZ")
        assert row["window"].hour == row["window"].minute == 0
        if row["class"] == "mismatch":
            assert row["columns"] == [name for name in batch if batch[name] != stream[name]] != []
            shown = evidence["values"]["shown"]
            assert (shown["batch"], shown["stream"]) == (batch["shown"], stream["shown"])
        else:
            assert row["columns"] == []
        lost = evidence["rows"]["lost"].values()
        assert evidence["rows"]["batch"] == evidence["rows"]["stream"] + sum(o["gone"] - o["alone"] for o in lost)


def test_history_shows_the_runs(world: AggregateWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "takes.yaml"
    file.write_text(contract("left_outer"))
    words = [str(file), f"--home={tmp_path / 'home'}"]
    assert run(["history", *words]) == 3  # nothing yet
    assert run(["reconcile", *words]) == 1
    document = world.compared().document
    capsys.readouterr()
    assert run(["history", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["run_id"] for one in told["runs"]] == [document["run_id"]]
    assert told["runs"][0]["causes"] == document["causes"]
    assert run(["history", *words]) == 0
    assert "double_commit" in capsys.readouterr().out


def test_nothing_is_kept_unless_asked(world: AggregateWorld) -> None:
    world.compared(record=False)
    assert not world.lake.exists("plumbline.runs")
