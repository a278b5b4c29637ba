"""Commits onto exactly the state that was looked at, on a real catalog."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.onto import ORDER, append_onto, columns_of, commit_onto, in_order, next_order
from plumbline.contract.errors import UnreachableError

SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field(ORDER, pa.int64())])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    found = Lake.open(Home.resolve(tmp_path))
    found.ensure_table("plumbline.t", SCHEMA)
    return found


def rows(table: Any, number: int) -> pa.Table:
    return pa.Table.from_pylist([{"id": number, ORDER: next_order(table)}], schema=SCHEMA)


def test_a_lost_race_is_looked_at_again(lake: Lake) -> None:
    """PyIceberg alone would append both: each looked before the other had come."""
    looked: list[int] = []

    def once(table: Any) -> pa.Table | None:
        looked.append(table.scan().count())
        if len(looked) == 1:
            lake.append("plumbline.t", pa.Table.from_pylist([{"id": 1, ORDER: 1}], schema=SCHEMA))
        return None if looked[-1] else rows(table, 1)

    assert append_onto(lake, "plumbline.t", once, {}) is False
    assert looked == [0, 1]
    assert lake.load("plumbline.t").scan().to_arrow()["id"].to_pylist() == [1]


def test_orders_are_those_of_the_commits(lake: Lake) -> None:
    def one(number: int) -> bool:
        own = Lake(lake.block)
        return append_onto(own, "plumbline.t", lambda table: rows(table, number), {})

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(12)))
    found = lake.load("plumbline.t").scan().to_arrow()
    assert sorted(found["id"].to_pylist()) == list(range(12))
    assert sorted(found[ORDER].to_pylist()) == list(range(1, 13)), "no two commits have one number"


def test_it_gives_up_when_it_always_loses(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumbline.connect.lake.PATIENCE_SECONDS", 0.0)

    def beaten(table: Any) -> None:
        lake.append("plumbline.t", rows(table, 0))
        table.append(rows(table, 1))

    with pytest.raises(UnreachableError, match=r"plumbline\.t lost every race"):
        commit_onto(lake, "plumbline.t", beaten)


def test_rows_of_earlier_versions_come_first_by_their_clock(lake: Lake) -> None:
    old = [{"recorded_at": 5, "run": "b"}, {"recorded_at": 3, "run": "a"}]
    new = [{"recorded_at": 1, ORDER: 8, "run": "d"}, {"recorded_at": 9, ORDER: 7, "run": "c"}]
    assert [row["run"] for row in sorted([*new, *old], key=in_order)] == ["a", "b", "c", "d"]
    assert columns_of(lake.load("plumbline.t"), "id", ORDER, "of a later version") == ("id", ORDER)
