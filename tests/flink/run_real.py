"""A real Flink on the embedded broker: the job of examples/flink, killed and restored, against a model of its own; then
each of its wrong rows gets its cause by archive, batch reference and reconcile, and what came after it is pending.

`make test-flink` runs it; PyFlink's environment is not that of the other tests. FLINK_EVENTS says how many events;
FLINK_RECORD names a folder for the tables, as tests/reconcile/flink_recorded has them.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from plumbline.connect import broker
from plumbline.connect.home import Home
from plumbline.connect.kafka import create_topics, produce
from plumbline.connect.lake import Lake
from plumbline.stream_job.observe.flink_metadata import read_metadata
from tests.support.commands import in_a_process
from tests.support.flink_job import (
    FlinkJob,
    causes,
    drifted,
    observed,
    places,
    record,
    run_with_restores,
    traffic,
    unread,
    unsure_names,
    wrong_rows,
)


def test_the_gated_join_loses_what_it_reports_and_nothing_else(tmp_path: Path) -> None:
    home = Home(tmp_path, Home.resolve().jars)
    kafka = {"bootstrap.servers": broker.start(home).bootstrap_servers}
    create_topics(kafka, {"impressions": 2, "plays": 2})
    lake = Lake.open(home)
    lake.tables()
    sent = traffic(int(os.environ.get("FLINK_EVENTS", "30000")))
    job = FlinkJob(Path(os.environ["FLINK_PYTHON"]), home, kafka, tmp_path / "checkpoints", [])
    contract = observed(job.folder, tmp_path)
    try:
        run_with_restores(job, sent, parts=3, seconds=240)
        produce(kafka, [one.record for one in unread(sent)])
        for step in ("archive run --once", "batch run", "observe --once"):
            done = in_a_process(*step.split(), contract, "--home", home.root, folder=tmp_path)
            assert done.returncode == 0, done.stderr
    finally:
        broker.stop(home)
    restored = [read_metadata((folder / "_metadata").read_bytes(), str(folder)) for folder in job.killed_at[:-1]]
    found = wrong_rows(lake, sent, restored)
    print(found)
    assert found["differ"] == []
    assert found["reported twice"] == found["reported, not late"] == 0
    assert found["late"] > len(sent) / 200, "one in 97 comes late, but for those that a start takes in"
    assert found["no watermark"] > 0, "each start begins without a watermark, and says so"
    at = places(sent)
    told = causes(lake, home, contract)
    waiting = {one.name for one in unread(sent)}
    assert {cause for name in waiting for cause in told.pop(name)} == {"pending"}
    print(Counter(cause for found in told.values() for cause in found))
    unsure = unsure_names(lake, at, restored)
    assert set(told) - unsure == drifted(lake, at) - unsure
    assert {cause for name, found in told.items() if name not in unsure for cause in found} == {"reported_late"}
    if os.environ.get("FLINK_RECORD"):
        record(lake, Path(os.environ["FLINK_RECORD"]))
