"""Pinned reads in DuckDB equal the snapshot, whatever happened to the schema or the files since."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.types import LongType

from plumbline.connect import pinned
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.tables import SCHEMAS, OwnTable
from plumbline.contract.errors import SetupError

T = "joined.t"
SCHEMA = pa.schema(
    [
        ("id", pa.int32()),
        ("seen", pa.timestamp("us", "UTC")),
        ("name", pa.string()),
        ("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
    ]
)


def at(day: int) -> dt.datetime:
    return dt.datetime(2013, 1, day, 23, 30, tzinfo=dt.UTC)


def row(key: int) -> pa.Table:
    headers = [[{"key": "h", "value": b"v"}]]
    return pa.table({"id": [key], "seen": [at(key)], "name": [f"n{key}"], "headers": headers}, schema=SCHEMA)


@pytest.fixture
def con(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    return pinned.connection(temp_dir=tmp_path / "it's temporary")


@pytest.fixture
def lake(home: Home) -> Lake:
    lake = Lake.open(home)
    lake.ensure_table(T, SCHEMA, ("day", "seen"))
    return lake


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(r.values()) for r in con.sql(sql).to_arrow_table().to_pylist()]


def types(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return {name: kind for name, kind, *_ in con.execute("DESCRIBE v").fetchall()}


def test_an_empty_table_is_an_empty_view_with_its_types(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    assert pinned.scan(con, lake, T, view="v", schema=None) == pinned.Pinned(T, None, 0)
    assert rows(con, "SELECT * FROM v") == []
    assert types(con) == {
        "id": "INTEGER",
        "seen": "TIMESTAMP WITH TIME ZONE",
        "name": "VARCHAR",
        "headers": 'STRUCT("key" VARCHAR, "value" BLOB)[]',
    }


def test_the_snapshot_stays_when_the_table_moves_on(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    lake.append(T, row(1))
    first = pinned.scan(con, lake, T, view="v", schema=None)
    lake.append(T, row(2))
    assert first.files == 1
    assert rows(con, "SELECT id, seen, headers FROM v") == [(1, at(1), [{"key": "h", "value": b"v"}])]
    again = pinned.scan(con, lake, T, first.snapshot_id, view="v", schema=None)
    assert again == first
    pinned.scan(con, lake, T, view="v", schema=None)
    assert rows(con, "SELECT count(*) FROM v") == [(2,)]


def test_times_are_utc_whatever_the_machines_zone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    con = pinned.connection()
    lake.append(T, row(1))
    pinned.scan(con, lake, T, view="v", schema=None)
    assert con.execute("SELECT date_part('hour', seen), CAST(seen AS DATE)::VARCHAR FROM v").fetchall() == [
        (23, "2013-01-01")
    ]


def test_a_filter_skips_files(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    for key in (1, 2, 3):
        lake.append(T, row(key))
    pin = pinned.scan(
        con, lake, T, view="v", schema=None, row_filter="seen >= '2013-01-03T00:00:00+00:00'", columns=["name", "id"]
    )
    assert pin.files == 1
    assert set(types(con)) == {"name", "id"}
    assert rows(con, "SELECT id, name FROM v") == [(3, "n3")]


def evolved(lake: Lake) -> int:
    """A rename whose old name is then given to a new column, and a widened type; the snapshot from before."""
    lake.append(T, row(1))
    before = lake.load(T).current_snapshot()
    with lake.load(T).update_schema() as change:
        change.rename_column("name", "title")
    with lake.load(T).update_schema() as change:
        change.add_column("name", LongType())
        change.update_column("id", LongType())
    table = lake.load(T)
    new = {"id": [2**40], "seen": [at(2)], "title": ["n2"], "headers": [None], "name": [77]}
    table.append(pa.table(new, schema=table.schema().as_arrow()))
    return int(before.snapshot_id)


FLAT = ["id", "title", "name", "seen"]


@pytest.mark.parametrize("columns", [FLAT, None], ids=["flat columns by field id", "nested columns through arrow"])
def test_a_renamed_column_keeps_its_values(
    con: duckdb.DuckDBPyConnection, lake: Lake, columns: list[str] | None
) -> None:
    evolved(lake)
    pinned.scan(con, lake, T, view="v", schema=None, columns=columns)
    expected = [(1, "n1", None, at(1)), (2**40, "n2", 77, at(2))]
    assert rows(con, "SELECT id, title, name, seen FROM v ORDER BY id") == expected
    assert rows(con, "SELECT count(*) FROM v") == [(2,)]


def test_an_old_snapshot_is_read_in_its_own_schema(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    before = evolved(lake)
    pinned.scan(con, lake, T, before, view="v", schema=None, columns=["id", "name"])
    assert rows(con, "SELECT * FROM v") == [(1, "n1")]
    assert types(con)["id"] == "INTEGER"


def test_a_missing_snapshot_is_named(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    with pytest.raises(SetupError, match=r"snapshot 42 of joined\.t does not exist: it may have been expired"):
        pinned.scan(con, lake, T, 42, view="v", schema=None)


def test_a_missing_column_is_named(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    with pytest.raises(SetupError, match=r"joined\.t has no column nmae"):
        pinned.scan(con, lake, T, view="v", schema=None, columns=["id", "nmae"])


@pytest.mark.parametrize("vanished", ["*-m0.avro", "*.parquet"])
def test_a_vanished_file_is_one_error(con: duckdb.DuckDBPyConnection, lake: Lake, home: Home, vanished: str) -> None:
    lake.append(T, row(1))
    for path in home.lake.rglob(vanished):
        path.unlink()
    with pytest.raises(SetupError, match=r"joined\.t is unreadable"):
        pinned.scan(con, lake, T, view="v", schema=None)


def test_the_temporary_folder_takes_what_memory_cannot(tmp_path: Path) -> None:
    con = pinned.connection("64MB", tmp_path / "spill")
    con.execute("CREATE TABLE big AS SELECT i, md5(i::VARCHAR) AS h FROM range(3_000_000) t(i)")
    assert con.execute("SELECT count(DISTINCT h) FROM big").fetchall() == [(3_000_000,)]
    assert any((tmp_path / "spill").iterdir())


def test_a_long_query_draws_nothing_on_stdout() -> None:
    """DuckDB's bar appears after two seconds, in the middle of a document."""
    assert pinned.connection().execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(False,)]


@pytest.mark.parametrize("own", SCHEMAS)
def test_a_retyped_column_of_a_table_of_the_jobs_is_refused_by_name(
    own: OwnTable, con: duckdb.DuckDBPyConnection, lake: Lake
) -> None:
    """Whoever reads it, and whichever columns: what another tool did to one of them is not known of the others."""
    name = next(field.name for field in SCHEMAS[own] if field.type == pa.string())
    other = pa.schema([field.with_type(pa.int64()) if field.name == name else field for field in SCHEMAS[own]])
    lake.ensure_table(f"raw.{own}", SCHEMAS[own])
    lake.ensure_table("raw.other", other)
    columns = [next(field.name for field in SCHEMAS[own] if field.name != name)]
    assert pinned.scan(con, lake, f"raw.{own}", view="v", columns=columns, schema=own).files == 0
    assert pinned.scan(con, lake, "raw.other", view="v", columns=columns, schema=None).files == 0
    with pytest.raises(SetupError, match=f"column {name} of raw.other is long, where the jobs keep string"):
        pinned.scan(con, lake, "raw.other", view="v", columns=columns, schema=own)


@pytest.mark.parametrize("nested", [False, True])
def test_names_that_writers_spell_otherwise_in_their_files(
    con: duckdb.DuckDBPyConnection, lake: Lake, nested: bool
) -> None:
    """PyIceberg and Iceberg's own library write a column `x-y` to Parquet as `x_x2Dy`: Avro allows no other name."""
    names = ["x-y", "a$b", "1st", "a.b", "two words", "_plain", "\u00fc"]
    table = pa.table({name: [number] for number, name in enumerate(names)})
    if nested:
        table = table.append_column("s", pa.array([[{"k-1": 7}]], pa.list_(pa.struct([("k-1", pa.int64())]))))
    lake.ensure_table("joined.odd", table.schema)
    lake.append("joined.odd", table)
    pinned.scan(con, lake, "joined.odd", view="v", schema=None)
    assert con.sql("FROM v").to_arrow_table().to_pylist() == table.to_pylist()
    pinned.scan(con, lake, "joined.odd", view="v", schema=None, columns=["a$b"])
    assert rows(con, "FROM v") == [(1,)]
