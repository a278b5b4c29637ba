"""A plan that is asked for again is not made again, and never outlives what it is of."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from plumbline.connect import table_plan
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_plan import plan_files

T = "joined.t"
SCHEMA = pa.schema([("id", pa.int64())])


@pytest.fixture
def made(home: Home, monkeypatch: pytest.MonkeyPatch) -> tuple[Lake, list[str]]:
    """A lake with a table of one file, and the tables of all plans that are made anew from now on."""
    lake, anew = Lake.open(home), list[str]()
    lake.ensure_table(T, SCHEMA)
    lake.append(T, pa.table({"id": [1, 2]}, schema=SCHEMA))
    plan = table_plan._planned

    def noted(scan: Any, snapshot: Any, identifier: str) -> Any:
        anew.append(identifier)
        return plan(scan, snapshot, identifier)

    monkeypatch.setattr(table_plan, "_planned", noted)
    return lake, anew


def test_the_same_files_are_planned_once(made: tuple[Lake, list[str]]) -> None:
    lake, anew = made
    held = lake.held()
    first = plan_files(held.load(T).scan(row_filter="id > 0"), T)
    first.clear()  # a caller's list is its own
    assert len(plan_files(held.load(T).scan(row_filter="id > 0", selected_fields=("id",)), T)) == 1
    assert anew == [T]
    assert plan_files(held.load(T).scan(row_filter="id > 5"), T) == []
    assert anew == [T, T]


def test_a_table_that_moved_on_is_planned_anew(made: tuple[Lake, list[str]]) -> None:
    lake, anew = made
    held = lake.held()
    one = held.load(T).metadata.current_snapshot_id
    assert len(plan_files(held.load(T).scan(), T)) == 1
    lake.append(T, pa.table({"id": [3]}, schema=SCHEMA))
    assert len(plan_files(lake.load(T).scan(), T)) == 2
    assert len(plan_files(lake.load(T).scan(snapshot_id=one), T)) == 1
    assert len(anew) == 3


def test_few_plans_of_few_files_are_kept(made: tuple[Lake, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    lake, anew = made
    table = lake.load(T)
    for number in range(40):
        plan_files(table.scan(row_filter=f"id > {number}"), T)
    assert len(table_plan._KEPT) == 16
    monkeypatch.setattr(table_plan, "_MOST_FILES", 0)
    table_plan._KEPT.clear()
    for _ in range(2):
        plan_files(table.scan(), T)
    assert len(anew) == 42
