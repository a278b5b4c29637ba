"""Nights beside a job and a batch reference of a team's own: the reference is compared as it stands."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import in_here
from tests.support.their_archives import contract_text, with_their_archives
from tests.support.world import World, play, show
from tests.support.world_rows import START


def test_their_own_reference_is_left_as_it_is(tmp_path: Path) -> None:
    world = World.at(tmp_path)
    world.play([show("a", 0), play("pa", "a", 5), show("b", 1)])
    world.ledger.clear()  # the clock alone says that the day is over
    with_their_archives(world)
    table = world.contract.output.batch_table
    before = world.lake.load(table).metadata.current_snapshot_id
    (tmp_path / "plays.yaml").write_text(contract_text())
    words = ("nightly", "plays.yaml", "--home", world.home.root, "--date", START.date(), "--json", "--engine", "auto")
    done = in_here(*words, folder=tmp_path)
    assert done.returncode in (0, 1, 3), done.stderr
    [night] = json.loads(done.stdout)["nights"]
    assert night["batch_snapshot"] == before == world.lake.load(table).metadata.current_snapshot_id
    assert f"{table} is your own reference" in done.stderr
    assert "engine: duckdb: the files of the range have " in done.stderr
