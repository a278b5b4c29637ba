"""A listener in a Spark job that is not ours: observe knows as much from its folder as from the checkpoint itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import plumbline
from plumbline.connect.table_names import EPOCHS
from plumbline.contract.errors import UsageError
from plumbline.stream_job.observe.checkpoint import Run
from plumbline.stream_job.observe.epochs_of import by_runs
from plumbline.stream_job.observe.observer import observe
from tests.support import foreign_job
from tests.support.model import Event
from tests.support.scenario import Scenario, until

NewScenario = Callable[..., Scenario]
OLD, NEW = "4.1.3", "4.1.4"


@contextmanager
def listening(s: Scenario, listener: plumbline.Listener) -> Iterator[None]:
    s.spark.streams.addListener(listener)
    try:
        yield
    finally:
        s.spark.streams.removeListener(listener)


def numbers(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def run_job(s: Scenario, checkpoint: Path, first: int, last: int) -> None:
    """Orders `first` to `last` a minute apart, a few in a batch; each tenth of both sides comes two hours late."""
    lefts = [Event(f"o{n}", n - 120 * (n % 10 == 7), partition=n % 2) for n in range(first, last)]
    rights = [Event(f"o{n}", n + 5 - 120 * (n % 10 == 3), f"p{n}", partition=n % 2) for n in range(first, last)]
    foreign_job.deliver(s, lefts, rights)
    assert foreign_job.start_plain_join(s.spark, s, checkpoint, at_once=20).awaitTermination(300)


def ledger(s: Scenario) -> list[dict[str, Any]]:
    rows = s.lake.load(EPOCHS).scan().to_arrow().to_pylist()
    return sorted(rows, key=lambda row: (row["epoch"], row["source"], row["partition"]))


@pytest.mark.spark
@pytest.mark.kafka
@pytest.mark.slow
def test_observe_learns_from_its_folder_what_the_checkpoint_says(new_scenario: NewScenario, tmp_path: Path) -> None:
    """Over two runs, of which the listener misses the end of the first; a listener that cannot write stops nothing."""
    copy, checkpoint, blocked = tmp_path / "shared" / "take", tmp_path / "jobs" / "checkpoint", tmp_path / "file"
    blocked.write_text("no folder")
    s = new_scenario(job={"kind": "spark", "checkpoint": str(copy), "event_time": "at", "lineage": foreign_job.LINEAGE})
    with (
        listening(s, plumbline.Listener(s.spark, f"{blocked}/below")),
        listening(s, plumbline.Listener(s.spark, f"{copy}")),
    ):
        run_job(s, checkpoint, 0, 100)
        until(lambda: numbers(copy / "commits") == numbers(checkpoint / "commits"), "the epochs were not copied")
    first = numbers(copy / "commits")
    run_job(s, checkpoint, 100, 160)
    assert numbers(copy / "commits") == first
    with listening(s, plumbline.Listener(s.spark, f"file://{copy}")):
        run_job(s, checkpoint, 160, 240)
        until(lambda: numbers(copy / "commits") == numbers(checkpoint / "commits"), "the epochs were not copied")
    direct = s.beside("direct", job={"checkpoint": str(checkpoint)})
    documents = [observe(each.contract, each.home, once=True) for each in (s, direct)]
    assert documents[0]["last_epoch"] == documents[1]["last_epoch"] == numbers(checkpoint / "commits")[-1] > 10
    assert documents[0]["gaps"] == []
    assert documents[0]["operators"] == documents[1]["operators"] == ["symmetricHashJoin"]
    told = ("epoch", "source", "partition", "start_offset", "end_offset", "late_watermark_ms", "evict_watermark_ms")
    assert [[row[name] for name in told] for row in ledger(s)] == [
        [row[name] for name in told] for row in ledger(direct)
    ]
    assert {row["spark_version"] for row in ledger(s)} == {s.spark.version}
    assert len({row["run_id"] for row in ledger(s)} - {"unknown"}) >= 2
    assert not list(copy.rglob(".*.tmp"))


@pytest.mark.spark
def test_lineage_adds_the_coordinates_of_each_record(new_scenario: NewScenario) -> None:
    s = new_scenario()
    s.feed(left=[Event("a", 0), Event("b", 1, partition=1)])
    raw = (
        s.spark.read.format("kafka")
        .option("kafka.bootstrap.servers", s.kafka["bootstrap.servers"])
        .option("subscribe", s.contract.left.topic)
        .load()
    )
    named = plumbline.lineage(raw, "order")
    assert named.columns == [*raw.columns, "order_partition", "order_offset"]
    rows = named.selectExpr("order_partition", "order_offset", "partition", "offset").collect()
    assert sorted(tuple(row) for row in rows) == [(0, 0, 0, 0), (1, 0, 1, 0)]
    assert dict(named.dtypes)["order_partition"] == "int"
    assert dict(named.dtypes)["order_offset"] == "bigint"
    with pytest.raises(UsageError, match="has a column order_partition already"):
        plumbline.lineage(named, "order")
    with pytest.raises(UsageError, match="no column partition of type int"):
        plumbline.lineage(raw.select("value"), "order")


@pytest.mark.spark
def test_what_hinders_it_is_logged_once_and_never_raised(caplog: pytest.LogCaptureFixture) -> None:
    listener = plumbline.Listener(SimpleNamespace(version="4.1.4"), "/shared/take")  # a session that can do nothing
    progress = SimpleNamespace(id="q", name=None, runId="r", batchId=0)
    with caplog.at_level(logging.WARNING, "plumbline"):
        for _ in range(3):
            listener.onQueryProgress(SimpleNamespace(progress=progress))
            listener.onQueryIdle(SimpleNamespace(id="q"))
            listener.onQueryTerminated(SimpleNamespace(id="q"))
    assert len(caplog.records) == 1
    assert "/shared/take: the epochs of the query could not be copied" in caplog.text


@pytest.mark.spark
def test_a_listener_for_one_query_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    listener = plumbline.Listener(SimpleNamespace(version="4.1.4"), "/shared/take", query="take")
    with caplog.at_level(logging.WARNING, "plumbline"):
        for name in (None, "other"):
            progress = SimpleNamespace(id="q", name=name, runId="r", batchId=0)
            listener.onQueryProgress(SimpleNamespace(progress=progress))
    assert caplog.records == []


@pytest.mark.parametrize(
    ("noted", "runs", "versions"),
    [
        ([], {}, {}),
        ([Run(2, -1, "a", OLD)], {2: "a", 3: "a", 4: "a", 5: "a"}, {2: OLD}),
        (
            [Run(0, -1, "a", OLD), Run(3, 2, "b", NEW)],
            {0: "a", 1: "a", 2: "a", 3: "b", 4: "b", 5: "b"},
            {0: OLD, 2: OLD, 3: NEW},
        ),
        ([Run(0, -1, "a", OLD), Run(4, 1, "b", NEW)], {0: "a", 1: "a", 4: "b", 5: "b"}, {0: OLD, 1: OLD, 4: NEW}),
    ],
    ids=["none", "one that was seen late", "two in a row", "two with batches between that may be of either"],
)
def test_runs_tell_of_a_batch_only_what_is_certain(
    noted: list[Run], runs: dict[int, str], versions: dict[int, str]
) -> None:
    assert by_runs(noted, range(6)) == (runs, versions)


def test_the_runs_beside_a_copy_are_read(tmp_path: Path) -> None:
    from plumbline.stream_job.observe.checkpoint import Checkpoint

    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "3").write_text(json.dumps({"run_id": "r", "spark_version": "4.1.4", "after": 1}))
    (tmp_path / "runs" / "7").write_text("{")
    assert Checkpoint(str(tmp_path)).runs() == [Run(3, 1, "r", "4.1.4")]
