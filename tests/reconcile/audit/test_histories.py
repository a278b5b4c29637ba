"""Planted doubles and holes of random histories, found exactly, each with the commit that made it."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.reconcile.audit.audit import Request, audit
from tests.support.audited_histories import RandomHistory, Truth
from tests.support.written_tables import FLAT, NESTED, WrittenTable

HISTORIES = int(os.environ.get("AUDIT_HISTORIES", "30"))
FIRST = int(os.environ.get("AUDIT_FIRST_SEED", "0"))
HOLES = ("unasked", "deleted")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return Lake.open(Home.resolve(tmp_path_factory.mktemp("histories")))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + HISTORIES))
def test_a_random_history_is_audited_exactly(lake: Lake, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    table = WrittenTable(lake, f"h.t{seed}", random.choice([FLAT, NESTED]), random.choice([2, 3]))
    history = RandomHistory(table, random, single=random.random() < 0.3)
    history.play(random.randint(3, 12))
    chain = history.chain()
    expired = random.randint(1, len(table.snapshots) - 1) if random.random() < 0.2 else 0
    expired = min(expired, table.snapshots.index(next(s for s in table.snapshots if s["snapshot-id"] == chain[-1])))
    known = [snapshot for snapshot in chain if snapshot >= 1000 + expired]
    since = random.choice(known[:-1]) if len(known) > 1 and random.random() < 0.3 else None
    table.publish(expired)
    found = audit(lake, Request(f"h.t{seed}", since=since), out=tmp_path / "all.parquet")
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    compare(
        rows, history.truth(since), exact=not history.single and not expired, whole=not expired, since=since is not None
    )
    assert found.verdict == (
        "drift" if any(row["kind"] != "unasked" for row in rows) else "incomplete" if rows else "clean"
    )
    assert found.document["rows"] == len(history.now.rows())


def compare(rows: list[dict[str, Any]], truth: Truth, *, exact: bool, whole: bool, since: bool) -> None:
    """Places must be as they are always; commits where they are said to be sure, and all of them in `exact` ones."""
    doubled = spread(rows, "doubled")
    assert {place: row["copies"] for place, row in doubled.items()} == {p: n for p, (n, _) in truth.doubled.items()}
    for place, row in doubled.items():
        writers, said = truth.doubled[place][1], set(row["written_by"])
        assert said == writers if exact or row["sure"] else not whole or said >= writers, (place, row, writers)
    holes = spread(rows, *HOLES)
    assert holes.keys() == truth.holes.keys()
    for place, row in holes.items():
        deleted_by, passed_by = truth.holes[place]
        if exact or row["sure"]:
            assert row["deleted_by"] == deleted_by, (place, row)
        assert (row["kind"] == "deleted") == (row["deleted_by"] is not None)
        if whole:
            assert row["sure"]
        if exact and deleted_by is None and (row["passed_by"] or not since):
            assert set(row["passed_by"]) == passed_by, (place, row)


def spread(rows: list[dict[str, Any]], *kinds: str) -> dict[tuple[int, int], dict[str, Any]]:
    """Each offset with the one finding about it."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for row in rows:
        if row["kind"] in kinds:
            for offset in range(row["start"], row["end"]):
                assert (row["partition"], offset) not in found
                found[row["partition"], offset] = row
    return found
