"""The embedded lake through PyIceberg: creation, races, locks, messages."""

from __future__ import annotations

import datetime as dt
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake, _create
from plumbline.contract.errors import SetupError, UsageError

SCHEMA = pa.schema(
    [pa.field("id", pa.int64(), nullable=False), ("at", pa.timestamp("us", "UTC")), ("name", pa.string())]
)


def row(key: int, day: int = 1) -> pa.Table:
    at = dt.datetime(2013, 1, day, 5, tzinfo=dt.UTC)
    return pa.table({"id": [key], "at": [at], "name": [f"n{key}"]}, schema=SCHEMA)


@pytest.fixture
def lake(home: Home) -> Lake:
    return Lake.open(home)


def database(home: Home) -> str:
    return str(home.lake / "catalog.db")


def test_it_is_in_wal_mode_from_the_start(home: Home, lake: Lake) -> None:
    with closing(sqlite3.connect(database(home))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    ("transform", "name", "partition"),
    [("day", "at_day", 15706), ("month", "at_month", 516), ("hour", "at_hour", 376949), ("identity", "at", None)],
)
def test_tables_are_partitioned_as_asked(lake: Lake, transform: str, name: str, partition: int | None) -> None:
    table = lake.ensure_table("joined.t", SCHEMA, (transform, "at"), {"note": "x"})
    assert [field.name for field in table.spec().fields] == [name]
    assert table.format_version == 2
    assert table.properties["note"] == "x"
    assert table.schema().find_field("id").required
    lake.append("joined.t", row(1))
    [task] = lake.load("joined.t").scan().plan_files()
    assert partition is None or task.file.partition[0] == partition


def test_ensuring_twice_keeps_the_table(lake: Lake) -> None:
    first = lake.ensure_table("joined.t", SCHEMA)
    lake.append("joined.t", row(1))
    again = lake.ensure_table("joined.t", SCHEMA)
    assert again.metadata.table_uuid == first.metadata.table_uuid
    assert again.scan().to_arrow().num_rows == 1


def test_an_unknown_transform_leaves_nothing(lake: Lake) -> None:
    with pytest.raises(UsageError, match="partition_by week is unknown"):
        lake.ensure_table("joined.t", SCHEMA, ("week", "at"))
    assert not lake.exists("joined.t")


def test_of_two_replacements_at_once_the_first_stands(home: Home, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiceberg.expressions import EqualTo

    lake.ensure_table("joined.t", SCHEMA)
    lake.append("joined.t", row(1))
    stale, other = lake.load_now("joined.t"), Lake.open(home)
    assert other.replace("joined.t", row(2), EqualTo("id", 1))
    monkeypatch.setattr(Lake, "load_now", lambda *_: stale)
    assert not lake.replace("joined.t", row(3), EqualTo("id", 1))
    assert stale.refresh().scan().to_arrow()["id"].to_pylist() == [2]


def test_snapshot_properties_are_written(lake: Lake) -> None:
    lake.ensure_table("joined.t", SCHEMA)
    lake.append("joined.t", row(1), {"replay.id": "r1"})
    snapshot = lake.load("joined.t").current_snapshot()
    assert snapshot.summary["replay.id"] == "r1"


def test_a_missing_table_names_the_nearest(lake: Lake) -> None:
    lake.ensure_table("joined.flights_stream", SCHEMA)
    with pytest.raises(SetupError, match=r"joined\.flight_stream does not exist.*did you mean joined\.flights_stream"):
        lake.load("joined.flight_stream")
    with pytest.raises(SetupError, match="does not exist"):
        lake.load("nowhere.at_all")
    assert not lake.exists("nowhere.at_all")


RACER = """
import sys, pyarrow as pa, datetime as dt
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from tests.connect.test_lake import SCHEMA, row
lake = Lake.open(Home.resolve(sys.argv[1]))
lake.ensure_table("joined.t", SCHEMA, ("day", "at"))
for i in range(5):
    lake.append("joined.t", row(int(sys.argv[2]) * 100 + i, i + 1))
"""


def test_three_processes_create_and_append_at_once(home: Home) -> None:
    racers = [subprocess.Popen([sys.executable, "-c", RACER, str(home.root), str(n)]) for n in range(3)]
    assert [racer.wait(120) for racer in racers] == [0, 0, 0]
    ids = Lake.open(home).load("joined.t").scan().to_arrow()["id"].to_pylist()
    assert sorted(ids) == [n * 100 + i for n in range(3) for i in range(5)]


@pytest.mark.parametrize("made", [("iceberg_tables",), ("iceberg_tables", "iceberg_namespace_properties")], ids=len)
def test_a_catalog_whose_tables_another_process_makes_at_the_same_moment_is_opened(
    home: Home, monkeypatch: pytest.MonkeyPatch, made: tuple[str, ...]
) -> None:
    from pyiceberg.catalog.sql import SqlCatalog, SqlCatalogBaseTable

    left = list(made)

    def create_what_was_absent(catalog: SqlCatalog) -> None:
        if not left:
            SqlCatalogBaseTable.metadata.create_all(catalog.engine)
            return
        table = SqlCatalogBaseTable.metadata.tables[left.pop(0)]
        table.create(catalog.engine)  # the other process, after this one has looked
        table.create(catalog.engine)

    monkeypatch.setattr(SqlCatalog, "create_tables", create_what_was_absent)
    assert Lake.open(home).tables() == []
    assert not left


def test_a_namespace_that_another_process_makes_at_the_same_moment_is_enough(
    home: Home, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lake.open(home).catalog().create_namespace("joined")
    with monkeypatch.context() as patch:
        patch.setattr(type(lake.catalog()), "namespace_exists", lambda self, name: False)
        patch.setattr("plumbline.connect.lake._create", lambda *arguments: (patch.undo(), _create(*arguments)))
        assert lake.ensure_table("joined.t", SCHEMA).name() == ("joined", "t")


def test_a_lock_longer_than_the_time_out_is_waited_for(home: Home, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumbline.connect.catalog_block.BUSY_MS", 1000)
    lake.ensure_table("joined.t", SCHEMA)
    impatient = Lake.open(home)
    held = sqlite3.connect(database(home), isolation_level=None, check_same_thread=False)
    held.execute("BEGIN IMMEDIATE")
    release = threading.Timer(2.5, held.rollback)
    release.start()
    impatient.append("joined.t", row(1))
    release.join()
    held.close()
    assert lake.load("joined.t").scan().to_arrow().num_rows == 1


def test_an_unreachable_catalog_is_one_line(home: Home) -> None:
    lake = Lake.open(
        home, {"type": "sql", "uri": "sqlite:////nowhere/at/all.db", "warehouse": "file:///nowhere/warehouse"}
    )
    with pytest.raises(SetupError, match=r"the catalog does not answer: .*sqlite:////nowhere/at/all\.db"):
        lake.exists("a.b")


def test_a_rest_catalog_that_is_down_is_one_line(home: Home) -> None:
    lake = Lake.open(home, {"type": "rest", "uri": "http://127.0.0.1:9", "token": "geheim"})
    with pytest.raises(SetupError, match=r"the catalog does not answer") as failure:
        lake.load("a.b")
    assert "geheim" not in str(failure.value)


def test_describe_names_tables_and_masks_secrets(home: Home, lake: Lake) -> None:
    lake.ensure_table("joined.t", SCHEMA)
    shown = lake.describe()
    assert shown["duckdb"]["metadata"]["joined.t"].endswith(".metadata.json")
    assert shown["pyiceberg"]["uri"].startswith("sqlite:///")
    assert shown["spark"]["spark.sql.catalog.lake.type"] == "jdbc"


def test_describe_shows_only_what_is_known_to_be_harmless(tmp_path: Path) -> None:
    secret = ("adls.account-key", "adls.connection-string", "header.Authorization", "auth", "s3.access-key-id", "new")
    block = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"file://{tmp_path}/w", "s3.region": "eu"}
    shown = Lake.open(Home.resolve(tmp_path), {**block, **{name: f"S3cret-{name}" for name in secret}}).describe()
    assert "S3cret" not in str(shown)
    assert {shown["pyiceberg"][name] for name in secret} == {"***"}
    assert shown["pyiceberg"]["s3.region"] == "eu"
    assert shown["spark"]["spark.sql.catalog.lake"] == "org.apache.iceberg.spark.SparkCatalog"
    assert shown["spark"]["spark.sql.catalog.lake.uri"] == f"jdbc:sqlite:{tmp_path}/c.db?busy_timeout=30000"
    assert shown["spark"]["spark.sql.catalog.lake.warehouse"] == f"file://{tmp_path}/w"


def test_a_table_whose_metadata_is_gone_is_unreadable(home: Home, lake: Lake) -> None:
    table = lake.ensure_table("joined.t", SCHEMA)
    Path(table.metadata_location.removeprefix("file://")).unlink()
    for opened in (lambda: lake.load("joined.t"), lambda: lake.ensure_table("joined.t", SCHEMA)):
        with pytest.raises(SetupError, match=r"table joined\.t is unreadable: .*Next: bring back the file"):
            opened()


def test_a_local_catalog_that_is_no_database_says_which_file(home: Home, lake: Lake) -> None:
    Path(database(home)).write_text("garbage" * 100)
    with pytest.raises(SetupError, match=r"the catalog does not answer: file is not a database.*the file is whole"):
        Lake.open(home).tables()


def test_old_metadata_that_another_commit_has_removed_is_no_news(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    kept = {"write.metadata.delete-after-commit.enabled": "true", "write.metadata.previous-versions-max": "1"}
    lake.ensure_table("joined.t", SCHEMA, properties=kept)
    for key in (1, 2):
        lake.append("joined.t", row(key))
    behind, snapshot = lake.load("joined.t"), lake.load("joined.t").current_snapshot()
    assert snapshot is not None
    lake.load("joined.t").manage_snapshots().create_tag(snapshot.snapshot_id, "beside").commit()
    behind.append(row(3))
    assert sorted(lake.load("joined.t").scan().to_arrow()["id"].to_pylist()) == [1, 2, 3]
    assert [line for line in caplog.messages if "Failed to delete" in line] == []
