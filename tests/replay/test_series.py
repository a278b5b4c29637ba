"""From a reconcile's findings to clean tables: planned in windows, finished one by one, cleared away, rolled back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plumbline.contract.errors import UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.replay.finish import finish
from plumbline.replay.gc import collect
from plumbline.replay.publish import replace_range, rollback
from plumbline.replay.series import Several, members, plan_several
from plumbline.replay.steps import listed, open_replay
from plumbline.replay.store import ReplayFolder
from tests.support.replaying import SECOND_DAY, planned
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

NONE = timedelta(0)


def test_drift_is_planned_in_windows_finished_cleared_and_rolled_back(shop: Scenario) -> None:
    live = shop.rows()
    run = shop.reconcile(SECOND_DAY)
    assert run["causes"] == {"late_left": 2, "late_right": 3}
    several = Several(TimeRange(), "latest", timedelta(hours=12))
    series = plan_several(shop.contract, shop.contract_path, shop.home, several)
    assert series["run_id"] == run["run_id"]
    assert [body["range"]["from"] for body in series["replays"]] == ["2024-03-02T00:00:00Z", "2024-03-02T12:00:00Z"]
    ids = members(shop.home, "latest")
    assert ids == members(shop.home, series["series"]) == [body["replay_id"] for body in series["replays"]]

    with pytest.raises(UsageError, match=r"a series of 2 replays\. Next: `plumbline replay finish latest --execute`"):
        open_replay(shop.home, "latest")
    done = finish(shop.home, ids, say=lambda line: None, spark=shop.spark)["replays"]
    assert [(one["changed"], one["rows"]) for one in done] == [(True, 6), (True, 2)]
    assert shop.reconcile(SECOND_DAY)["verdict"] == "clean"
    assert [one["changed"] for one in finish(shop.home, ids, say=print, spark=shop.spark)["replays"]] == [False, False]
    assert not any(table.startswith("plumbline_staging.") for table in shop.lake.tables())
    assert {name for folder in ReplayFolder.all(shop.home) for name in folder.bulky} == set()

    # Nothing of what a rollback needs goes, however old.
    assert collect(shop.home, older_than=NONE, execute=True)["removed"] == []
    for replay_id in reversed(ids):
        assert rollback(open_replay(shop.home, replay_id))["changed"]
    assert shop.rows() == live
    assert [one["state"] for one in listed(shop.home)] == ["rolled back", "rolled back"]
    assert all("replay run" in one["next"] for one in listed(shop.home)), "its tape and staging table are gone"
    replay = open_replay(shop.home, ids[0])
    with pytest.raises(UsageError, match=r"staging table of replay .* is gone.*plumbline replay run"):
        replace_range(replay)
    assert [one["kind"] for one in collect(shop.home, older_than=NONE, execute=True)["removed"]] == ["tag", "tag"]
    assert collect(shop.home, older_than=NONE)["removed"] == []


def test_no_drift_needs_no_replay(shop: Scenario) -> None:
    shop.reconcile(TimeRange(SECOND_DAY.end, None))
    assert plan_several(shop.contract, shop.contract_path, shop.home, Several(TimeRange(), "latest")) == {
        "series": None,
        "run_id": shop.reconcile(TimeRange(SECOND_DAY.end, None))["run_id"],
        "replays": [],
    }
    with pytest.raises(UsageError, match="--from-drift finds the ranges itself"):
        plan_several(shop.contract, shop.contract_path, shop.home, Several(SECOND_DAY, "latest"))


def test_what_was_never_published_goes_whole_and_only_on_execute(replayed: Scenario) -> None:
    (folder,) = ReplayFolder.all(replayed.home)
    young = collect(replayed.home, older_than=timedelta(days=1), execute=True)
    assert young["removed"] == []
    shown = collect(replayed.home, older_than=NONE)
    assert [one["kind"] for one in shown["removed"]] == ["staging table", "folder"]
    assert folder.plan.exists()
    collect(replayed.home, older_than=NONE, execute=True)
    assert not folder.root.exists()
    assert not any(table.startswith("plumbline_staging.") for table in replayed.lake.tables())


def test_a_staging_table_whose_folder_is_gone(shop: Scenario) -> None:
    day = planned(shop, SECOND_DAY)
    staging = day.plan.staging_table
    shop.lake.ensure_table(staging, shop.lake.load("joined.stream").schema().as_arrow())
    day.folder.remove()
    found = collect(shop.home, older_than=NONE, execute=True)["removed"]
    assert [(one["kind"], one["why"]) for one in found] == [("staging table", "its replay's folder is gone")]
    assert not shop.lake.exists(staging)
