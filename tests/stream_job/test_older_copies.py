"""An older copy of the whole job's folder, checkpoint and ledger alike, is refused by what the lake knows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.commit_properties import EPOCH_ID, QUERY_ID
from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.loader import parse
from plumbline.stream_job import epochs
from plumbline.stream_job.checkpoint_health import settle, went_back
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.ledger import Epoch
from tests.support.scenario import contract_body

CONTRACT = parse(yaml.safe_dump(contract_body("copied", {"bootstrap.servers": "127.0.0.1:1"})))
ROWS = pa.table({"n": pa.array([1], pa.int64())})


class World:
    """A home whose job has run some epochs of one life or of several."""

    def __init__(self, folder: Path) -> None:
        home = Home.resolve(folder)
        self.lake, self.job = Lake.open(home), JobFolder.of(CONTRACT, home)
        self.lake.ensure_table(CONTRACT.output.stream_table, ROWS.schema)
        self.published = 0

    def checkpoint(self, query_id: str, last: int) -> None:
        """The folder as it was after this epoch."""
        (self.job.join / "offsets").mkdir(parents=True, exist_ok=True)
        (self.job.join / "metadata").write_text(json.dumps({"id": query_id}))
        for number in range(last + 1):
            (self.job.join / "offsets" / str(number)).write_text("v1\n{}\n-\n-")

    def publish(self, query_id: str, last: int) -> None:
        """The published ledger up to this epoch; the folder's own stands at the copy."""
        self.published += 1
        other = JobFolder(self.job.root.parent / f"other{self.published}").ledger
        for n in range(last + 1):
            at = 1_000 * self.published + n
            other.keep(Epoch(n, query_id, "r", at, 0, 0, ({}, {}), ({"0": n + 1}, {"0": n + 1})))
        epochs.publish(self.lake, CONTRACT, other)

    def write(self, query_id: str, number: int) -> None:
        """An epoch's rows in the stream table."""
        self.lake.append(CONTRACT.output.stream_table, ROWS, {QUERY_ID: query_id, EPOCH_ID: str(number)})

    def said(self) -> str | None:
        return went_back(self.lake, CONTRACT, self.job)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_folder_as_it_stands_is_sound(world: World) -> None:
    world.checkpoint("q", 4)
    world.publish("q", 4)
    world.write("q", 4)
    assert world.said() is None


def test_the_table_knows_a_later_epoch(world: World) -> None:
    world.checkpoint("q", 4)
    world.write("q", 6)
    assert "holds epoch 6" in str(world.said())


def test_the_published_ledger_knows_a_later_epoch_though_the_snapshots_are_expired(world: World) -> None:
    world.checkpoint("q", 4)
    world.publish("q", 6)
    assert "plumbline.epochs holds epoch 6" in str(world.said())


def test_a_copy_of_before_a_recovery_does_not_go_on_beside_the_newer_life(world: World) -> None:
    world.checkpoint("q", 4)
    world.publish("q", 4)
    world.write("q", 4)
    world.publish("recovered", 3)
    assert world.said() is None, "the newer life has written nothing"
    world.write("recovered", 3)
    assert "was last written from another checkpoint (recovered) than this one (q)" in str(world.said())


def test_a_recovered_life_that_has_written_nothing_yet_goes_on(world: World) -> None:
    world.publish("q", 4)
    world.write("q", 4)
    world.publish("recovered", 2)
    world.checkpoint("recovered", 3)
    assert world.said() is None


def test_a_table_of_another_contract_is_told_as_that(world: World) -> None:
    world.publish("q", 1)
    world.write("q", 1)
    with pytest.raises(SetupError, match="checkpoint is gone"):
        settle(world.lake, CONTRACT, world.job)
    second = CONTRACT.model_copy(update={"contract": "second"})
    with pytest.raises(UsageError, match="holds the rows of contract copied: two writers would mix"):
        settle(world.lake, second, JobFolder(world.job.root.parent / "second"))
