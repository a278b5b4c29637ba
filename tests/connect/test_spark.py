"""Spark beside PyIceberg and DuckDB on one lake; its quiet start and its end."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from plumbline.connect import pinned
from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, create_topics, produce, spark_options
from plumbline.connect.lake import Lake
from plumbline.connect.processes import birth
from plumbline.connect.spark import session, settings_of
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark
SCHEMA = pa.schema([("id", pa.int64()), ("seen", pa.timestamp("us", "UTC")), ("name", pa.string())])
SEEN = dt.datetime(2013, 1, 1, 5, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.resolve(tmp_path_factory.mktemp("a home with spaces"))


@pytest.fixture(scope="module")
def lake(home: Home) -> Lake:
    return Lake.open(home)


@pytest.fixture(scope="module")
def spark(home: Home, lake: Lake) -> SparkSession:
    return session(home, lake, app="test")


@pytest.fixture
def table(lake: Lake, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty table of this test's own."""
    name = "joined." + request.node.name.split("[")[0].removeprefix("test_")
    lake.ensure_table(name, SCHEMA, ("day", "seen"))
    yield name
    lake.catalog().drop_table(name)


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": list(ids), "seen": [SEEN] * len(ids), "name": [f"n{i}" for i in ids]}, schema=SCHEMA)


def test_each_engine_sees_the_others_rows(spark: SparkSession, lake: Lake, table: str) -> None:
    lake.append(table, rows(1))
    assert spark.table(f"lake.{table}").selectExpr("id", "CAST(seen AS STRING)").collect() == [
        (1, "2013-01-01 05:00:00")
    ]
    spark.sql(f"INSERT INTO lake.{table} VALUES (2, TIMESTAMP '2013-01-02 06:00:00', 'n2')")
    lake.append(table, rows(3))
    assert sorted(lake.load(table).scan().to_arrow()["id"].to_pylist()) == [1, 2, 3]
    assert spark.table(f"lake.{table}").count() == 3


def test_each_engine_sees_the_others_tables(spark: SparkSession, lake: Lake) -> None:
    spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.made")
    spark.sql("CREATE TABLE lake.made.by_spark (seen TIMESTAMP) USING iceberg")
    assert lake.exists("made.by_spark")
    assert str(lake.load("made.by_spark").schema().find_field("seen").field_type) == "timestamptz"
    lake.ensure_table("made.by_python", SCHEMA)
    assert {row.tableName for row in spark.sql("SHOW TABLES IN lake.made").collect()} == {"by_spark", "by_python"}


def test_rows_deleted_by_spark_are_gone_in_a_pinned_read(spark: SparkSession, lake: Lake, table: str) -> None:
    lake.append(table, rows(1, 2, 3))
    whole = lake.load(table).current_snapshot().snapshot_id
    spark.sql(f"ALTER TABLE lake.{table} SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')")
    spark.sql(f"DELETE FROM lake.{table} WHERE id = 2")
    con = pinned.connection()
    pinned.scan(con, lake, table, view="v", schema=None)
    assert con.execute("SELECT count(*) FROM v").fetchall() == [(2,)]
    assert con.execute("SELECT id FROM v ORDER BY id").fetchall() == [(1,), (3,)]
    assert con.execute("SELECT count(*) FROM v").fetchall() == [(2,)]
    pinned.scan(con, lake, table, whole, view="v", schema=None)
    assert con.execute("SELECT count(*) FROM v").fetchall() == [(3,)]
    assert con.execute("SELECT id FROM v ORDER BY id").fetchall() == [(1,), (2,), (3,)]


def test_a_column_renamed_by_spark_keeps_its_values(spark: SparkSession, lake: Lake, table: str) -> None:
    lake.append(table, rows(1))
    spark.sql(f"ALTER TABLE lake.{table} RENAME COLUMN name TO title")
    spark.sql(f"INSERT INTO lake.{table} VALUES (2, TIMESTAMP '2013-01-02 06:00:00', 'n2')")
    con = pinned.connection()
    pinned.scan(con, lake, table, view="v", schema=None)
    assert con.execute("SELECT id, title FROM v ORDER BY id").fetchall() == [(1, "n1"), (2, "n2")]


def test_a_second_session_has_its_own_lake(spark: SparkSession, lake: Lake, tmp_path: Path) -> None:
    other_home = Home.resolve(tmp_path)
    other = Lake.open(other_home)
    beside = session(other_home, other, app="other", shuffle_partitions=3)
    other.ensure_table("only.here", SCHEMA)
    assert [row.namespace for row in beside.sql("SHOW NAMESPACES IN lake").collect()] == ["only"]
    assert "only" not in [row.namespace for row in spark.sql("SHOW NAMESPACES IN lake").collect()]
    assert beside.conf.get("spark.sql.shuffle.partitions") == "3"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"


def test_a_session_has_no_setting_of_another_ones_catalog(spark: SparkSession, tmp_path: Path) -> None:
    home, key = Home.resolve(tmp_path), "spark.sql.catalog.lake.a.name"
    own = Lake.open(home)
    first = session(home, Lake.open(home, {**own.block, "a.name": "S3cret"}), app="first")
    second = session(home, own, app="second")
    assert first.conf.get(key) == "S3cret"
    assert second.conf.get(key, "none") == "none"
    assert first.conf.get(key) == "S3cret"


def test_what_cannot_be_computed_is_null_and_times_are_utc(spark: SparkSession) -> None:
    assert spark.sql("SELECT CAST('many' AS INT) AS number").collect()[0].number is None
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"


@pytest.mark.kafka
def test_a_topic_streams_into_the_lake(
    spark: SparkSession, lake: Lake, home: Home, kafka: dict[str, str], tmp_path: Path
) -> None:
    create_topics(kafka, {"events": 2})
    produce(kafka, [Record("events", b"%d" % i, b"v", 1_357_000_000_000 + i) for i in range(500)])
    stream = spark.readStream.format("kafka").options(**spark_options(kafka))
    frame = stream.option("subscribe", "events").option("startingOffsets", "earliest").load()
    spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.raw")
    writer = frame.selectExpr("CAST(key AS STRING) AS k", "partition", "offset", "timestamp").writeStream
    query = (
        writer.format("iceberg")
        .option("checkpointLocation", str(tmp_path / "checkpoint"))
        .trigger(availableNow=True)
        .toTable("lake.raw.events")
    )
    query.awaitTermination()
    keys = lake.load("raw.events").scan().to_arrow()["k"].to_pylist()
    assert sorted(map(int, keys)) == list(range(500))


OWNER = """
import sys, time
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.spark import session
home = Home.resolve(sys.argv[1])
spark = session(home, Lake.open(home), app="owner")
print(spark.sparkContext._jvm.ProcessHandle.current().pid(), flush=True)
try:
    spark.sql("SELECT * FROM lake.no.such_table").collect()
except Exception:
    pass
print("up", flush=True)
time.sleep(600)
"""


def until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_jvm_dies_with_its_python_and_says_nothing(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stderr is not None
    jvm = int(owner.stdout.readline())
    assert birth(jvm) is not None
    assert owner.stdout.readline() == "up\n"
    owner.send_signal(signal.SIGKILL)
    assert owner.wait() == -signal.SIGKILL
    assert until(lambda: birth(jvm) is None)
    assert owner.stderr.read() == ""
    assert (tmp_path / "spark.log").exists()


def test_no_value_of_the_catalog_is_on_the_command_line_of_a_program(tmp_path: Path, monkeypatch: Any) -> None:
    started = list[list[str]]()

    def refused(command: list[str], **_: Any) -> None:
        started.append(command)
        raise OSError("not started")

    monkeypatch.setattr("pyspark.java_gateway.Popen", refused)
    monkeypatch.setattr("pyspark.SparkContext._gateway", None)
    monkeypatch.setattr("pyspark.SparkContext._active_spark_context", None)
    names = ("credential", "s3.secret-access-key", "header.Authorization", "jdbc.password", "a.name.of.next.year")
    block = {"type": "rest", "uri": "https://u:S3cret@h/?p=S3cret", **{name: f"S3cret-{name}" for name in names}}
    with pytest.raises(SetupError, match="Spark does not start: not started"):
        session(Home.resolve(tmp_path), Lake.open(Home.resolve(tmp_path), block), app="x")
    [command] = started
    assert "--conf" in command
    assert not [argument for argument in command if "S3cret" in argument]


def test_a_catalog_that_spark_alone_cannot_open_is_one_line(spark: SparkSession, home: Home, tmp_path: Path) -> None:
    """As one whose JDBC driver is not there: its jar is not what PyIceberg needs."""
    uri = f"sqlite:///{tmp_path}/c.db"
    other = Lake.open(home, {"type": "sql", "uri": uri, "warehouse": f"file://{tmp_path}"})
    with pytest.raises(SetupError, match=r"Spark does not open the catalog: .*JDBC driver belongs in") as told:
        session(home, other, app="x", extra={"spark.sql.catalog.lake.uri": "jdbc:nosuch://db/i"})
    assert "No suitable driver" in str(told.value)


def test_spark_that_does_not_start_is_one_error(tmp_path: Path) -> None:
    code = OWNER.replace('app="owner"', 'app="owner", memory="nonsense"')
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert "contract.errors.SetupError: Spark does not start" in done.stderr
    assert str(tmp_path / "spark.log") in done.stderr


def test_a_column_asks_spark_for_nothing_but_itself(spark: SparkSession) -> None:
    """Spark would be asked for its session and a setting, and told the place in the program, for each column."""
    from pyspark.errors.utils import is_debugging_enabled

    assert not is_debugging_enabled()
    assert spark.conf.get("spark.sql.dataFrameQueryContext.enabled") == "false"


def test_a_cluster_gets_the_jars_and_keeps_sparks_checkpoint_rules(
    home: Home, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMBLINE_SPARK_MASTER", "spark://127.0.0.1:7077")
    settings = settings_of(home, lake, app="a", shuffle_partitions=4, memory="1g")
    assert settings["spark.master"] == "spark://127.0.0.1:7077"
    assert "iceberg-spark-runtime" in settings["spark.jars"]
    assert not {"spark.sql.streaming.checkpointFileManagerClass", "spark.hadoop.fs.file.impl"} & settings.keys()


def test_a_file_on_the_local_disk_gets_its_mode_without_a_program(spark: SparkSession, tmp_path: Path) -> None:
    """Hadoop's own starts a chmod for each file and folder: hundreds in an epoch."""
    hadoop = spark._jvm.org.apache.hadoop.fs
    file = hadoop.Path(f"file://{tmp_path}/a/b")
    files = file.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    assert files.getClass().getSimpleName() == "BareLocalFileSystem"
    files.create(file).close()
    files.setPermission(file, hadoop.permission.FsPermission("640"))
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o640
    assert files.getFileStatus(file).getPermission().toString() == "rw-r-----"


def test_only_a_job_of_hours_takes_the_time_to_compile_well(home: Home, lake: Lake) -> None:
    options = {
        long_lived: settings_of(home, lake, app="a", shuffle_partitions=2, memory="1g", long_lived=long_lived)
        for long_lived in (True, False)
    }
    quick = {lived: "TieredStopAtLevel" in made["spark.driver.extraJavaOptions"] for lived, made in options.items()}
    assert quick == {True: False, False: True}


def test_no_two_applications_give_their_tasks_the_same_ids(spark: SparkSession) -> None:
    """Iceberg's streaming sink puts them into the names of its files: an epoch that is done again needs other names."""
    assert spark.sparkContext._jsc.sc().taskScheduler().newTaskId() > 1_700_000_000_000_000
    assert spark.range(3).count() == 3


def test_missing_jars_are_named_before_java_starts(tmp_path: Path, lake: Lake) -> None:
    with pytest.raises(SetupError, match="spark jars are not complete"):
        session(Home(tmp_path, tmp_path / "none"), lake, app="a")


def test_ctrl_c_is_not_taken_by_spark(spark: SparkSession) -> None:
    """Else the handler that a job set before it started Spark would never hear of it."""
    # The second where the tests themselves were started in the background.
    assert signal.getsignal(signal.SIGINT) in (signal.default_int_handler, signal.SIG_IGN)
