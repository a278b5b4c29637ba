"""The epoch ledger on a checkpoint's files as Spark writes them; no Spark needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plumbline.contract.errors import IncompleteError
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.stream_job.epochs import rows_of
from plumbline.stream_job.ledger import Ledger

Offsets = dict[str, int] | None
Commit = Callable[..., None]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger", tmp_path / "join")


@pytest.fixture
def plan(tmp_path: Path) -> Commit:
    """Write `offsets/N` as Spark's OffsetSeqLog does, version 1; None is a source without an offset yet."""

    def planned(number: int, left: Offsets, right: Offsets, watermark_ms: int = 0, version: str = "v1") -> None:
        offsets = tmp_path / "join" / "offsets"
        offsets.mkdir(parents=True, exist_ok=True)
        (tmp_path / "join" / "metadata").write_text('{"id":"q1"}')
        metadata = {"batchWatermarkMs": watermark_ms, "batchTimestampMs": 1000 + number, "conf": {"a": "b\\n"}}
        lines = ["-" if side is None else json.dumps({f"topic{n}": side}) for n, side in enumerate((left, right))]
        (offsets / str(number)).write_text("\n".join([version, json.dumps(metadata), *lines]))

    return planned


@pytest.fixture
def commit(tmp_path: Path, plan: Commit) -> Commit:
    """Plan an epoch and commit it."""

    def committed(number: int, *planned: object, **options: object) -> None:
        plan(number, *planned, **options)
        commits = tmp_path / "join" / "commits"
        commits.mkdir(parents=True, exist_ok=True)
        (commits / str(number)).write_text('v1\n{"nextBatchWatermarkMs":0}')

    return committed


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_without_a_checkpoint_there_is_nothing_to_copy(ledger: Ledger) -> None:
    assert (ledger.sync(), ledger.last_epoch(), list(ledger.epochs())) == (0, -1, [])


def test_an_epoch_starts_where_the_last_ended_and_drops_by_the_last_ones_watermark(
    ledger: Ledger, commit: Commit
) -> None:
    commit(0, {"0": 5, "1": 0}, {"0": 2}, 0)
    commit(1, {"0": 9, "1": 3}, {"0": 2}, 700)
    commit(2, {"0": 9, "1": 3}, {"0": 2}, 900)
    assert ledger.sync() == 3
    first, second, third = ledger.epochs()
    assert (first.start, first.end) == (({}, {}), ({"0": 5, "1": 0}, {"0": 2}))
    assert (second.start, second.end) == (first.end, ({"0": 9, "1": 3}, {"0": 2}))
    assert [(e.late_watermark_ms, e.evict_watermark_ms) for e in (first, second, third)] == [
        (0, 0),
        (0, 700),
        (700, 900),
    ]
    assert [e.no_data for e in (first, second, third)] == [False, False, True]
    assert [(e.query_id, e.planned_at_ms) for e in (first, second, third)] == [("q1", 1000), ("q1", 1001), ("q1", 1002)]


def test_a_source_without_an_offset_is_read_from_its_beginning_later(ledger: Ledger, commit: Commit) -> None:
    commit(0, {"0": 4}, None)
    commit(1, {"0": 4}, {"0": 7})
    ledger.sync()
    assert [epoch.end[1] for epoch in ledger.epochs()] == [{}, {"0": 7}]
    assert ledger.read(1).start[1] == {}


def test_copying_again_changes_nothing(ledger: Ledger, commit: Commit) -> None:
    commit(0, {"0": 1}, {"0": 1})
    assert ledger.sync() == 1
    before = files(ledger.folder)
    commit(0, {"0": 999}, {"0": 999}, 5)
    assert ledger.sync() == 0
    assert files(ledger.folder) == before


def test_a_planned_epoch_is_no_part_of_the_ledger(ledger: Ledger, commit: Commit, plan: Commit) -> None:
    commit(0, {"0": 1}, {"0": 1})
    plan(1, {"0": 2}, {"0": 2})
    assert ledger.sync() == 1
    assert ledger.last_epoch() == 0


@pytest.mark.parametrize("kept", [[1, 2], [0, 2]], ids=["the first", "one in between"])
def test_an_epoch_purged_before_it_was_copied_is_refused(ledger: Ledger, commit: Commit, kept: list[int]) -> None:
    for number in kept:
        commit(number, {"0": number}, {"0": number})
    with pytest.raises(IncompleteError, match=r"epoch [01] was purged from the checkpoint before it reached"):
        ledger.sync()


def test_purging_what_was_copied_is_no_gap(ledger: Ledger, commit: Commit, tmp_path: Path) -> None:
    commit(0, {"0": 1}, {"0": 1}, 5)
    ledger.sync()
    for folder in ("offsets", "commits"):
        (tmp_path / "join" / folder / "0").unlink()
    commit(1, {"0": 2}, {"0": 2}, 9)
    assert ledger.sync() == 1
    assert (ledger.read(1).start, ledger.read(1).late_watermark_ms) == (({"0": 1}, {"0": 1}), 5)


def test_epochs_belong_to_the_run_that_was_under_way(ledger: Ledger, commit: Commit) -> None:
    ledger.begin_run("first")
    commit(0, {"0": 1}, {"0": 1})
    commit(1, {"0": 2}, {"0": 2})
    ledger.sync()
    ledger.begin_run("killed before its first epoch")
    ledger.begin_run("second", "4.1.4")
    commit(2, {"0": 3}, {"0": 3})
    ledger.sync()
    assert [epoch.run_id for epoch in ledger.epochs()] == ["first", "first", "second"]
    assert [epoch.spark_version for epoch in ledger.epochs()] == [None, None, "4.1.4"]


def test_an_unknown_version_of_the_offset_log_is_refused(ledger: Ledger, commit: Commit) -> None:
    commit(0, {"0": 1}, {"0": 1}, version="v2")
    with pytest.raises(IncompleteError, match="version 'v2' is unknown"):
        ledger.sync()


def test_what_a_crash_left_half_written_is_not_read(ledger: Ledger, commit: Commit) -> None:
    commit(0, {"0": 1}, {"0": 1})
    ledger.sync()
    (ledger.folder / "epochs" / ".000000000001.json.77.tmp").write_text('{"epoch": 1, "que')
    (ledger.folder / "epochs" / "000000000001.json.tmp").write_text("")
    assert ledger.last_epoch() == 0
    commit(1, {"0": 2}, {"0": 2})
    assert ledger.sync() == 1
    assert [epoch.epoch for epoch in ledger.epochs()] == [0, 1]


def test_the_table_has_a_row_per_epoch_and_partition(ledger: Ledger, commit: Commit) -> None:
    commit(0, {"10": 4, "2": 3}, None)
    commit(1, {"10": 6, "2": 3}, {"0": 1}, 50)
    ledger.sync()
    shown = ("epoch", "source", "topic", "partition", "start_offset", "end_offset", "no_data", "evict_watermark_ms")
    assert [tuple(row[name] for name in shown) for row in rows_of(small_contract(), ledger.epochs())] == [
        (0, "a", "ta", 2, 0, 3, False, 0),
        (0, "a", "ta", 10, 0, 4, False, 0),
        (1, "a", "ta", 2, 3, 3, False, 50),
        (1, "a", "ta", 10, 4, 6, False, 50),
        (1, "b", "tb", 0, 0, 1, False, 50),
    ]


def small_contract() -> Contract:
    source = "fields: {id: string, at: timestamp}, event_time: at, watermark: 1 hour"
    return parse(
        f"""
        contract: small
        sources:
          a: {{topic: ta, {source}, archive: raw.a}}
          b: {{topic: tb, {source}, archive: raw.b}}
        join: {{left: a, right: b, on: [id], within: [0 hours, 1 hour]}}
        output: {{key: [id], columns: [a.at], stream_table: j.s, batch_table: j.b}}
        """
    )
