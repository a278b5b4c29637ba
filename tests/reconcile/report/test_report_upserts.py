"""What is told of a recorded comparison of upserted tables, and what else is asked of such a contract."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from tests.support.upsert_world import UpsertWorld, contract_text, evening, newest


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[UpsertWorld, list[str]]:
    """A lost update and a late play, compared and recorded; and how a command names them."""
    folder = tmp_path_factory.mktemp("evening")
    world = evening(folder)
    file = folder / "plays.yaml"
    file.write_text(contract_text("left_outer"))
    options = [str(file), f"--home={folder}"]
    assert run(["reconcile", *options]) == 1
    return world, options


def asked(capsys: pytest.CaptureFixture[str], command: str, *options: str, code: int = 0) -> Any:
    assert run([command, *options, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_page_tells_the_books_and_offers_no_replay(
    told: tuple[UpsertWorld, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, options = told
    page = tmp_path / "page.html"
    assert run(["report", *options, f"--out={page}"]) == 0
    text = page.read_text()
    assert "nothing is predicted of upserted tables, whose older rows are gone" in text
    assert "Of a key whose rows differ, each row of the batch counts that is not older" in text
    assert "without an epoch ledger" not in text
    assert "Replay the range" not in text
    assert "plumbline replay" not in text
    assert "What another watermark would have lost" in text
    assert "lost_output" in text
    capsys.readouterr()
    assert run(["report", *options, "--format=md"]) == 0
    written = capsys.readouterr().out
    assert "2 differences" in written
    assert "plumbline replay" not in written


def test_our_notebooks_are_refused_by_name(
    told: tuple[UpsertWorld, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", *told[1], "--notebook=drift_report"]) == 2
    assert "the notebook drift_report is not built for output.mode: upsert yet" in capsys.readouterr().err


def test_a_late_row_alone_is_repaired_by_no_replay_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = evening(tmp_path / "made")
    world = replace(world, home=replace(world.home, root=tmp_path, jars=tmp_path / "jars"), held=newest(world.stream))
    world.write()
    file = tmp_path / "plays.yaml"
    file.write_text(contract_text("left_outer"))
    options = [str(file), f"--home={tmp_path}"]
    assert run(["reconcile", *options]) == 1
    assert run(["report", *options, f"--out={tmp_path / 'page.html'}"]) == 0
    assert "plumbline replay" not in (tmp_path / "page.html").read_text()
    assert "--out drift.parquet" in (tmp_path / "page.html").read_text()
    [one] = asked(capsys_cleared(capsys), "history", *options)["runs"]
    assert one["causes"] == {"late_right": 1}


def capsys_cleared(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    capsys.readouterr()
    return capsys


def test_history_counts_the_findings(told: tuple[UpsertWorld, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    document = asked(capsys, "history", *told[1])
    assert [(one["verdict"], one["causes"]) for one in document["runs"]] == [
        ("drift", {"late_right": 1, "lost_output": 1})
    ]


def test_lateness_counts_records(told: tuple[UpsertWorld, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """What is late is asked of records: the join drops them before any row is merged."""
    document = asked(capsys, "lateness", *told[1], "--lose=0%")
    as_it_ran = next(one for one in document["choices"] if one["change_ms"] == 0)
    assert {name: of["lost"] for name, of in as_it_ran["sources"].items()} == {"shows": 0, "plays": 1}
    assert {name: of["lost"] for name, of in document["wanted"]["sources"].items()} == {"shows": 0, "plays": 0}
