"""A day with late rows: replayed and published it equals the batch reference; rolled back, it drifts as before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.model import joined, named
from tests.support.replaying import SECOND_DAY, planned
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

WHAT = ("key", "class", "cause", "evidence", "left_row", "right_row", "columns")


def findings(job: Scenario, run_id: str) -> list[str]:
    """The recorded findings of one reconcile, whole, in a fixed order."""
    table = job.lake.load("plumbline.findings").scan().to_arrow().to_pylist()
    return sorted(str({name: row.get(name) for name in WHAT}) for row in table if row["run_id"] == run_id)


def drift(job: Scenario) -> tuple[dict[str, Any], list[str]]:
    """Causes and findings of the second day."""
    books = job.reconcile(SECOND_DAY)
    assert books["unexplained"] == 0
    return books["causes"], findings(job, books["run_id"])


def test_published_it_is_clean_and_rolled_back_it_drifts_exactly_as_before(shop: Scenario) -> None:
    live = shop.rows()
    before = drift(shop)
    # p-c and p-two are missing, c stands alone; l1 and l2 are missing whole.
    assert before[0] == {"late_left": 2, "late_right": 3}
    day = planned(shop, SECOND_DAY)
    assert day.run()["late"] == 0
    inside = [row for row in joined(shop.contract, shop.placed["left"], shop.placed["right"], None) if in_day(row.at)]
    assert day.staged() == inside
    assert named(inside) == ["b+p-b", "c+p-c", "d+p-d", "l1+p-l1", "l2", "lone", "two+p-one", "two+p-two"]
    assert day.audit()["passed"]
    published = day.publish()
    assert (published["changed"], published["rows"], day.state) == (True, 8, "published")
    assert shop.rows() == sorted(inside + [row for row in live if not in_day(row.at)], key=lambda row: row.place())
    assert drift(shop) == ({}, [])
    assert shop.reconcile(SECOND_DAY)["verdict"] == "clean"

    assert day.rollback()["changed"]
    assert shop.rows() == live
    assert drift(shop) == before
    assert day.rollback()["changed"] is False

    assert day.publish()["changed"]
    again = day.publish()
    assert (again["changed"], again["snapshot_id"]) == (
        False,
        shop.lake.load("joined.stream").current_snapshot().snapshot_id,
    )
    assert drift(shop) == ({}, [])


def test_the_tape_is_the_same_from_kafka_and_from_the_archive(shop: Scenario) -> None:
    replays = {door: planned(shop, SECOND_DAY, door) for door in ("kafka", "iceberg")}
    manifests, rows = [], []
    for day in replays.values():
        day.run()
        sources = day.folder.read("tape/manifest")["sources"]
        assert [len(files) for files in sources.values()] == [1, 1]
        assert {name: [file["rows"] for file in files] for name, files in sources.items()}
        manifests.append(sources)
        rows.append(day.staged())
    assert manifests[0] == manifests[1]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 8


def in_day(moment: Any) -> bool:
    return SECOND_DAY.contains(moment)
