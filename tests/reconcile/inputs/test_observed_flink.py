"""Committed checkpoints of a Flink job become its progress: what it had not read is pending, and no more is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.contract.errors import ContractError, IncompleteError, PlumblineError, SetupError
from plumbline.contract.loader import parse
from plumbline.stream_job.observe.observer import observe
from plumbline.stream_job.topics import note
from tests.reconcile.causes.test_causes import stream_of
from tests.support.edits import STREAM
from tests.support.world import CONTRACT, World
from tests.support.world_rows import OUTPUT
from tests.support.written_metadata import metadata, operator, reader_state, split, subtask

MakeWorld = Callable[..., World]
FIRST, RESTORED = "a" * 32, "b" * 32
Ends = Mapping[tuple[str, int], int]
ALL: Ends = {("t.shows", 0): 5, ("t.shows", 1): 1, ("t.plays", 0): 2, ("t.plays", 1): 1}
READ: Ends = {("t.shows", 0): 3, ("t.shows", 1): 1, ("t.plays", 0): 1, ("t.plays", 1): 0}
"""All but the shows d and f and their plays."""
PENDING = [("d pd", "missing pending"), ("f pf", "missing pending")]
UNEXPLAINED = [("d pd", "missing unexplained"), ("f pf", "missing unexplained")]
LESS: Ends = READ | {("t.shows", 0): 2}


class Job:
    """The world's stream table as one of a Flink job that has READ."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        world.stream = [row for row in world.stream if row.left.name not in ("d", "f")]
        world.ledger = []
        world.write()
        self.contract(f"checkpoint: '{folder}', progress: ops.progress")
        folder.mkdir()

    def contract(self, job: str) -> None:
        text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
        self.world.contract = parse(f"{text}\njob: {{kind: flink, {job}}}\n", "plays.yaml")

    def checkpoint(self, number: int, ends: Ends, job: str = FIRST) -> Job:
        sources = []
        for topic in sorted({topic for topic, _ in ends}):
            splits = [split(topic, partition, end) for (of, partition), end in ends.items() if of == topic]
            sources.append(operator(topic, subtask(0, reader_state(*splits))))
        return self.file(number, metadata(*sources, checkpoint=number), job)

    def file(self, number: int, data: bytes, job: str = FIRST) -> Job:
        path = self.folder / job / f"chk-{number}" / "_metadata"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        return self

    def commit(self, number: int, job: str = FIRST) -> Job:
        said = {"flink.job-id": job, "flink.max-committed-checkpoint-id": str(number)}
        self.world.lake.append(STREAM, pa.Table.from_pylist([], schema=OUTPUT), said)
        return self

    def observe(self) -> tuple[int, list[str]]:
        """How many checkpoints were noted, and what was said."""
        said: list[str] = []
        document = observe(self.world.contract, self.world.home, once=True, say=said.append)
        return document["published"], said

    def progress(self) -> tuple[str, int, Ends]:
        """Job, checkpoint and ends of the table, which has one checkpoint."""
        rows = self.world.lake.load("ops.progress").scan().to_arrow().to_pylist()
        [(job, number)] = {(row["job_id"], row["checkpoint_id"]) for row in rows}
        return job, number, {(row["topic"], row["partition"]): row["end_offset"] for row in rows}

    def causes(self) -> list[tuple[str, str]]:
        self.world.reconcile()
        return self.world.told()


@pytest.fixture
def job(make_world: MakeWorld, tmp_path: Path) -> Job:
    return Job(stream_of(make_world()), tmp_path / "checkpoints")


def test_what_was_not_read_is_pending_and_not_unexplained(job: Job) -> None:
    job.checkpoint(4, READ).commit(4)
    with pytest.raises(ContractError, match="does not exist") as raised:
        job.causes()
    assert raised.value.next_step == "run `plumbline observe`, which makes it"
    assert job.observe() == (1, [])
    assert job.progress() == (FIRST, 4, READ)
    assert job.causes() == PENDING


def test_what_was_read_and_is_not_there_stays_unexplained(job: Job) -> None:
    """No checkpoint tells whether a record was late, or what became of it."""
    job.checkpoint(4, ALL).commit(4).observe()
    assert job.causes() == UNEXPLAINED


def test_only_a_checkpoint_whose_rows_are_there_counts(job: Job) -> None:
    job.checkpoint(4, READ).commit(4).checkpoint(5, ALL)
    assert job.observe() == (1, [])
    assert job.progress() == (FIRST, 4, READ)
    job.commit(5)
    assert job.observe() == (1, [])
    assert job.progress() == (FIRST, 5, ALL)
    assert job.observe() == (0, [])


def test_commits_of_checkpoints_that_nobody_saw_are_not_compared(job: Job) -> None:
    """Their records would look unread."""
    job.checkpoint(4, READ).commit(4).observe()
    job.commit(5)
    job.world.lake.append(STREAM, job.world.lake.load(STREAM).scan().to_arrow())
    assert job.causes() == PENDING, "as of checkpoint 4: no row is there twice"


def test_a_restored_job_goes_on(job: Job) -> None:
    job.checkpoint(4, LESS).commit(4).observe()
    job.checkpoint(5, READ, RESTORED).commit(5, RESTORED)
    assert job.observe() == (1, [])
    assert job.progress() == (RESTORED, 5, READ)
    assert job.causes() == PENDING


def test_a_job_that_was_restored_from_an_older_checkpoint_has_to_come_up_first(job: Job) -> None:
    job.checkpoint(6, READ).commit(6).observe()
    job.checkpoint(7, LESS, RESTORED).commit(7, RESTORED)
    published, [said] = job.observe()
    assert published == 0
    assert "reads t.shows partition 0 again, from before 3" in said
    job.checkpoint(8, READ, RESTORED).commit(8, RESTORED)
    assert job.observe() == (1, [])


@pytest.mark.parametrize("expired", [False, True])
def test_of_a_job_that_began_anew_nothing_is_called_unread(job: Job, expired: bool) -> None:
    """Its numbers begin at 1: by them the table would seem to be where the earlier job was."""
    job.checkpoint(6, LESS).commit(6).observe()
    job.checkpoint(1, ALL, RESTORED).commit(1, RESTORED)
    published, [said] = job.observe()
    assert published == 0
    assert f"is at checkpoint 1, job {FIRST} was at 6" in said
    if expired:  # what the earlier job had committed
        table = job.world.lake.load(STREAM)
        for old in table.metadata.snapshots[:-1]:
            table.maintenance.expire_snapshots().by_id(old.snapshot_id).commit()
    assert job.causes() == (UNEXPLAINED if expired else PENDING)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda job: job.file(4, b"PK\x03\x04" + bytes(20)), "not the _metadata of a Flink checkpoint"),
        (lambda job: job.file(4, metadata(operator("a", subtask(0, b"")))), "no source of topic t.plays"),
        (lambda job: job.file(4, metadata(checkpoint=4)[:9]), "cut off or damaged"),
        (lambda job: None, "no folder is named by the id of a job"),
    ],
)
def test_checkpoints_that_cannot_be_the_jobs_are_refused(job: Job, spoil: Callable[[Job], object], says: str) -> None:
    spoil(job)
    job.commit(4)
    with pytest.raises(PlumblineError, match=says) as raised:
        job.observe()
    assert isinstance(raised.value, SetupError | IncompleteError)
    assert raised.value.next_step
    assert not job.world.lake.exists("ops.progress")


def test_a_split_without_an_offset_says_nothing_yet(job: Job) -> None:
    job.checkpoint(4, READ | {("t.shows", 0): -1}).commit(4)
    assert job.observe()[0] == 0
    job.checkpoint(5, READ | {("t.shows", 0): -2}).commit(5)
    assert job.observe()[0] == 1
    assert job.progress() == (FIRST, 5, READ | {("t.shows", 0): 0})


def test_a_table_that_others_write_is_not_written(job: Job) -> None:
    job.world.lake.ensure_table("ops.progress", pa.schema([("topic", pa.string()), ("checkpoint_id", pa.int64())]))
    with pytest.raises(SetupError, match="was not made by observe"):
        job.observe()


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("checkpoint: ck", "name a table as progress"),
        ("progress: ops.progress", "name that table as dropped"),
    ],
)
def test_what_the_contract_must_name(job: Job, block: str, says: str) -> None:
    with pytest.raises(PlumblineError, match=says):
        job.contract(block)


def test_the_folder_of_one_job_will_do(job: Job) -> None:
    job.checkpoint(4, READ).commit(4)
    job.contract(f"checkpoint: '{job.folder / FIRST}', progress: ops.progress")
    assert job.observe() == (1, [])


def test_of_a_recreated_topic_nothing_is_noted(job: Job) -> None:
    """The checkpoint has the topic's name, and the offsets of the one or the other."""
    job.checkpoint(4, READ).commit(4)
    note(job.world.lake, job.world.contract.left, ("first", "second"))
    with pytest.raises(SetupError, match="was recreated since"):
        job.observe()
