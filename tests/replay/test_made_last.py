"""`latest` is the plan or series made last by what the home noted, whatever became of the files' times."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from plumbline.connect.home import Home
from plumbline.replay.series import keep, members
from plumbline.replay.store import LATEST, ReplayFolder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path / "home")


def plan(home: Home, name: str) -> None:
    ReplayFolder.of(home, name).write("plan", {"replay_id": name})


def touch(path: Path, second: int) -> None:
    os.utime(path, (second, second))


def test_a_touched_plan_is_not_the_one_made_last(home: Home) -> None:
    plan(home, "a")
    plan(home, "b")
    touch(ReplayFolder.of(home, "a").plan, 4_000_000_000)
    assert ReplayFolder.find(home, LATEST).id == "b"
    assert members(home, LATEST) == ["b"]


def test_a_home_copied_without_its_times_has_the_same_latest(home: Home, tmp_path: Path) -> None:
    for name in ("b", "c", "a"):
        plan(home, name)
    other = Home.resolve(tmp_path / "copy")
    shutil.copytree(home.root, other.root, copy_function=shutil.copyfile)
    for number, name in enumerate(("a", "b", "c")):
        touch(ReplayFolder.of(other, name).plan, 1_000 + number)
    assert ReplayFolder.find(other, LATEST).id == "a"


def test_a_copied_replay_folder_is_none_that_was_planned(home: Home) -> None:
    plan(home, "a")
    shutil.copytree(home.replays / "a", home.replays / "z")
    assert ReplayFolder.find(home, LATEST).id == "a"


def test_a_plan_that_is_made_again_is_the_latest_one(home: Home) -> None:
    plan(home, "a")
    plan(home, "b")
    ReplayFolder.of(home, "a").note_planned()
    assert ReplayFolder.find(home, LATEST).id == "a"


def test_a_series_is_the_latest_until_another_plan_is_made(home: Home) -> None:
    plan(home, "a")
    plan(home, "b")
    name = keep(home, ["a", "b"])
    for folder in ReplayFolder.all(home):
        touch(folder.plan, 4_000_000_000)
    assert members(home, LATEST) == ["a", "b"]
    plan(home, "c")
    touch(home.replays / "series" / f"{name}.json", 4_100_000_000)
    assert members(home, LATEST) == ["c"]
    assert keep(home, ["a", "b"]) == name
    assert members(home, LATEST) == ["a", "b"]


def test_plans_of_earlier_versions_go_by_their_times_and_are_older(home: Home) -> None:
    for number, name in enumerate(("b", "a")):
        plan(home, name)
        (home.replays / "planned" / name).write_text("")
        touch(ReplayFolder.of(home, name).plan, 1_000 + number)
    assert ReplayFolder.find(home, LATEST).id == "a"
    touch(ReplayFolder.of(home, "b").plan, 4_000_000_000)
    assert ReplayFolder.find(home, LATEST).id == "b"
    plan(home, "c")
    assert ReplayFolder.find(home, LATEST).id == "c"
