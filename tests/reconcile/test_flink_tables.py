"""Tables that a real Flink 2.1.3 wrote (examples/flink, killed and restored twice), with the archives and the batch
reference of the same events: every wrong row has its cause.

`FLINK_EVENTS=6000 FLINK_RECORD=tests/reconcile/flink_recorded make test-flink` records them again."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from tests.support.flink_job import TABLES, causes, drifted, places, traffic

RECORDED = Path(__file__).parent / "flink_recorded"
AT = places(traffic(6000))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path, tmp_path / "jars")
    lake = Lake.open(home)
    for name in TABLES:
        rows = pq.read_table(RECORDED / f"{name}.parquet")
        lake.ensure_table(name, rows.schema)
        lake.append(name, rows)
    return home


def test_every_row_that_flink_lost_to_lateness_is_named(home: Home) -> None:
    lake = Lake.open(home)
    told = causes(lake, home)
    wrong = drifted(lake, AT)
    assert len(wrong) > 50
    assert set(told) == wrong
    assert set.union(*told.values()) == {"reported_late"}


def test_a_row_whose_report_is_withheld_has_no_cause(home: Home) -> None:
    """Nothing but the job's own word says that a record was late."""
    lake = Lake.open(home)
    lake.catalog().load_table("ops.dropped").delete("topic == 'plays'")
    told = causes(lake, home)
    assert set(told) == drifted(lake, AT)
    assert set.union(*told.values()) == {"reported_late", "unexplained"}
