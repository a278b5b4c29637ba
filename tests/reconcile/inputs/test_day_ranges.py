"""Which files a reconcile opens when nothing is left to read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.connect import pinned
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.reconcile.inputs.day_ranges import Windows


@pytest.mark.parametrize("unit", ["hour", "day", "month"])
def test_no_window_opens_no_file_of_a_table_in_partitions(tmp_path: Path, unit: str) -> None:
    schema = pa.schema([("at", pa.timestamp("us", "UTC"))])
    lake = Lake.open(Home.resolve(tmp_path))
    lake.ensure_table("a.b", schema, (unit, "at"))
    lake.append("a.b", pa.table({"at": [datetime(2013, 1, 1, tzinfo=UTC)]}, schema=schema), {})
    found = pinned.scan(
        pinned.connection(), lake, "a.b", view="rows", schema=None, row_filter=Windows(()).iceberg("at")
    )
    assert (found.rows, found.files) == (0, 0)
