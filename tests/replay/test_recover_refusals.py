"""What a recovery refuses and what it takes: sound checkpoints, other hands, other contracts, other settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from plumbline.cli import run as plumbline
from plumbline.contract import lateness
from plumbline.contract.errors import IncompleteError, SetupError, UsageError
from plumbline.replay.recover import spark_versions
from plumbline.stream_job.checkpoint_health import damage
from tests.support.model import Event
from tests.support.recovering import expect, forget_offsets, lose, recovered
from tests.support.scenario import Scenario, within

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture(scope="module")
def job(new_scenario: Callable[..., Scenario]) -> Scenario:
    made = new_scenario()
    made.feed([Event("a", 0), Event("b", 30, partition=1)], [Event("a", 10, "p-a"), Event("z", 40, "p-z")]).epoch()
    made.feed([Event("c", 100), Event("l1", 20)], [Event("b", 85, "p-b"), Event("c", 101, "p-c")]).epoch()
    return made


@pytest.fixture
def moved(job: Scenario) -> Iterator[Callable[[str], None]]:
    """Moves a file of the job's folder out of the way; it comes back at the end of the test."""
    away: list[str] = []

    def move(name: str) -> None:
        (job.job.root / name).rename(job.job.root / f"{name}.away")
        away.append(name)

    yield move
    for name in reversed(away):
        (job.job.root / f"{name}.away").rename(job.job.root / name)


def test_a_sound_checkpoint(job: Scenario) -> None:
    assert damage(job.lake, job.contract, job.job) is None
    with pytest.raises(SetupError, match=r"looks sound.*--force"):
        recovered(job, execute=False)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("join/metadata", "checkpoint is gone"),
        ("join/offsets", "ends at epoch -1, the ledger at 3"),
        ("join/offsets/3", "ends at epoch 2, the ledger at 3"),
        ("join/commits", "commit log is gone"),
        ("join/state/0/0/left-keyToNumValues/4.delta", "state of epoch 3 is incomplete: version 4 of 0/0/left"),
        ("join/state", "state of epoch 3 is incomplete"),
    ],
)
def test_damage_is_seen_and_only_shown_without_execute(
    job: Scenario, moved: Callable[[str], None], name: str, reason: str
) -> None:
    moved(name)
    before = sorted(job.job.root.rglob("*"))
    assert reason in recovered(job, execute=False)["reason"]
    assert sorted(job.job.root.rglob("*")) == before


def test_a_lost_last_commit_is_no_damage(job: Scenario, moved: Callable[[str], None]) -> None:
    moved("join/commits/3")
    assert damage(job.lake, job.contract, job.job) is None


def test_a_folder_in_use(job: Scenario) -> None:
    with job.job.owned(), pytest.raises(SetupError, match="another job already works"):
        recovered(job, force=True)


def test_another_join(job: Scenario) -> None:
    text = job.contract_path.read_text()
    job.change_contract(join={"within": within(0, 90)})
    try:
        with pytest.raises(UsageError, match=r"is another join.*new output tables"):
            recovered(job, force=True)
    finally:
        job.contract_path.write_text(text)


def test_a_ledger_with_a_hole(job: Scenario, moved: Callable[[str], None]) -> None:
    from pyiceberg.expressions import EqualTo

    from plumbline.connect.table_names import EPOCHS

    table = job.lake.load(EPOCHS)
    snapshot = table.current_snapshot()
    table.delete(EqualTo("epoch", 1))
    moved("join")
    moved("ledger/epochs/000000000001.json")
    try:
        with pytest.raises(IncompleteError, match="lacks epochs 1 to 1 of checkpoint"):
            recovered(job)
    finally:
        assert snapshot is not None
        job.lake.load(EPOCHS).manage_snapshots().set_current_snapshot(snapshot.snapshot_id).commit()


def test_a_table_that_somebody_changed(job: Scenario, moved: Callable[[str], None]) -> None:
    moved("join")
    table = job.lake.load(job.contract.output.stream_table)
    snapshot = table.current_snapshot()
    table.delete("payment == 'p-c'")
    try:
        with pytest.raises(IncompleteError, match=r"1 rows missing, 0 too many, 0 twice \(missing: left 0@1, right 0@"):
            recovered(job)
    finally:
        assert snapshot is not None
        job.lake.load(job.contract.output.stream_table).manage_snapshots().set_current_snapshot(
            snapshot.snapshot_id
        ).commit()
    assert not (job.job.root / "recover").exists()


def test_records_that_a_spark_not_proven_read(
    job: Scenario, moved: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger knows which Spark it was, also when the commits that name it have expired."""
    moved("join")
    monkeypatch.setattr(lateness, "PROVEN", ("3.5.0",))
    monkeypatch.setattr(spark_versions, "engines", lambda table, snapshot_id: {})
    with pytest.raises(IncompleteError, match=rf"the stream ran on Spark {job.spark.version}.*--accept-differences"):
        recovered(job)
    assert recovered(job, execute=False, accept_differences=True)["executed"] is False
    assert not (job.job.root / "recover").exists()
    monkeypatch.setattr(lateness, "PROVEN", (job.spark.version,))
    assert recovered(job, execute=False)["executed"] is False


def test_nothing_to_recover(job: Scenario) -> None:
    other = job.beside("empty")
    with pytest.raises(IncompleteError, match="nothing to recover"):
        recovered(other)


def test_the_command_shows_what_it_would_do(
    job: Scenario, moved: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    moved("join")
    command = ["stream", "recover", str(job.contract_path), "--home", str(job.home.root)]
    assert plumbline(command) == 0
    shown = capsys.readouterr().out
    assert "ledger ends at epoch 3, watermark 2024-03-01T01:30:00Z" in shown
    assert "orders: 2 rows since 2024-03-01T00:29:59.999000Z, 0 of them were late" in shown
    assert shown.rstrip().endswith("--execute")
    assert plumbline([*command, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["executed"] is False
    assert document["goes_on_at"] == document["ledger"]["ends"]


def test_given_up_by_force_for_other_settings_and_gone_offsets(job: Scenario) -> None:
    """State in RocksDB, three partitions and a longer delay: the new checkpoint goes on where the old one stood."""
    body = yaml.safe_load(job.contract_path.read_text())
    assert body["sources"]["orders"]["watermark"] == "10 minutes"
    job.change_contract(
        stream={"state": "rocksdb", "shuffle_partitions": 3}, sources={"orders": {"watermark": "20 minutes"}}
    )
    with pytest.raises(UsageError, match="stream recover CONTRACT --force"):
        job.epoch()
    document = recovered(job, force=True)
    assert document["reason"] == "given up by --force"
    assert len(document["changed"]) == 3
    assert (job.job.root / "given-up" / document["id"] / "join" / "metadata").exists()
    assert damage(job.lake, job.contract, job.job) is None
    job.feed([Event("d", 200), Event("l2", 80)], [Event("c", 140, "p-c2"), Event("d", 201, "p-d")]).epoch()
    assert len(list((job.job.join / "state" / "0").glob("[0-9]"))) == 3
    expect(job, late=["l1", "l2"])
    job.feed([Event("e", 210)], [Event("e", 211, "p-e")])
    lose(job)
    forget_offsets(job)
    with pytest.raises(IncompleteError, match=r"gone from the topic before the join read them.*--accept-gaps"):
        recovered(job)
