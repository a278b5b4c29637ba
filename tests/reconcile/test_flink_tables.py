"""Tables that a real Flink 2.1.3 wrote (examples/flink, both joins, killed and restored three times), with the archives
and the batch reference of the same events: every wrong row has its cause.

`FLINK_EVENTS=6000 FLINK_OPEN=291 FLINK_RECORD=tests/reconcile/flink_recorded make test-flink` records them again. With
FLINK_RECORDED=FOLDER and its FLINK_EVENTS and FLINK_OPEN test_flink_progress.py tests the tables of a larger run."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyiceberg.expressions import In

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from tests.support.flink_contract import JOB_TABLES, TABLES, causes, with_lines
from tests.support.flink_model import drifted, late_but_joined, unproven_names
from tests.support.flink_traffic import places, traffic, unread

RECORDED = Path(os.environ.get("FLINK_RECORDED", Path(__file__).parent / "flink_recorded"))
SENT = traffic(int(os.environ.get("FLINK_EVENTS", "6000")), int(os.environ.get("FLINK_OPEN", "291")))
AT = places(SENT)


def recorded(root: Path, folder: Path = RECORDED) -> Home:
    """A home with the recorded tables; `folder` has those that the job wrote."""
    home = Home(root, root / "jars")
    lake = Lake.open(home)
    for name in TABLES:
        rows = pq.read_table((folder if name in JOB_TABLES else RECORDED) / f"{name}.parquet")
        lake.ensure_table(name, rows.schema)
        lake.append(name, rows)
    return home


def read_ones(told: dict[str, set[str]]) -> dict[str, set[str]]:
    """The names without those of records that the job had not read: nothing here tells how far it was."""
    later = {one.name for one in unread(SENT)}
    assert {cause for name in later for cause in told[name]} == {"unexplained"}
    return {name: found for name, found in told.items() if name not in later}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return recorded(tmp_path)


def test_every_row_that_flink_lost_to_lateness_is_named(home: Home) -> None:
    lake = Lake.open(home)
    told = read_ones(causes(lake, home))
    wrong = drifted(lake, AT)
    assert len(wrong) > 50
    assert set(told) == wrong
    assert set.union(*told.values()) == {"reported_late"}


def test_a_row_whose_report_is_withheld_has_no_cause(home: Home) -> None:
    """Nothing but the job's own word says that a record was late."""
    lake = Lake.open(home)
    lake.catalog().load_table("ops.dropped").delete("topic == 'plays'")
    told = read_ones(causes(lake, home))
    assert set(told) == drifted(lake, AT)
    assert set.union(*told.values()) == {"reported_late", "unexplained"}


def test_the_plain_join_names_what_its_report_proves(tmp_path: Path) -> None:
    """Whose left record came late into an open window is not known to be lost for that. Nor is a row late that was
    written and is gone, although a record of it came late."""
    home = recorded(tmp_path, RECORDED / "full_outer")
    lake = Lake.open(home)
    joined = late_but_joined(lake, AT)
    assert len(joined) > 5
    lake.catalog().load_table("ads.takes").delete(In("imp_id", joined))
    told = read_ones(causes(lake, home, with_lines(tmp_path, "late_left: padded")))
    assert {cause for name in joined for cause in told.pop(name)} == {"unexplained"}
    wrong, unproven = drifted(lake, AT), unproven_names(lake, AT)
    assert set(told) == wrong - joined
    assert wrong & unproven
    assert len(wrong - unproven) > 40
    for name in told:
        assert told[name] == ({"unexplained"} if name in unproven else {"reported_late"}), name
