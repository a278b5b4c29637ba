"""Which commands know a contract with a source's `reduce`: each other one refuses it in a line, and does nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plumbline.cli import run
from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.contract.loader import load
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.explain.explain import explain
from plumbline.replay.plan import make_plan
from tests.plumbline.test_aggregate_commands import ALL, refusal
from tests.support.reduced import TEXT

KNOWN = {
    "archive run",
    "batch run",
    "check",
    "history",
    "kafka produce",
    "kafka topics",
    "lake",
    "maintain",
    "quarantine",
    "reconcile",
    "stream recover",
    "stream run",
    "stream status",
}
"""Those that work on sources, or know reduced ones."""

BEFORE = {"explain": ["a,b", "--contract"], "audit": ["joined.taken_stream", "--contract"]}
"""What stands before the contract on the command line."""


@pytest.mark.parametrize("name", sorted(set(ALL) - KNOWN))
def test_a_command_that_is_not_built_for_it_says_so(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "taken.yaml"
    file.write_text(TEXT)
    told = refusal(name, file, capsys, *BEFORE.get(name, []))
    assert f"a contract with a source that has reduce is not built yet for this command [{file}:17]" in told
    assert "docs/reduce.md" in told


def test_so_it_is_from_python(tmp_path: Path) -> None:
    file = tmp_path / "taken.yaml"
    file.write_text(TEXT)
    contract, home = load(file, reduced=True), Home(tmp_path, tmp_path)
    for call in (
        lambda: make_plan(contract, file, home, TimeRange()),
        lambda: explain(contract, home, "a,b"),
    ):
        with pytest.raises(UsageError, match="reduce is not built yet"):
            call()


def test_check_tells_the_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "taken.yaml"
    file.write_text(TEXT)
    assert run(["check", str(file), f"--home={tmp_path / 'home'}", "--json"]) == 0
    sources = json.loads(capsys.readouterr().out)["sources"]
    assert sources["plays"]["reduce"] == {"by": ["id"], "every": "10 minutes", "take": "last"}
    assert "reduce" not in sources["impressions"]


def test_the_page_of_check_tells_what_becomes_one_event(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "taken.yaml"
    file.write_text(TEXT)
    assert run(["check", str(file), f"--home={tmp_path / 'home'}"]) == 0
    out = capsys.readouterr().out
    assert "of each 10 minutes and id the last event alone, at the end of the 10 minutes" in out
    assert "end of the 10 minutes of plays - impressions.at from 0 minutes to 1 hour" in out


@pytest.mark.parametrize(
    ("take", "told"), [("last", "by inserts, updates and snapshots: deletes go"), ("first", "updates and deletes go")]
)
def test_check_says_what_of_a_database_becomes_a_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], take: str, told: str
) -> None:
    file = tmp_path / "taken.yaml"
    text = TEXT.replace("t.plays\n", "t.plays\n    format: debezium\n").replace("    event_id: play\n", "")
    file.write_text(text.replace("take: last", f"take: {take}"))
    assert run(["check", str(file), f"--home={tmp_path / 'home'}"]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert f"{told} to quarantine" in page
    assert ("counts again when a snapshot repeats it" in page) is (take == "first")
