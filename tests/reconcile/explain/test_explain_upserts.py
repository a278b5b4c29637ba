"""The story of one key of upserted tables: its row in each, all rows that the batch joined, and why the newest is not
in the stream table."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.reconcile.explain.explain import explain
from tests.reconcile.judge.upserts.test_random_states import expected, stale
from tests.reconcile.test_random_drift import random_epochs
from tests.support.upsert_world import ROWS, UpsertWorld, by_state, contract_text, evening, newest
from tests.support.world import BATCH, STREAM, play, show


def told(world: UpsertWorld, key: str) -> dict[str, Any]:
    return explain(world.contract, world.home, key).document


def of_table(story: dict[str, Any], table: str) -> list[str]:
    return [moment["text"] for moment in story["story"] if moment["text"].startswith(f"{table}: ")]


@pytest.fixture(name="evening")
def evening_written(tmp_path: Path) -> UpsertWorld:
    return evening(tmp_path)


def test_a_lost_update_with_the_older_row_that_stayed(evening: UpsertWorld) -> None:
    story = told(evening, "a")
    assert (story["verdict"], story["causes"]) == ("drift", ["lost_output"])
    [finding] = story["findings"]
    assert finding["class"] == "missing"
    [stream] = of_table(story, STREAM)
    assert "row from shows 0:1 and plays 0:0, in snapshot" in stream
    older, newer = sorted(of_table(story, ROWS))
    assert "plays 0:0, in snapshot" in older
    assert older.endswith(": a newer one replaced it")
    assert "plays 0:1, in snapshot" in newer
    assert newer.endswith(": the newest, which the batch table holds")
    assert of_table(story, BATCH) == []
    assert [record["fate"] for record in story["records"]] == ["admitted"] * 3


def test_a_late_update_and_a_key_that_agrees(evening: UpsertWorld) -> None:
    story = told(evening, "b")
    assert (story["verdict"], story["causes"]) == ("drift", ["late_right"])
    assert [record["fate"] for record in story["records"]] == ["admitted", "admitted", "dropped"]
    assert (told(evening, "d")["verdict"], told(evening, "d")["findings"]) == ("match", [])


def test_the_command_prints_it(evening: UpsertWorld, capsys: pytest.CaptureFixture[str]) -> None:
    file = evening.home.root / "plays.yaml"
    file.write_text(contract_text("left_outer"))
    assert run(["explain", "a", "--contract", str(file), f"--home={evening.home.root}"]) == 0
    shown = capsys.readouterr().out
    assert "a: drift, missing by lost_output" in shown
    assert "a newer one replaced it" in shown


def test_reconcile_names_it_for_what_only_a_story_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An older row that stayed beside the newest is explained by nothing."""
    world = UpsertWorld.at(tmp_path).play([show("a", 0), play("a1", "a", 5), play("a2", "a", 9)], [show("z", 90)])
    world.held = [*newest(world.stream), world.row("a", "a1")]
    world.write()
    file = tmp_path / "plays.yaml"
    file.write_text(contract_text("left_outer"))
    assert run(["reconcile", str(file), f"--home={tmp_path}"]) == 1
    assert f"plumbline explain a --contract {file}" in capsys.readouterr().out.replace("\n", " ")
    assert told(world, "a")["causes"] == ["unexplained"]


@pytest.mark.parametrize("seed", range(3))
def test_random_keys_are_told_as_the_comparison_tells_them(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = UpsertWorld.at(tmp_path, kind=dice.choice(["left_outer", "inner"])).play(*random_epochs(dice))
    stale(world, dice, 3)
    world.write()
    joined = by_state(world.batch)
    lefts = {row.left.name: row.left.show for row in (*world.batch, *world.table)}
    wanted = [(lefts[name.split()[0]], kind) for name, kind in expected(world)]
    shows = dice.sample(sorted({show_id for show_id, _ in wanted}), 3)
    for show_id in (*shows, dice.choice(sorted(set(lefts.values())))):
        story = told(world, show_id)
        kinds = sorted(f"{one['class']} {one['cause']}" for one in story["findings"])
        assert kinds == sorted(kind for of, kind in wanted if of == show_id)
        batch, mine = of_table(story, ROWS), [rows for (of, _), rows in joined.items() if of == show_id]
        assert len(batch) == sum(map(len, mine))
        assert len([text for text in batch if ": the newest" in text]) == len(mine)
