"""Looks at a SQLite catalog without SQLAlchemy find what PyIceberg's own catalog finds."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.exceptions import NoSuchTableError

from plumbline.connect.catalog_block import pyiceberg_properties
from plumbline.connect.home import Home
from plumbline.connect.lake import NAME, Lake
from plumbline.connect.local_metadata import LocalMetadata, file_io
from plumbline.connect.onto import exactly
from plumbline.connect.records import records
from plumbline.connect.sqlite_looks import SqliteLooks, sqlite_looks

TABLE = "joined.t"
ROWS = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "kind": ["a", "b", "a"]})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake.open(Home(tmp_path / "home with blank", tmp_path / "jars"))
    made.ensure_table(TABLE, ROWS.schema)
    made.append(TABLE, ROWS)
    return made


def looks(lake: Lake) -> SqliteLooks:
    found = sqlite_looks(NAME, pyiceberg_properties(lake.block), lake.catalog)
    assert found is not None
    return found


def fail() -> Any:
    raise AssertionError("PyIceberg's catalog was opened")


def without_catalog(lake: Lake) -> SqliteLooks:
    found = sqlite_looks(NAME, pyiceberg_properties(lake.block), fail)
    assert found is not None
    return found


def test_a_look_finds_the_same_table_as_the_catalog(lake: Lake) -> None:
    own, look = lake.catalog().load_table(TABLE), without_catalog(lake).load_table(TABLE)
    assert (look.name(), look.metadata, look.metadata_location) == (own.name(), own.metadata, own.metadata_location)
    assert look.scan().to_arrow() == own.scan().to_arrow()
    assert [task.file.file_path for task in look.scan().plan_files()] == [
        task.file.file_path for task in own.scan().plan_files()
    ]


def test_a_look_sees_each_commit(lake: Lake) -> None:
    found = without_catalog(lake)
    before = found.load_table(TABLE)
    lake.append(TABLE, ROWS)
    after = found.load_table(TABLE)
    assert after.metadata_location != before.metadata_location
    assert after.scan().to_arrow().num_rows == 6
    assert after.metadata == lake.catalog().load_table(TABLE).metadata


def test_a_table_that_was_looked_up_can_be_committed_to(lake: Lake) -> None:
    table = looks(lake).load_table(TABLE)
    table.append(ROWS)
    assert table.refresh().scan().to_arrow().num_rows == 6
    assert lake.catalog().load_table(TABLE).scan().to_arrow().num_rows == 6


def test_a_setting_for_one_commit_is_not_in_the_next_look(lake: Lake) -> None:
    found = looks(lake)
    assert exactly(found.load_table(TABLE)).metadata.properties["commit.retry.num-retries"] == "0"
    assert "commit.retry.num-retries" not in found.load_table(TABLE).metadata.properties


@pytest.mark.parametrize("name", ["joined.other", "other.t", "t", "joined.t.t"])
def test_what_is_not_there_is_no_table(lake: Lake, name: str) -> None:
    assert not without_catalog(lake).table_exists(name)
    with pytest.raises(NoSuchTableError):
        without_catalog(lake).load_table(name)


def test_a_view_is_no_table(lake: Lake) -> None:
    change(lake, "UPDATE iceberg_tables SET iceberg_type = 'VIEW'")
    assert not without_catalog(lake).table_exists(TABLE)


def test_another_catalog_in_the_same_file_is_not_read(lake: Lake) -> None:
    change(lake, "UPDATE iceberg_tables SET catalog_name = 'other'")
    assert not without_catalog(lake).table_exists(TABLE)


@pytest.mark.parametrize(
    "change_it",
    ["ALTER TABLE iceberg_tables DROP COLUMN iceberg_type", "ALTER TABLE iceberg_tables RENAME TO iceberg_tables_old"],
)
def test_a_catalog_that_a_look_cannot_read_is_the_own_ones_matter(lake: Lake, change_it: str) -> None:
    change(lake, change_it)
    with pytest.raises(AssertionError, match="was opened"):
        without_catalog(lake).load_table(TABLE)


def test_a_locked_catalog_is_waited_for_by_the_own_one(lake: Lake) -> None:
    change(lake, "PRAGMA journal_mode = DELETE")
    with closing(sqlite3.connect(database(lake))) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(AssertionError, match="was opened"):
            without_catalog(lake).load_table(TABLE)


def test_a_new_home_gets_its_catalog(tmp_path: Path) -> None:
    assert not Lake.open(Home(tmp_path, tmp_path / "jars")).exists(TABLE)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "rest", "uri": "http://localhost:1"},
        {"type": "sql", "uri": "postgresql://localhost/a"},
        {"type": "sql", "uri": "sqlite:///file:/a.db?uri=true"},
        {"type": "sql", "uri": "sqlite:////a.db?timeout=30&cache=shared"},
    ],
    ids=lambda block: block["uri"],
)
def test_other_catalogs_are_opened_by_pyiceberg(block: dict[str, str]) -> None:
    assert sqlite_looks(NAME, block, fail) is None


def test_what_pyiceberg_is_configured_to_add_is_not_passed_over(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__IO_THING", "1")
    assert sqlite_looks(NAME, pyiceberg_properties(lake.block), fail) is None


@pytest.mark.parametrize(
    "location",
    [
        "file:///w/a.parquet",
        "s3://w/a.metadata.json",
        "file://host/a.avro",
        "file:///w/a#b.avro",
        "/w/a?b.metadata.json",
    ],
)
def test_only_local_metadata_is_read_without_arrow(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(LocalMetadata, "_general", type("Other", (), {"new_input": staticmethod(asked.append)}))
    LocalMetadata({}, location).new_input(location)
    assert asked == [location]


@pytest.mark.parametrize("spelling", ["file://", "file:", ""])
def test_local_metadata_is_read_in_each_spelling(tmp_path: Path, spelling: str) -> None:
    (tmp_path / "a b%20.metadata.json").write_text(json.dumps({"a": 1}))
    file = file_io({}, spelling + str(tmp_path)).new_input(f"{spelling}{tmp_path}/a b%20.metadata.json")
    with file.open() as stream:
        assert json.loads(stream.read()) == {"a": 1}
    assert (file.exists(), len(file)) == (True, 8)


def test_records_are_those_with_the_values(lake: Lake) -> None:
    found = records(lake, TABLE, ("id",), {"kind": "a"})
    assert sorted(found, key=lambda row: row["id"]) == [{"id": 1}, {"id": 3}]
    assert len(records(lake, TABLE, ("kind", "id"), {})) == 3


def database(lake: Lake) -> str:
    return str(Path(lake.block["warehouse"].removeprefix("file://")).parent / "catalog.db")


def change(lake: Lake, sql: str) -> None:
    lake.dispose()
    with closing(sqlite3.connect(database(lake))) as connection:
        connection.execute(sql)
        connection.commit()
