"""Maintenance of upserted tables: the same rows without files of deletes, and a stream that goes on exactly."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.errors import PySparkException

from plumbline.connect import pinned
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.spark import session
from plumbline.contract.aggregate import ROWS_SNAPSHOT
from plumbline.pins import recorded_snapshots
from plumbline.stream_job.compaction import Compacted, Files, compact, files_of
from plumbline.stream_job.expiry import versions_of
from plumbline.stream_job.failures import lost_race
from plumbline.stream_job.maintain import Limits, maintain
from plumbline.stream_job.spark_internals import causes_behind
from plumbline.stream_job.upsert import until_committed
from tests.support.killing import run_until
from tests.support.scenario import Scenario, until
from tests.support.upserts import CHANGES, newest, orders_paid_twice

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

NewScenario = Callable[..., Scenario]
STREAM, ROWS = "joined.stream", "joined.batch_rows"
SMALL_EPOCHS = {**CHANGES, "stream": {"max_events_per_epoch": 10}}


def maintained(job: Scenario, *, keep_runs: timedelta = timedelta(0), execute: bool = True) -> dict[str, Any]:
    """What maintenance did, by table; everything that may go is old enough."""
    pins = recorded_snapshots(job.lake, job.contract, job.home, keep_runs)
    limits = Limits(snapshots=timedelta(0), orphans=timedelta(days=3))
    done = maintain(job.contract, job.home, limits, pins, execute=execute, spark=job.spark)
    return {table["table"]: table for table in done["tables"]}


def read(job: Scenario) -> tuple[Counter[str], Counter[str]]:
    """The rows of the stream table as Spark reads them, and as DuckDB does."""
    by_spark = job.spark.table(f"lake.{STREAM}").toArrow()
    con = pinned.connection()
    pinned.scan(con, job.lake, STREAM, view="v", schema=None)
    by_duckdb = con.sql(f"SELECT {', '.join(by_spark.column_names)} FROM v").to_arrow_table()
    one, other = (Counter(map(str, table.cast(by_spark.schema).to_pylist())) for table in (by_spark, by_duckdb))
    return one, other


def told(document: dict[str, Any]) -> list[Any]:
    """What a comparison found, without what names the moment."""
    return [document[name] for name in ("verdict", "counts", "causes", "balanced")]


def snapshots(job: Scenario, table: str) -> list[int]:
    return [one.snapshot_id for one in job.lake.load(table).snapshots()]


def query_commits(job: Scenario) -> int:
    return len([version for version in versions_of(job.lake.load(STREAM))[0] if version.query_id])


def data_files(job: Scenario) -> list[Path]:
    return [*(job.home.lake / "warehouse" / "joined" / "stream" / "data").rglob("*.parquet")]


def killed_twice(job: Scenario) -> None:
    """Maintenance killed while it writes files anew, and once they are committed: then their files of deletes are there
    for nothing."""
    command = ("maintain", str(job.contract_path), "--execute", "--older-than", "0 seconds")
    there, head = len(data_files(job)), snapshots(job, STREAM)[-1]
    run_until(lambda: len(data_files(job)) > there, job.home, *command)
    rows = read(job)
    run_until(lambda: snapshots(job, STREAM)[-1] != head, job.home, *command)
    assert read(job) == rows


def test_a_job_killed_after_its_commit_and_maintained_goes_on_exactly(new_scenario: NewScenario) -> None:
    job = new_scenario(**SMALL_EPOCHS)
    job.feed(*orders_paid_twice(0, 25)).epoch()
    job.batch()
    compared = job.reconcile()
    job.feed(*orders_paid_twice(25, 40))
    job.crash("after-sink-commit")
    rows, before = read(job), files_of(job.lake.load(STREAM))
    assert rows[0] == rows[1]
    assert before.deletes
    shown = maintained(job, execute=False)
    assert shown[STREAM]["delete_files"] == len(before.deletes)
    assert shown[STREAM]["removed_delete_files"] == 0
    assert files_of(job.lake.load(STREAM)) == before

    killed_twice(job)
    left = files_of(job.lake.load(STREAM)).deletes
    done = maintained(job, keep_runs=timedelta(days=30))
    assert done[STREAM]["removed_delete_files"] == len(left) > 0
    assert done[STREAM]["expire"] > 0
    assert not files_of(job.lake.load(STREAM)).deletes
    assert read(job) == rows
    for table in (STREAM, ROWS):
        assert compared["snapshots"][table] in snapshots(job, table), "what the comparison read stays readable"

    job.restart()
    assert job.rows() == newest(job, job.outcome().rows)
    job.batch()
    first = job.reconcile()
    assert (first["unexplained"], first["balanced"]) == (0, True)
    assert first["causes"]
    maintained(job)
    named = job.lake.load("joined.batch").current_snapshot()
    assert named is not None
    assert named.summary is not None
    assert int(named.summary.additional_properties[ROWS_SNAPSHOT]) in snapshots(job, ROWS)
    assert query_commits(job) == 1, "the last epoch's commit alone"
    assert told(job.reconcile()) == told(first)


@contextmanager
def compacted_all_the_time(job: Scenario) -> Iterator[list[Compacted]]:
    """Compaction after compaction of the stream table while the block runs; its failure is the block's."""
    ended, done, failures = threading.Event(), list[Compacted](), list[BaseException]()
    spark = session(job.home, job.lake, app="compaction")

    def look() -> Files:
        return files_of(job.lake.load(STREAM))

    def call(procedure: str) -> list[Any]:
        try:
            return spark.sql(f"CALL lake.system.{procedure}").collect()
        except PySparkException as error:
            if not lost_race(causes_behind(error)):
                raise
            return [{"rewritten_data_files_count": 0}]

    def work() -> None:
        try:
            while not ended.is_set():
                if job.lake.exists(STREAM):
                    done.append(compact(STREAM, look(), look, call))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        ended.set()
        thread.join(120)
    if failures:
        raise failures[0]


def test_beside_a_running_stream(new_scenario: NewScenario) -> None:
    job = new_scenario(**SMALL_EPOCHS)
    job.feed(*orders_paid_twice(0, 45))
    with compacted_all_the_time(job) as done:
        job.epoch()
    assert sum(one.removed for one in done) > 0
    assert job.rows() == newest(job, job.outcome().rows)
    assert all(epoch.epoch == number for number, epoch in enumerate(job.ledger.epochs()))
    maintained(job)
    assert not files_of(job.lake.load(STREAM)).deletes
    assert job.rows() == newest(job, job.outcome().rows)


def test_a_merge_whose_files_are_compacted_meanwhile_is_done_again(tmp_path: Path, spark: SparkSession) -> None:
    """The rows that are merged wait, in one task, until the compaction has replaced the file that holds their keys."""
    home = Home.resolve(tmp_path / "home")
    lake, begun, compacted = Lake.open(home), tmp_path / "begun", tmp_path / "compacted"
    lake.catalog().create_namespace_if_not_exists("joined")
    one, other = (session(home, lake, app=name) for name in ("merge", "compaction"))
    one.sql("CREATE TABLE lake.joined.t (k BIGINT, v STRING) TBLPROPERTIES ('write.merge.mode' = 'merge-on-read')")
    one.sql("INSERT INTO lake.joined.t SELECT id, 'first' FROM range(20)")
    one.sql("""MERGE INTO lake.joined.t t USING (SELECT id AS k FROM range(9)) s ON t.k = s.k
        WHEN MATCHED THEN UPDATE SET v = 'second'""")
    one.udf.register("waited", lambda k: waited(k, begun, compacted), "bigint")
    tries = list[int]()

    def merge() -> None:
        tries.append(1)
        one.sql("""MERGE INTO lake.joined.t t USING (SELECT waited(id) AS k FROM range(0, 3, 1, 1)) s ON t.k = s.k
            WHEN MATCHED THEN UPDATE SET v = 'third'""")

    thread = threading.Thread(target=until_committed, args=(merge,))
    thread.start()
    until(begun.exists, "the merge did not begin")
    files = files_of(lake.load("joined.t"))
    done = compact("joined.t", files, lambda: files_of(lake.load("joined.t")),
                   lambda procedure: other.sql(f"CALL lake.system.{procedure}").collect())  # fmt: skip
    compacted.touch()
    thread.join(120)
    assert done.removed == len(files.deletes) > 0
    assert len(tries) == 2
    rows = lake.load("joined.t").scan().to_arrow().sort_by("k").to_pylist()
    assert [row["v"] for row in rows] == ["third"] * 3 + ["second"] * 6 + ["first"] * 11


def waited(k: int, begun: Path, compacted: Path) -> int:
    """The number, once the file `compacted` is there."""
    begun.touch()
    deadline = time.monotonic() + 60
    while not compacted.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return k
