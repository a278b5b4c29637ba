"""Rules of plan, tape and playing on plain values and files; no Spark needed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import Table
from rich.console import Console

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import UnreachableError, UsageError
from plumbline.contract.lineage import EVENT_TIME, REPLAY_ID
from plumbline.contract.ranges import TimeRange
from plumbline.replay import play
from plumbline.replay.opened import Replay
from plumbline.replay.plan import Plan, body_hash, read_plan
from plumbline.replay.play import forget_unplanned, sides_apart
from plumbline.replay.publish import PUBLISHED, ROLLED_BACK, rollback, rollback_shown, tag_name
from plumbline.replay.sourcing import SourcePlan
from plumbline.replay.steps import listed
from plumbline.replay.store import ReplayFolder
from plumbline.replay_pages import show_plan, show_status

T0 = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> ReplayFolder:
    folder = ReplayFolder(tmp_path / "20240301-1d-12345678")
    source = SourcePlan("t", "raw.t", 7, {"from": "2024-03-01T00:00:00Z", "to": None}, [], {})
    plan = Plan(
        replay_id=folder.id,
        contract="shop",
        contract_file="shop.yaml",
        fingerprint="f",
        range={"from": "2024-03-01T00:00:00Z", "to": "2024-03-02T00:00:00Z"},
        late="complete",
        time_basis="event",
        sources={"orders": source},
        epochs=[],
        perturb=None,
        replaces={},
        estimate={},
    )
    folder.write("plan", plan.as_json())
    return folder


def test_a_plan_is_read_as_it_was_made(folder: ReplayFolder) -> None:
    plan = read_plan(folder)
    assert (plan.replay_id, plan.sources["orders"].snapshot_id) == (folder.id, 7)
    assert plan.time_range == TimeRange(T0, T0 + timedelta(days=1))
    assert plan.staging_table == "plumbline_staging.r_20240301_1d_12345678"


@pytest.mark.parametrize(("replaced", "said"), [(0, "nothing to replay: no record is there"), (1, "next: plumbline")])
def test_a_plan_of_a_range_without_data_says_so(
    folder: ReplayFolder, capsys: pytest.CaptureFixture[str], replaced: int, said: str
) -> None:
    estimate = {"rows": 0, "seconds": None}
    body = read_plan(folder).as_json() | {"replaces": {"table": "t", "rows": replaced}, "estimate": estimate}
    show_plan(body, Home.resolve(str(folder.root)), Console(width=300))
    assert capsys.readouterr().out.splitlines()[-1].startswith(said)


@pytest.mark.parametrize("change", [{"late": "faithful"}, {"range": {"from": None, "to": None}}, {"hash": "0"}])
def test_a_plan_changed_by_hand_is_refused(folder: ReplayFolder, change: dict[str, Any]) -> None:
    folder.plan.write_text(json.dumps(json.loads(folder.plan.read_text()) | change))
    with pytest.raises(UsageError, match=r"the plan was changed after it was made.*plan the range again"):
        read_plan(folder)


def test_a_plan_of_another_version_is_read_while_it_holds_all_that_is_needed(folder: ReplayFolder) -> None:
    body = {name: value for name, value in json.loads(folder.plan.read_text()).items() if name != "hash"}
    older = body | {"boundaries_us": [5]}
    folder.write("plan", older | {"hash": body_hash(older)})
    assert read_plan(folder).as_json()["hash"] == body_hash(body)
    del older["late"]
    folder.write("plan", older | {"hash": body_hash(older)})
    with pytest.raises(UsageError, match=r"made by another version.*plan the range again"):
        read_plan(folder)


def test_an_unknown_replay_names_the_nearest(folder: ReplayFolder) -> None:
    home: Any = SimpleNamespace(replays=folder.root.parent)
    with pytest.raises(UsageError, match=f"no replay '20240301-1d-12345679'.*did you mean {folder.id}"):
        ReplayFolder.find(home, "20240301-1d-12345679")
    assert ReplayFolder.find(home, str(folder.plan)).root == folder.root


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Planned batches 0 and 1 of both sides; side 0 has noted two more, side 1 one."""
    for batch, sides in enumerate(((0, 0), (1, 1))):
        plan_batch(tmp_path, batch, *sides)
    for side, noted in ((0, 4), (1, 3)):
        notes = tmp_path / "sources" / str(side)
        notes.mkdir(parents=True)
        for number in range(noted):
            (notes / str(number)).write_text("v1\n")
        (notes / f".{noted}.crc").write_text("")
    return tmp_path


def plan_batch(checkpoint: Path, batch: int, *sides: int | None) -> None:
    (checkpoint / "offsets").mkdir(exist_ok=True)
    lines = ["-" if side is None else json.dumps({"logOffset": side}) for side in sides]
    (checkpoint / "offsets" / str(batch)).write_text("\n".join(["v1", '{"batchWatermarkMs":0}', *lines]))


def test_what_was_noted_beyond_the_last_planned_batch_is_forgotten(checkpoint: Path) -> None:
    removed = forget_unplanned(checkpoint)
    assert sorted(str(path.relative_to(checkpoint / "sources")) for path in removed) == ["0/2", "0/3", "1/2"]
    left = sorted(str(p.relative_to(checkpoint / "sources")) for p in checkpoint.glob("sources/*/[0-9]*"))
    assert left == ["0/0", "0/1", "1/0", "1/1"]
    assert forget_unplanned(checkpoint) == []


def test_compacted_notes_count_by_their_number(checkpoint: Path) -> None:
    (checkpoint / "sources" / "0" / "9.compact").write_text("v1\n")
    assert checkpoint / "sources" / "0" / "9.compact" in forget_unplanned(checkpoint)


def test_before_the_first_planned_batch_everything_is_forgotten(checkpoint: Path) -> None:
    for path in (checkpoint / "offsets").iterdir():
        path.unlink()
    assert len(forget_unplanned(checkpoint)) == 7
    assert forget_unplanned(checkpoint / "nothing here") == []


def test_sides_at_different_epochs_are_found(checkpoint: Path) -> None:
    assert sides_apart(checkpoint) == []
    plan_batch(checkpoint, 2, 3, 2)
    plan_batch(checkpoint, 3, 4, None)
    assert sides_apart(checkpoint) == [2, 3]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"range": 5}', "\x00"])
def test_an_edited_plan_is_refused_and_hides_no_other(folder: ReplayFolder, tmp_path: Path, text: str) -> None:
    broken = ReplayFolder(tmp_path / "replays" / folder.id)
    broken.root.mkdir(parents=True)
    broken.plan.write_text(text)
    with pytest.raises(UsageError, match=r"no longer a JSON document|changed after it was made"):
        read_plan(broken)
    [one] = listed(Home.resolve(tmp_path))
    assert (one["replay_id"], one["range"], one["next"]) == (folder.id, None, None)
    assert one["state"].startswith("stale: ")
    show_status(one, Console(quiet=True))


def test_a_rollback_that_has_nothing_to_bring_back_is_refused_before_it_is_shown(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    lake, rows = Lake.open(home), pa.table({"id": [1]})
    lake.ensure_table("joined.s", rows.schema)
    contract: Any = SimpleNamespace(output=SimpleNamespace(stream_table="joined.s"), catalog=None, job=None)
    made: Any = SimpleNamespace(replay_id="one")
    with pytest.raises(UsageError, match=r"replay one is not published in joined\.s"):
        rollback_shown(Replay.of(contract, home, made))
    for action, told in ((PUBLISHED, "would bring back"), (ROLLED_BACK, "is rolled back already")):
        lake.load("joined.s").append(rows, snapshot_properties={action: "one"})
        assert rollback_shown(Replay.of(contract, home, made)).startswith(told)


def test_two_rollbacks_at_once_bring_the_rows_back_once(
    folder: ReplayFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first brought back must not be taken by the second for rows that came since the publish."""
    home, made = Home.resolve(tmp_path), read_plan(folder)
    contract: Any = SimpleNamespace(
        output=SimpleNamespace(stream_table="joined.s", aggregate=None), catalog=None, job=None
    )
    stamped = {EVENT_TIME: pa.array([T0, T0], pa.timestamp("us", "UTC")), "id": [1, 2]}
    live = pa.table({**stamped, REPLAY_ID: pa.nulls(2, pa.string())})
    lake = Lake.open(home)
    lake.ensure_table("joined.s", live.schema)
    lake.append("joined.s", live)
    table = lake.load("joined.s")
    before = table.current_snapshot()
    table.manage_snapshots().create_tag(before.snapshot_id, tag_name(made.replay_id)).commit()
    played = pa.table({**stamped, REPLAY_ID: pa.array([made.replay_id] * 2)})
    lake.load("joined.s").overwrite(played, snapshot_properties={PUBLISHED: made.replay_id})
    overwrite, first = Table.overwrite, []

    def raced(self: Table, *args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(Table, "overwrite", overwrite)
        first.append(rollback(Replay.of(contract, home, made)))
        overwrite(self, *args, **kwargs)

    monkeypatch.setattr(Table, "overwrite", raced)
    second = rollback(Replay.of(contract, home, made))
    assert ([done["changed"] for done in (*first, second)], second["rows"]) == ([True, False], 2)
    assert lake.load("joined.s").scan().to_arrow()[REPLAY_ID].null_count == 2


def test_a_replay_is_run_by_one_process_at_a_time(tmp_path: Path) -> None:
    folder = ReplayFolder(tmp_path / "a-week")
    nothing: Any = None  # it is refused before it looks at anything
    with folder.owned(), pytest.raises(UnreachableError, match="a-week is being run by another process"):
        play.run(nothing, nothing, nothing, folder)
