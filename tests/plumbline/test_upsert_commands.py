"""Which commands know a contract with `output.mode: upsert`: each other one refuses it in a line, and does nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plumbline.cli import run
from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.contract.loader import load
from plumbline.contract.ranges import TimeRange
from plumbline.replay.plan import make_plan
from tests.plumbline.test_aggregate_commands import ALL, refusal
from tests.support.upsert_world import contract_text, evening
from tests.support.upserts import TEXT

KNOWN = {
    "archive fill",
    "archive run",
    "batch run",
    "check",
    "expect",
    "explain",
    "history",
    "kafka produce",
    "kafka topics",
    "lake",
    "late",
    "lateness",
    "maintain",
    "nightly",
    "quarantine",
    "reconcile",
    "report",
    "size",
    "stream recover",
    "stream run",
    "stream status",
}
"""Those that work on sources, or know upserted tables."""

BEFORE = {"audit": ["joined.newest_stream", "--contract"]}
"""What stands before the contract on the command line."""


@pytest.mark.parametrize("name", sorted(set(ALL) - KNOWN))
def test_a_command_that_is_not_built_for_it_says_so(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "newest.yaml"
    file.write_text(TEXT)
    told = refusal(name, file, capsys, *BEFORE.get(name, []))
    assert f"a contract with output.mode: upsert is not built yet for this command [{file}:19]" in told
    assert "docs/upserts.md" in told


def test_size_says_what_was_never_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "newest.yaml"
    file.write_text(TEXT)
    told = refusal("size", file, capsys)
    assert "what the MERGE of each epoch costs, and the delete files that it leaves, was never measured" in told
    assert f"[{file}:19]" in told


def test_so_it_is_from_python(tmp_path: Path) -> None:
    file = tmp_path / "newest.yaml"
    file.write_text(TEXT)
    contract = load(file, upserts=True)
    with pytest.raises(UsageError, match=r"output.mode: upsert is not built yet"):
        make_plan(contract, file, Home(tmp_path, tmp_path), TimeRange())


def test_check_tells_the_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "newest.yaml"
    file.write_text(TEXT)
    assert run(["check", str(file), f"--home={tmp_path / 'home'}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["output"]["mode"] == "upsert"
    assert run(["check", str(file), f"--home={tmp_path / 'home'}"]) == 0
    assert "the newest row of each key and left event time" in capsys.readouterr().out


def test_reconcile_shows_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = evening(tmp_path)
    file = tmp_path / "plays.yaml"
    file.write_text(contract_text("left_outer"))
    options = [str(file), f"--home={tmp_path}"]
    assert run(["reconcile", *options]) == 1
    told = capsys.readouterr().out
    assert "drift: 2 differences" in told
    assert "nothing is predicted of upserted tables" in told
    assert "plumbline replay" not in told
    assert "plumbline explain" not in told
    assert f"plumbline reconcile {file} --home {tmp_path}" in told
    assert "--out drift.parquet" in told
    assert world.told() == [("a a2", "missing lost_output"), ("b b2", "missing late_right")]
    for option in ("--edges", "--against=joined.third"):
        assert run(["reconcile", *options, option]) == 2
        assert "is for tables that are appended to" in capsys.readouterr().err
