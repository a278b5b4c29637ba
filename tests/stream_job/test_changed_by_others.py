"""Another tool changes the stream table: the job goes on as with any column of others, or names what was changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plumbline.connect.file_formats import DEFAULT_FORMAT
from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.ranges import TimeRange, parse_time
from plumbline.replay.plan import make_plan
from tests.support.model import Event
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]
NESTED = ("tags ARRAY<STRING>", "place STRUCT<lat: DOUBLE, lon: DOUBLE>", "notes MAP<STRING, INT>")
TABLE = "joined.stream"
FIRST = TimeRange(parse_time("2024-03-01T00:00:00Z", "from"), parse_time("2024-03-01T01:00:00Z", "to"))


def feed(job: Scenario, hour: int) -> None:
    job.feed([Event(f"o{hour}", 60 * hour)], [Event(f"o{hour}", 60 * hour + 1, f"p{hour}")])


def test_nested_columns_another_format_a_renamed_column_and_version_3(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario()
    feed(job, 0)
    job.epoch()
    for column in NESTED:
        job.spark.sql(f"ALTER TABLE lake.{TABLE} ADD COLUMN {column}")
    for table in (TABLE, "raw.orders", "raw.payments"):
        job.lake.set_properties(table, {DEFAULT_FORMAT: "avro"})
    feed(job, 5)
    job.epoch()
    job.batch()
    job.lake.set_properties("joined.batch", {DEFAULT_FORMAT: "orc"})
    feed(job, 9)
    job.epoch()
    job.batch()
    kinds = {
        task.file.file_format
        for table in (TABLE, "raw.orders", "joined.batch")
        for task in job.lake.load(table).scan().plan_files()
    }
    assert {str(kind.value) for kind in kinds} == {"PARQUET"}
    assert [row["tags"] for row in job.lake.load(TABLE).scan().to_arrow().to_pylist()] == [None] * 3
    assert job.reconcile(FIRST)["verdict"] == "clean"

    job.spark.sql(f"ALTER TABLE lake.{TABLE} RENAME COLUMN label TO caption")
    with pytest.raises(UsageError, match=r"column label of joined\.stream was renamed to caption by another tool"):
        job.epoch()
    job.spark.sql(f"ALTER TABLE lake.{TABLE} RENAME COLUMN caption TO label")

    assert make_plan(job.contract, job.contract_path, job.home, FIRST).replaces["rows"] == 1
    job.spark.sql(f"ALTER TABLE lake.{TABLE} SET TBLPROPERTIES ('format-version' = '3')")
    with pytest.raises(SetupError, match=r"publication of a replay .* joined\.stream is of version 3"):
        make_plan(job.contract, job.contract_path, job.home, FIRST)
    feed(job, 13)
    job.epoch()
    assert len(job.rows()) == 4
