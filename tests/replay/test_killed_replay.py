"""A replay cut off while it cuts its tape and killed while it plays it, then repeated: nothing twice or lost."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.killing import run_until
from tests.support.model import named
from tests.support.replaying import SECOND_DAY, planned
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]


def newest(folder: Path) -> int:
    return max((int(path.name) for path in folder.glob("[0-9]*")), default=-1)


def interrupted(*args: Any) -> None:
    raise KeyboardInterrupt


def test_cut_off_while_cutting_and_before_the_run_is_noted(shop: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    day = planned(shop, SECOND_DAY)
    for place in ("plumbline.replay.tape.write_json", "plumbline.replay.store.ReplayFolder.write"):
        with monkeypatch.context() as there:
            there.setattr(place, interrupted)
            with pytest.raises(KeyboardInterrupt):
                day.run()
        assert list((day.folder.tape / "payments").glob("*.parquet"))
    assert day.state == "planned"
    assert len(day.staged()) == 8
    assert day.run()["rows"] == 8
    assert named(day.staged()) == ["b+p-b", "c+p-c", "d+p-d", "l1+p-l1", "l2", "lone", "two+p-one", "two+p-two"]
    assert day.audit()["passed"]


def test_killed_while_it_plays_recorded_epochs(shop: Scenario) -> None:
    day = planned(shop, SECOND_DAY, late="faithful")
    run_until(
        lambda: newest(day.folder.checkpoint / "offsets") >= 2,
        day.job.home,
        *("replay", "run", day.id, "--execute"),
    )
    assert day.state == "planned"
    result = day.run()
    assert result["fidelity"]["watermarks"]["apart"] == []
    assert day.staged() == [row for row in shop.rows() if SECOND_DAY.contains(row.at)]
    assert day.audit()["passed"]
    files = sorted((day.folder.tape / "payments").glob("*.parquet"))
    assert len(files) == result["epochs"] > 3
    assert all(a.stat().st_mtime < b.stat().st_mtime for a, b in pairwise(files))


def test_a_replay_whose_folder_was_removed_starts_anew(shop: Scenario) -> None:
    day = planned(shop, SECOND_DAY)
    first = day.run()
    staged = day.staged()
    shutil.rmtree(day.folder.root)
    assert planned(shop, SECOND_DAY).id == day.id
    assert day.run()["rows"] == first["rows"]
    assert day.staged() == staged
