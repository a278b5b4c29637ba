"""A real Flink on the embedded broker: the jobs of examples/flink, killed and restored, against a model of their own;
then each of their wrong rows gets its cause by archive, batch reference and reconcile, and what came after is pending.

`make test-flink` runs it; PyFlink's environment is not that of the other tests. FLINK_EVENTS says how many events;
FLINK_RECORD names a folder for the tables, as tests/reconcile/flink_recorded has them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline.connect import broker
from plumbline.connect.home import Home
from plumbline.connect.kafka import create_topics, produce
from plumbline.connect.lake import Lake
from plumbline.stream_job.observe.flink_metadata import FlinkCheckpoint, read_metadata
from tests.support.commands import in_a_process
from tests.support.flink_job import (
    JOB_TABLES,
    TABLES,
    FlinkJob,
    causes,
    drifted,
    observed,
    places,
    record,
    run_with_restores,
    traffic,
    unproven_names,
    unread,
    unsure_names,
    wrong_rows,
)

SENT = traffic(int(os.environ.get("FLINK_EVENTS", "30000")))
LATER = unread(SENT)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path, Home.resolve().jars)
    Lake.open(home).tables()
    yield home
    broker.stop(home)


def test_the_gated_join_loses_what_it_reports_and_nothing_else(home: Home) -> None:
    contract, restored = _run(home, "join.sql")
    lake, at = Lake.open(home), places(SENT)
    found = _check(lake, restored, pads=False)
    assert found["no watermark"] > 0, "each start begins without a watermark, and says so"
    told, unsure = _told(lake, home, contract), unsure_names(lake, at, restored)
    assert set(told) - unsure == drifted(lake, at) - unsure
    assert {cause for name, found in told.items() if name not in unsure for cause in found} == {"reported_late"}
    _record(lake, ".", *TABLES)


def test_the_plain_join_as_full_outer_names_what_it_dropped(home: Home) -> None:
    contract, restored = _run(home, "full_outer.sql", "late_left: padded")
    lake, at = Lake.open(home), places(SENT)
    _check(lake, restored, pads=True)
    told, unsure, unproven = _told(lake, home, contract), unsure_names(lake, at, restored), unproven_names(lake, at)
    assert set(told) - unsure == drifted(lake, at) - unsure
    for name in set(told) - unsure:
        assert told[name] == ({"unexplained"} if name in unproven else {"reported_late"}), name
    _record(lake, "full_outer", *JOB_TABLES)


def _run(home: Home, join: str, *lines: str) -> tuple[Path, list[FlinkCheckpoint]]:
    """Run the job over all events, then what stands beside it. The contract, and the checkpoints that were restored."""
    kafka = {"bootstrap.servers": broker.start(home).bootstrap_servers}
    create_topics(kafka, {"impressions": 2, "plays": 2})
    job = FlinkJob(Path(os.environ["FLINK_PYTHON"]), home, kafka, home.root / "checkpoints", [], join)
    assert job.joins() == 1
    contract = observed(job.folder, home.root, *lines)
    run_with_restores(job, SENT, parts=3)
    produce(kafka, [one.record for one in LATER])
    for step in ("archive run --once", "batch run", "observe --once"):
        done = in_a_process(*step.split(), contract, "--home", home.root, folder=home.root)
        assert done.returncode == 0, done.stderr
    return contract, [read_metadata((folder / "_metadata").read_bytes(), str(folder)) for folder in job.killed_at[:-1]]


def _check(lake: Lake, restored: list[FlinkCheckpoint], *, pads: bool) -> dict[str, Any]:
    found = wrong_rows(lake, SENT, restored, pads=pads)
    print(found)
    assert found["differ"] == []
    assert found["reported twice"] == found["reported, not late"] == 0
    assert found["late"] > len(SENT) / 200, "one in 97 comes late, but for those that a start takes in"
    return found


def _told(lake: Lake, home: Home, contract: Path) -> dict[str, set[str]]:
    """The causes that reconcile tells of the events' rows; those of the later ones are pending."""
    told = causes(lake, home, contract)
    assert {cause for one in LATER for cause in told.pop(one.name, set())} == {"pending"}
    print(Counter(cause for found in told.values() for cause in found))
    return told


def _record(lake: Lake, folder: str, *tables: str) -> None:
    if os.environ.get("FLINK_RECORD"):
        record(lake, Path(os.environ["FLINK_RECORD"]) / folder, *tables)
