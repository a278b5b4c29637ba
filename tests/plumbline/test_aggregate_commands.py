"""Which commands know a contract with `output.aggregate`: each other one refuses it in one line, and does nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from plumbline.cli import cli, run
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.owners import archive_owner, named_archive
from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.loader import load
from tests.support.aggregates import TEXT

KNOWN = {
    "audit",
    "check",
    "expect",
    "explain",
    "history",
    "lake",
    "batch run",
    "archive fill",
    "archive run",
    "late",
    "lateness",
    "maintain",
    "nightly",
    "quarantine",
    "reconcile",
    "replay plan",
    "stream recover",
    "report",
    "size",
    "stream adopt-topic",
    "stream run",
    "stream status",
    "stream take-archive",
    "kafka topics",
    "kafka produce",
}
"""Those that work on sources, or know aggregates."""


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Each command with a contract, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*words, name))
        elif any(one.name == "contract_path" for one in found.params):
            yield " ".join((*words, name)), found


ALL = dict(commands(cli))
BEHIND = {
    "replay plan": ["--from=2024-03-01T00:00Z", "--to=2024-03-02T00:00Z"],
    "size": ["--events-per-second", "20"],
}
"""What stands behind the contract on the command line."""


def refusal(name: str, file: Path, capsys: pytest.CaptureFixture[str], *before: str) -> str:
    """The one line by which a command refuses a contract. `before` stands before the contract on its command line."""
    home = file.parent / "home"
    takes = {option for one in ALL[name].params for option in one.opts}
    options = [f"--home={home}"] if "--home" in takes else []
    code = run([*name.split(), *before, str(file), *BEHIND.get(name, []), *options])
    told = capsys.readouterr().err.strip().splitlines()
    assert (code, len(told)) == (2, 1), told
    assert not home.exists()
    return told[0]


def test_all_commands_were_found() -> None:
    assert {*KNOWN, "observe"} <= set(ALL)


@pytest.mark.parametrize("name", sorted(set(ALL) - KNOWN))
def test_a_command_that_is_not_built_for_it_says_so(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "takes.yaml"
    file.write_text(TEXT)
    told = refusal(name, file, capsys)
    assert f"this command works on rows; for a contract with output.aggregate it is not built yet [{file}:" in told
    assert f"Next: `plumbline stream run {file}" in told


def test_size_says_what_to_size_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "takes.yaml"
    file.write_text(TEXT)
    assert run(["size", str(file), "--events-per-second", "3", f"--home={tmp_path / 'home'}"]) == 2
    told = capsys.readouterr().err
    assert "the lines of an aggregate do not grow with the rate of events" in told
    assert "Next: size the join in a copy of the contract with output.columns" in told


def test_an_archive_is_taken_over_for_an_aggregate_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, home = tmp_path / "takes.yaml", Home.resolve(tmp_path / "home")
    file.write_text(TEXT)
    mine = load(file, aggregates=True)
    other = mine.model_copy(update={"contract": "other"})
    lake = Lake.open(home)
    lake.ensure_table("raw.plays", ARCHIVE_SCHEMA, properties=named_archive(other, "plays"))
    words = ["stream", "take-archive", str(file), "--source", "plays", f"--home={home.root}"]
    assert run([*words, "--execute"]) == 0, capsys.readouterr().err
    assert archive_owner(lake, other, "plays") == "takes"


def test_check_shows_the_types_of_all_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "takes.yaml"
    file.write_text(TEXT.replace("sum(plays.seconds)", "sum(plays.watched)"))
    assert run(["check", str(file), f"--home={tmp_path / 'home'}"]) == 0
    page = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "output (key window_start, campaign, country; a partition for each day)" in page
    assert "windows of 10 minutes over the joined rows; empty ones have no row" in page
    for line in ("window_end timestamp the window", "campaign string impressions.campaign", "shown long count(*)",
                 "take_rate double count(plays.id) / count(*)", "seconds double sum(plays.watched)"):  # fmt: skip
        assert line in page
    assert any(line.startswith("seconds: floating-point numbers: their sum depends on the order") for line in page)
    assert run(["check", str(file), "--json", f"--home={tmp_path / 'home'}"]) == 0
    output = json.loads(capsys.readouterr().out)["output"]
    assert output["aggregate"]["within_error"] == ["seconds"]
    assert output["columns"][4] == {"name": "shown", "from": "count(*)", "type": "long"}
