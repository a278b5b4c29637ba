"""Whatever happens to an archiver's checkpoint, the archive holds each record of its topic exactly once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.commit_properties import EPOCH_ID, QUERY_ID
from plumbline.stream_job.archiver import begin, disagreement, put_aside
from plumbline.stream_job.topics import note_read
from tests.support.model import Event
from tests.support.scenario import Scenario

IDS = ("id",)
ROWS = pa.table({"n": pa.array([1], pa.int64())})


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return Lake.open(Home.resolve(tmp_path_factory.mktemp("lake")))


def checkpoint(folder: Path, query_id: str | None, planned: int, committed: int) -> Path:
    """A checkpoint as Spark lays it out, as far as its newest epochs."""
    for log, last in (("offsets", planned), ("commits", committed)):
        (folder / log).mkdir(parents=True)
        for number in range(max(0, last - 2), last + 1):
            (folder / log / str(number)).write_text("v1\n{}")
    if query_id is not None:
        (folder / "metadata").write_text(f'{{"id":"{query_id}"}}')
    return folder


def archive(lake: Lake, *commits: tuple[str, int] | None) -> str:
    """A table with a commit of each (query id, epoch); None: a commit of something else."""
    name = f"raw.t{len(lake.tables())}"
    lake.ensure_table(name, ROWS.schema)
    for made in commits:
        lake.append(name, ROWS, {} if made is None else {QUERY_ID: made[0], EPOCH_ID: str(made[1])})
    return name


@pytest.mark.parametrize(
    ("kept", "commits", "why"),
    [
        ((None, -1, -1), [], None),
        (("q", 0, -1), [], None),
        (("q", 4, 4), [("q", 4)], None),
        (("q", 5, 4), [("q", 4)], None),
        (("q", 5, 4), [("q", 5)], None),
        (("q", 4, 4), [("q", 4), None], None),
        ((None, -1, -1), [("q", 4)], "there is no checkpoint"),
        ((None, 4, 4), [("q", 4)], "there is no checkpoint"),
        ((None, -1, -1), [None], "there is no checkpoint"),
        (("q", 3, 3), [("q", 3), ("q", 4)], "ends at epoch 3, the archive at 4"),
        (("q", 6, 5), [("q", 3)], "ends at epoch 6, the archive at 3"),
        (("q", 6, 4), [("q", 6)], "ends at epoch 6, the archive at 6"),
        (("q", 3, 4), [("q", 4)], "ends at epoch 3, the archive at 4"),
        (("q", 4, 4), [("q", 4), ("other", 0)], "last written from another one"),
        (("q", 0, 0), [], "no epoch of it"),
        (("q", 0, -1), [None], "no epoch of it"),
    ],
)
def test_a_checkpoint_that_does_not_stand_where_the_archive_does_is_not_taken(
    lake: Lake, tmp_path: Path, kept: tuple[str | None, int, int], commits: list[tuple[str, int] | None], why: str
) -> None:
    found = disagreement(lake.load(archive(lake, *commits)), checkpoint(tmp_path / "c", *kept), IDS)
    assert found is None if why is None else why in str(found)


@pytest.mark.parametrize("log", ["offsets", "commits"])
def test_nor_is_one_whose_log_is_cut_off(lake: Lake, tmp_path: Path, log: str) -> None:
    found = checkpoint(tmp_path / "c", "q", 4, 4)
    (found / log / "4").write_text("v1")
    assert f"unreadable: {log}/4 is cut off" in str(disagreement(lake.load(archive(lake, ("q", 4))), found, IDS))


def test_nor_is_one_of_an_older_topic(lake: Lake, tmp_path: Path) -> None:
    found, table = checkpoint(tmp_path / "c", "q", 4, 4), lake.load(archive(lake, ("q", 4)))
    assert "recreated" in str(disagreement(table, found, (None, "id")))
    note_read(found, {"archive": (None, "id")})
    assert disagreement(table, found, (None, "id")) is None


def test_each_partition_begins_where_the_archive_ends_or_where_the_topic_does() -> None:
    found = begin({0: 7, 1: 3, 9: 5}, {0: 0, 1: 4, 2: 0, 3: 6})
    assert found.offsets == {0: 7, 1: 4, 2: 0, 3: 6}
    assert found.gone == {1: (3, 4)}


def test_what_is_given_up_is_kept(tmp_path: Path) -> None:
    made = checkpoint(tmp_path / "archive-a", "q", 1, 1)
    aside = put_aside(made)
    assert aside is not None
    assert (aside.parent, made.exists(), (aside / "offsets" / "1").exists()) == (tmp_path / "given-up", False, True)
    assert put_aside(made) is None


def feed(job: Scenario, hour: int) -> Scenario:
    minutes = [60 * hour + 10 * n for n in range(4)]
    return job.feed(
        [Event(f"o{m}", m, partition=m // 10 % 2) for m in minutes],
        [Event(f"o{m}", m + 1, f"p{m}", partition=m // 20 % 2) for m in minutes],
    )


@pytest.mark.spark
@pytest.mark.kafka
def test_a_lost_checkpoint_an_older_copy_a_kill_and_a_table_that_went_back(
    new_scenario: Callable[..., Scenario],
) -> None:
    job = new_scenario(stream={"max_events_per_epoch": 1})
    folder, backup = job.job.archive("orders"), job.home.root / "backup"
    feed(job, 0).epoch()
    shutil.rmtree(folder)
    shutil.rmtree(job.job.archive("payments"))
    feed(job, 1).epoch()
    assert job.archived() == job.delivered(), "after both folders were lost"
    shutil.copytree(folder, backup)
    feed(job, 2).epoch()
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    feed(job, 3).epoch()
    assert job.archived() == job.delivered(), "after an older copy came back"
    newest = max((folder / "commits").glob("[0-9]*"), key=lambda path: int(path.name))
    newest.unlink()
    feed(job, 4).epoch()
    assert job.archived() == job.delivered(), "after a kill between the table's commit and the checkpoint's"
    table = job.lake.load("raw.orders")
    table.manage_snapshots().rollback_to_snapshot(table.metadata.snapshots[-2].snapshot_id).commit()
    job.restart()
    assert job.archived() == job.delivered(), "after the table was rolled back"
    job.expect()
    holes_are_filled(job)


def holes_are_filled(job: Scenario) -> None:
    """A hole between, one at the beginning; and an offset that is there twice is told, not touched."""
    from pyiceberg.expressions import And, EqualTo, In

    from plumbline.replay.fill import fill

    table = job.lake.load("raw.orders")
    table.delete(And(EqualTo("partition", 0), In("offset", [0, 3, 4])))
    table.delete(And(EqualTo("partition", 1), EqualTo("offset", 2)))
    shown = fill(job.contract, job.home, execute=False)["sources"]
    assert shown["orders"]["holes"] == [[0, 0, 1], [0, 3, 5], [1, 2, 3]]
    assert (shown["payments"]["holes"], shown["orders"]["filled"]) == ([], None)
    assert job.archived() != job.delivered()
    done = fill(job.contract, job.home, execute=True, spark=job.spark)["sources"]
    assert (done["orders"]["filled"], done["payments"]["filled"]) == (4, None)
    assert job.archived() == job.delivered(), "after the holes were filled"
    again = fill(job.contract, job.home, execute=True, spark=job.spark)["sources"]
    assert (again["orders"]["holes"], again["orders"]["filled"]) == ([], None)
    feed(job, 6).epoch()
    assert job.archived() == job.delivered(), "the archiver goes on after a fill"
    table = job.lake.load("raw.payments")
    copy = table.scan(And(EqualTo("partition", 0), EqualTo("offset", 1))).to_arrow()
    job.lake.append("raw.payments", copy)
    assert fill(job.contract, job.home, execute=True)["sources"]["payments"]["doubled"] == [[0, 1, 2]]
