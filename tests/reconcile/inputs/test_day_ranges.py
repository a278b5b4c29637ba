"""Which files a reconcile opens when nothing is left to read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.connect import pinned
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.reconcile.inputs.day_ranges import Windows, day_sql


@pytest.mark.parametrize("unit", ["hour", "day", "month"])
def test_no_window_opens_no_file_of_a_table_in_partitions(tmp_path: Path, unit: str) -> None:
    schema = pa.schema([("at", pa.timestamp("us", "UTC"))])
    lake = Lake.open(Home.resolve(tmp_path))
    lake.ensure_table("a.b", schema, (unit, "at"))
    lake.append("a.b", pa.table({"at": [datetime(2013, 1, 1, tzinfo=UTC)]}, schema=schema), {})
    con = pinned.connection()
    found = pinned.scan(con, lake, "a.b", view="rows", schema=None, row_filter=Windows(()).iceberg("at"))
    assert (con.execute("SELECT count(*) FROM rows").fetchall(), found.files) == ([(0,)], 0)


@pytest.mark.parametrize("less_ms", [0, 300_000, -300_000, 1])
def test_the_day_of_a_time_is_the_calendars(less_ms: int) -> None:
    con = pinned.connection()
    spelled = [
        *("2024-03-01 00:00:00", "2024-02-29 23:59:59.999999", "2024-03-01 00:05:00", "1969-12-31 23:57:00"),
        *("1970-01-01 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "294247-01-09 23:00:00"),
    ]
    times = ", ".join(f"(TIMESTAMPTZ '{one}')" for one in (*spelled[:-1], "infinity", "-infinity"))
    con.execute(f"CREATE TABLE times AS SELECT * FROM (VALUES {times}, (NULL)) t(one)")
    con.execute(
        "INSERT INTO times SELECT one + INTERVAL (n * 37) MINUTE FROM times, range(100) r(n) WHERE isfinite(one)"
    )
    con.execute(f"INSERT INTO times VALUES (TIMESTAMPTZ '{spelled[-1]}+00')")
    calendar = f"date_trunc('day', one - INTERVAL '{less_ms} milliseconds')"
    both = f"SELECT {day_sql('one', less_ms)} AS told, {calendar} AS calendar FROM times"
    assert con.sql(both).types == ["TIMESTAMP WITH TIME ZONE"] * 2
    assert con.execute(f"SELECT count(*) FROM ({both})").fetchall() == [(711,)]
    assert con.execute(f"SELECT * FROM ({both}) WHERE told IS DISTINCT FROM calendar").fetchall() == []


def test_the_day_of_a_time_without_a_zone() -> None:
    day = day_sql("TIMESTAMP '2024-03-01 13:00:00'")
    assert pinned.connection().execute(f"SELECT {day}").fetchall() == [(datetime(2024, 3, 1, tzinfo=UTC),)]
