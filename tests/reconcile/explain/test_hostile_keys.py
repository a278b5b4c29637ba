"""Hostile keys all the way: through archive, tables, findings, and out by terminal, JSON, Parquet, page and message."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from plumbline.cli import run
from plumbline.contract.safe_text import is_unsafe, shown
from tests.support.hostile import HOSTILE
from tests.support.world import CONTRACT, World, play, show

KEYS = [text for text in HOSTILE.values() if "\ud83d" not in text]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Every hostile value is the key of a show that came late."""
    late = [show(text, 3 + i / 100) for i, text in enumerate(KEYS)]
    world = World.at(tmp_path_factory.mktemp("hostile")).play(
        [show("a", 0), play("pa", "a", 5)],
        [show("d", 100), play("pd", "d", 120)],
        [],
        late,
        [show("f", 300), play("pf", "f", 301)],
    )
    world.write()
    (world.home.root / "plays.yaml").write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    return world


def said(world: World, capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What a command prints, which is safe to show."""
    run([command[0], *command[1:], "--home", str(world.home.root)])
    out, err = capsys.readouterr()
    assert [char for char in out + err if is_unsafe(char) and char != "\n"] == []
    return out + err


def test_each_is_found_and_told_as_it_is(world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    contract, drift = str(world.home.root / "plays.yaml"), tmp_path / "drift.parquet"
    printed = said(world, capsys, "reconcile", contract, "--out", str(drift))
    assert printed.splitlines()[0].startswith(f"drift: {len(KEYS)} differences")
    assert "next: Replay 2024-03-01 00:00 UTC to 2024-03-01 03:49:59 UTC. The stream has closed windows" in printed
    assert "Replay the range; if it comes back" in printed
    assert f"  plumbline replay plan {contract}" in printed
    keys = [json.loads(row["key"])["show_id"] for row in pq.read_table(drift, columns=["key"]).to_pylist()]
    assert sorted(keys) == sorted(KEYS)
    message = said(world, capsys, "report", contract, "--format", "md")
    assert f"{len(KEYS)} differences among" in message
    told = json.loads(said(world, capsys, "report", contract, "--format", "json"))
    assert {dict(map(tuple, key["parts"]))["show_id"] for key in told["keys"]} <= set(KEYS)
    assert said(world, capsys, "report", contract, "--out", str(tmp_path / "page.html")).count("\n") == 1


@pytest.mark.parametrize("name", ["clear the screen", "right to left override", "newline", "script", "sql"])
def test_its_story_is_told_line_by_line(name: str, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    printed = said(
        world, capsys, "explain", "--key", f"show_id={HOSTILE[name]}", "--contract", str(world.home.root / "plays.yaml")
    )
    first, *rest = printed.splitlines()
    assert first == f"{shown(HOSTILE[name])}: drift, missing by late_left"
    assert not any(line.startswith("clean") for line in rest)
