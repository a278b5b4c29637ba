"""What may go of a replay: by age, and never what a rollback still needs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from plumbline.replay.gc import removable
from plumbline.replay.publish import PUBLISHED, ROLLED_BACK
from plumbline.replay.store import ReplayFolder

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("action", "age", "rollback_for", "kinds"),
    [
        pytest.param(PUBLISHED, 5, None, [], id="young: nothing"),
        pytest.param(None, 5, None, [], id="young and unpublished: nothing"),
        pytest.param(PUBLISHED, 40, None, ["tape", "staging table"], id="published: the tag and the plan stay"),
        pytest.param(PUBLISHED, 4000, None, ["tape", "staging table"], id="published: for ever"),
        pytest.param(PUBLISHED, 40, 90, ["tape", "staging table"], id="published: still offered for rollback"),
        pytest.param(PUBLISHED, 91, 90, ["tape", "staging table", "tag"], id="published: no longer offered"),
        pytest.param(ROLLED_BACK, 40, None, ["tape", "staging table", "tag"], id="rolled back: the tag has done"),
        pytest.param(None, 40, None, ["tag", "staging table", "folder"], id="never published: all of it"),
    ],
)
def test_what_may_go(action: str | None, age: int, rollback_for: int | None, kinds: list[str]) -> None:
    offered = None if rollback_for is None else rollback_for * DAY
    assert list(removable(action, age * DAY, 30 * DAY, offered)) == kinds


def test_a_folder_loses_its_plan_last(tmp_path: Path) -> None:
    folder = ReplayFolder(tmp_path / "one")
    folder.write("plan", {})
    folder.write("run", {})
    (folder.tape / "orders").mkdir(parents=True)
    assert folder.bulky == ("tape",)
    folder.forget(*folder.bulky, "run")
    assert [path.name for path in folder.root.iterdir()] == ["plan.json"]
    folder.remove()
    assert not folder.root.exists()
