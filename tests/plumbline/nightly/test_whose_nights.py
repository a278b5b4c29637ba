"""Nights belong to a contract's name and tables, not to its name. No Spark: nights as the command records them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.identity import identity
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.nightly import record
from plumbline.nightly.folder import NIGHT, claim, nights_of
from plumbline.reconcile.judge.store import RUNS, runs_schema
from tests.support.nights import night
from tests.support.shop_contract import TEXT

DAY = date(2024, 3, 1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path)


@pytest.fixture
def lake(home: Home) -> Lake:
    lake = Lake.open(home)
    for table in ("joined.stream", "joined.batch"):
        lake.ensure_table(table, pa.schema([("id", pa.string())]))
    return lake


@pytest.fixture
def shop() -> Contract:
    return parse(TEXT)


@pytest.fixture
def other() -> Contract:
    """A contract of the same name that reads and writes other tables."""
    return parse(TEXT.replace("joined.", "other.").replace("raw.", "other_raw."))


def recorded_run(lake: Lake, contract: Contract, run_id: str = "0a1b") -> None:
    """A run as any version recorded it."""
    row = {
        "run_id": run_id,
        "contract": contract.contract,
        "definition": contract.model_dump_json(exclude={"kafka", "catalog"}),
        "document": json.dumps({"run_id": run_id}),
        "recorded_at": datetime(2024, 3, 2, tzinfo=UTC),
    }
    lake.ensure_table(RUNS, runs_schema())
    lake.append(RUNS, pa.Table.from_pylist([row], schema=runs_schema()))


def nights_seen(lake: Lake, contract: Contract) -> tuple[set[date], Any]:
    return record.days_done(lake, contract), record.last_night(lake, contract)


def test_a_night_is_not_the_other_contracts(lake: Lake, shop: Contract, other: Contract) -> None:
    record.keep(lake, night(identity=identity(shop)))
    assert nights_seen(lake, other) == (set(), None)
    assert nights_seen(lake, shop)[0] == {DAY}


@pytest.mark.parametrize("tables_of_other", [True, False])
def test_a_night_of_an_earlier_version_is_that_of_its_run(
    lake: Lake, shop: Contract, other: Contract, tables_of_other: bool
) -> None:
    recorded_run(lake, shop)
    record.keep(lake, night())
    if tables_of_other:
        for table in (other.output.stream_table, other.output.batch_table):
            lake.ensure_table(table, pa.schema([("id", pa.string())]))
    assert nights_seen(lake, other) == (set(), None)
    assert nights_seen(lake, shop)[0] == {DAY}


def test_a_night_without_a_run_is_that_of_a_contract_that_has_its_tables(
    lake: Lake, shop: Contract, other: Contract
) -> None:
    record.keep(lake, night())
    assert nights_seen(lake, other) == (set(), None)
    assert nights_seen(lake, shop)[0] == {DAY}


def test_of_a_day_that_was_done_again_the_last_commit_counts(
    lake: Lake, shop: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Back(datetime):
        at = datetime(2024, 3, 3, tzinfo=UTC)

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            cls.at = cls.at.replace(day=cls.at.day - 1)
            return cls.at

    monkeypatch.setattr(record, "datetime", Back)
    for verdict in ("drift", "clean"):
        record.keep(lake, night(verdict=verdict, identity=identity(shop)))
    found = record.last_night(lake, shop)
    assert found is not None
    assert found["verdict"] == "clean"


def test_each_has_a_folder_of_its_own(home: Home, shop: Contract, other: Contract) -> None:
    """What one has begun of a night is not taken up by the other."""
    claim(home, shop, {})
    claim(home, other, {})
    assert nights_of(home, shop) == home.root / "nightly" / "shop"
    assert nights_of(home, other) == home.root / "nightly" / f"shop-{identity(other)[:8]}"


def test_a_folder_of_an_earlier_version_is_that_of_its_runs(home: Home, shop: Contract, other: Contract) -> None:
    day = home.root / "nightly" / "shop" / "2024-03-01"
    day.mkdir(parents=True)
    (day / f"{NIGHT}.json").write_text(json.dumps(night()))
    claim(home, other, {"0a1b": identity(shop)})
    assert nights_of(home, shop) == day.parent
    assert nights_of(home, other) != day.parent
