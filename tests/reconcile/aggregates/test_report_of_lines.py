"""`plumbline report` of an aggregate: the page, Markdown and JSON of a recorded run, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plumbline.cli import run
from plumbline.reconcile.aggregates.report.answers import answers
from plumbline.reconcile.report.context import Facts
from tests.reconcile.aggregates.test_compared_aggregates import late, on_time
from tests.support.aggregate_world import AggregateWorld, contract, drawn
from tests.support.documents import checked
from tests.support.world_rows import show


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    file = tmp_path / "takes.yaml"
    file.write_text(contract("left_outer"))
    return [str(file), f"--home={tmp_path / 'home'}"]


def recorded(tmp_path: Path) -> AggregateWorld:
    world = AggregateWorld.made(tmp_path / "home").play(*late(show("b2", 4))).aggregated()
    world.stream_lines[0]["shown"] += 1
    world.write().compared()
    return world


def test_the_page_has_the_books_in_lines_and_rows_and_the_sums(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path)
    out = tmp_path / "page.html"
    assert run(["report", *words, f"--out={out}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["verdicts"]) == (str(out), ["drift"])
    page = " ".join(out.read_text().split())
    assert "From the batch reference to the stream, line by line" in page
    assert "The joined rows below the lines of closed windows" in page
    assert "batch = stream + late shows" in page
    assert "--key window_start=2024-03-01T00:00:00Z</span> <span>--key genre=b" in page.replace("'", "")
    assert "rows match" not in page


def test_markdown_and_json_say_the_same(tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path)
    assert run(["report", *words, "--format", "md"]) == 0
    message = capsys.readouterr().out
    assert "| the books | lines |" in message
    assert "`shown 3 = 2 + late_left 1" in message
    assert run(["report", *words, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    checked("report --format json", told)
    assert told["answers"]["what_to_do"]["commands"][0].startswith("plumbline explain --key window_start=")
    assert {one["cause"] for one in told["lines"]} == {"late_left", "unexplained"}


def test_what_to_do_is_said_for_each_kind_of_run(tmp_path: Path) -> None:
    def asked(world: AggregateWorld) -> tuple[str, tuple[str, ...]]:
        found = answers(world.compared(record=False).document, Facts(world.contract, "takes.yaml"))
        return found.what_to_do.short, found.what_to_do.commands

    clean = AggregateWorld.made(tmp_path / "clean").play(*on_time()).aggregated().write()
    assert asked(clean) == ("Nothing", ())
    stale = AggregateWorld.made(tmp_path / "stale").play(*on_time()).batch_without("q1").aggregated().write()
    assert asked(stale)[0] == "Run the batch reference again"
    short, commands = asked(AggregateWorld.made(tmp_path / "late").play(*drawn(0)).aggregated().write())
    until = "2024-03-01T03:20:00Z"  # what is closed, in whole windows
    assert short == "Replay 2024-03-01 00:00 UTC to 2024-03-01 03:20 UTC"
    assert commands[0] == f"plumbline replay plan takes.yaml --from 2024-03-01T00:00:00Z --to {until}"
    quarantined = AggregateWorld.made(tmp_path / "quarantined")
    quarantined.refused = {"q0": "null_key"}
    assert asked(quarantined.play(*on_time()).aggregated().write())[0] == "Look into quarantine"
    untold = AggregateWorld.made(tmp_path / "untold").play(*on_time()).aggregated()
    untold.ledger = []
    assert asked(untold.write())[0] == "Wait"


def test_several_runs_and_notebooks_of_rows_are_refused(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path)
    assert run(["report", *words, "--run=latest", "--run=latest"]) == 2
    assert "shows one run" in capsys.readouterr().err
    assert run(["report", *words, "--notebook=drift_report"]) == 2
    assert "the notebook drift_report is of rows" in capsys.readouterr().err
