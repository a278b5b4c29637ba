"""`plumbline reconcile` of an aggregate: the page, the document and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plumbline.cli import run
from tests.support.aggregate_world import AggregateWorld, contract
from tests.support.world_rows import play, show


def test_the_page_shows_the_sums_and_the_exit_codes_are_those_of_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early = [show("a0", 1), show("a1", 2), play("p0", "a0", 5), play("p1", "a1", 6)]
    closing = [[show("z", 240), play("pz", "z", 241)], [show("y", 250), play("py", "y", 251)]]
    late = [show("a2", 3), show("w", 260), play("pw", "w", 261)]
    world = AggregateWorld.made(tmp_path / "home").play(early, *closing, late).aggregated().write()
    assert world.late == {"a2": "left"}
    file = tmp_path / "takes.yaml"
    file.write_text(contract("left_outer"))
    words = ["reconcile", str(file), f"--home={tmp_path / 'home'}"]
    assert run(words) == 1
    page = " ".join(capsys.readouterr().out.split())
    assert page.startswith("drift: 1 line differs, 0 unexplained, 3 pending")
    assert "by the ledger: batch 3 = stream 2 + late_left 1" in page
    assert "late_left: window_start 2024-03-01T00:00:00Z, genre a: shown 3 = 2 + late_left 1; rate" in page
    assert "late_left 1 1 0 the left record was late and dropped" in page
    assert run([*words, "--alerts-only", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["findings"][0]["rows"] == {"batch": 3, "stream": 2, "lost": {"late_left": {"gone": 1, "alone": 0}}}
    assert run([*words, "--require-settled"]) == 3
    for option in ("--edges", "--against=a.b", "--engine=spark"):
        capsys.readouterr()
        assert run([*words, option]) == 2
        assert "is for rows: " in capsys.readouterr().err
    assert run([*words, "--engine=auto"]) == 1
    assert "engine: duckdb: it alone compares the lines of an aggregate" in capsys.readouterr().err
