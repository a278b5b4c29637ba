"""What was done with a replay outlives its snapshots: real Iceberg tables, expired under it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.expressions import AlwaysFalse

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.commit_properties import PUBLISHED, ROLLED_BACK
from plumbline.contract.errors import IncompleteError, SetupError
from plumbline.pins import recorded_snapshots
from plumbline.replay import gc, history, staging
from plumbline.replay.history import BEGUN, DONE, NOTHING, UNKNOWN, Note, decide, last_action
from plumbline.replay.opened import Replay
from plumbline.replay.plan import staging_table
from plumbline.replay.publish import is_published
from plumbline.replay.store import ReplayFolder

ID = "20240301-1d-12345678"
ROWS = pa.table({"id": [1]})


@dataclass(frozen=True)
class Table:
    """One stream table, what is published into it, and what expires."""

    lake: Lake
    name: str = "joined.s"

    def commit(self, action: str | None = None, replay_id: str = ID, *, noted: bool = True) -> None:
        """A commit, of a publish or a rollback with its rows in `plumbline.replays`, or of the job."""
        if action and noted:
            history.begin(self.lake, self.now, replay_id, action)
        self.now.append(ROWS, snapshot_properties={action: replay_id} if action else {})
        if action and noted:
            history.done(self.lake, self.now, replay_id, action)

    @property
    def now(self) -> Any:
        return self.lake.load(self.name)

    def expire(self) -> None:
        """All snapshots but the newest."""
        for snapshot in self.now.metadata.snapshots:
            if snapshot.snapshot_id != self.now.metadata.current_snapshot_id:
                self.now.maintenance.expire_snapshots().by_id(snapshot.snapshot_id).commit()

    def last(self, replay_id: str = ID) -> str | None:
        return last_action(self.lake, self.now, replay_id)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    lake = Lake.open(Home.resolve(tmp_path))
    lake.ensure_table("joined.s", ROWS.schema)
    made = Table(lake)
    made.commit()
    return made


@pytest.mark.parametrize(
    ("actions", "last"),
    [
        pytest.param([PUBLISHED], PUBLISHED, id="published"),
        pytest.param([PUBLISHED, ROLLED_BACK], ROLLED_BACK, id="rolled back"),
        pytest.param([PUBLISHED, ROLLED_BACK, PUBLISHED], PUBLISHED, id="published again"),
        pytest.param([], None, id="never published"),
    ],
)
def test_the_last_action_survives_the_expiry_of_its_snapshots(
    table: Table, actions: list[str], last: str | None
) -> None:
    for action in actions:
        table.commit(action)
        table.commit(PUBLISHED, "another-replay")
    table.commit()
    assert table.last() == last
    table.expire()
    assert table.last() == last
    table.commit()
    table.expire()
    assert table.last() == last


def test_a_commit_without_its_row_is_pinned_and_then_noted(table: Table) -> None:
    """By an earlier version, or by a process that died right after the commit."""
    table.commit(PUBLISHED, noted=False)
    made = table.now.metadata.current_snapshot_id
    table.commit()
    contract: Any = SimpleNamespace(output=SimpleNamespace(stream_table=table.name, batch_table="joined.b"))
    home = Home.resolve(Path(table.now.location().removeprefix("file:")).parents[3])
    assert made in recorded_snapshots(table.lake, contract, home, timedelta(0))
    assert history.catch_up(table.lake, table.now) == 1
    assert history.catch_up(table.lake, table.now) == 0
    assert recorded_snapshots(table.lake, contract, home, timedelta(0)) == set()
    table.expire()
    assert table.last() == PUBLISHED


def test_what_was_begun_and_never_seen_again_is_unknown(table: Table) -> None:
    """And nothing of such a replay is removed, published or rolled back."""
    history.begin(table.lake, table.now, ID, PUBLISHED)
    table.commit()
    assert table.last() is None, "all snapshots since are there, and none is of it"
    table.commit()
    table.expire()
    assert table.last() == UNKNOWN
    assert gc.removable(UNKNOWN, timedelta(days=4000), timedelta(0), timedelta(0)) == {}
    plan: Any = SimpleNamespace(contract_file="c.yaml", replay_id=ID)
    with pytest.raises(IncompleteError, match=r"was being published.*plan the range again"):
        is_published(table.lake, table.now, plan)


def test_a_table_set_back_by_another_tool_is_not_published(table: Table) -> None:
    before = table.now.metadata.current_snapshot_id
    table.commit(PUBLISHED)
    published = table.now.metadata.current_snapshot_id
    table.now.manage_snapshots().create_tag(published, "keep").commit()
    table.now.manage_snapshots().rollback_to_snapshot(before).commit()
    assert table.last() is None


def test_another_table_of_the_same_name_is_another_one(table: Table) -> None:
    table.commit(PUBLISHED)
    table.lake.catalog().drop_table(table.name)
    table.lake.ensure_table(table.name, ROWS.schema)
    table.commit()
    assert table.last() is None


BEGAN, MADE = Note(BEGUN[PUBLISHED], 5), Note(DONE[PUBLISHED], 7)


@pytest.mark.parametrize(
    ("notes", "reached", "last"),
    [
        pytest.param((BEGAN, MADE), 9, PUBLISHED, id="its commit lies beyond what is there"),
        pytest.param((BEGAN, MADE), 7, None, id="its commit would be seen: the table was set back"),
        pytest.param((BEGAN, MADE), 0, PUBLISHED, id="a table of version 1 numbers nothing"),
        pytest.param((BEGAN,), 6, None, id="begun, and every commit since is there"),
        pytest.param((BEGAN,), 7, UNKNOWN, id="begun, and the next commit is gone"),
        pytest.param((BEGAN, Note(NOTHING, 5)), 9, None, id="begun, and known to have come to nothing"),
        pytest.param(
            (BEGAN, MADE, Note(BEGUN[ROLLED_BACK], 8)), 9, PUBLISHED, id="a rollback that was never committed"
        ),
        pytest.param((BEGAN, MADE, Note(BEGUN[ROLLED_BACK], 8)), 12, UNKNOWN, id="a rollback that may have been"),
    ],
)
def test_rows_alone(notes: tuple[Note, ...], reached: int, last: str | None) -> None:
    assert decide(notes, reached) == last


@pytest.fixture
def plan() -> Any:
    return SimpleNamespace(contract_file="c.yaml", replay_id=ID, staging_table=staging_table(ID))


def of(plan: Any, home: Path) -> tuple[Replay, Lake]:
    contract: Any = SimpleNamespace(catalog=None)
    replay = Replay.of(contract, Home.resolve(home), plan)
    return replay, replay.lake


def test_gc_leaves_every_table_that_no_replay_made(tmp_path: Path) -> None:
    """A live stream table that a contract keeps in the namespace of staging tables."""
    home = Home.resolve(tmp_path)
    lake = Lake.open(home)
    for name, made in (("live", {}), ("r_20240101_1d_00000000", {}), ("r_gone", {staging.MADE_BY: "gone"})):
        lake.ensure_table(f"plumbline_staging.{name}", ROWS.schema, properties=made)
    found = gc.collect(home, older_than=timedelta(0), execute=True)
    assert [one["name"] for one in found["removed"]] == ["plumbline_staging.r_gone"]
    assert lake.tables() == ["plumbline_staging.live", "plumbline_staging.r_20240101_1d_00000000"]


def test_a_table_of_anothers_under_a_staging_name_is_neither_dropped_nor_used(tmp_path: Path, plan: Any) -> None:
    replay, lake = of(plan, tmp_path)
    replay.folder.root.mkdir(parents=True)
    lake.ensure_table(plan.staging_table, ROWS.schema)
    assert not staging.ours(replay)
    for touch in (staging.drop, staging.refuse_other):
        with pytest.raises(SetupError, match=r"did not make it.*left as it is"):
            touch(replay)
    assert lake.exists(plan.staging_table)


@pytest.mark.parametrize("recorded", ["in the table", "by a run of an earlier version"])
def test_a_staging_table_of_the_replay_goes(tmp_path: Path, plan: Any, recorded: str) -> None:
    replay, lake = of(plan, tmp_path)
    properties = {staging.MADE_BY: ID} if recorded == "in the table" else {}
    lake.ensure_table(plan.staging_table, ROWS.schema, properties=properties)
    if not properties:
        replay.folder.write("run", {})
    staging.drop(replay)
    assert not lake.exists(plan.staging_table)


def test_a_folder_keeps_what_somebody_else_put_into_it(tmp_path: Path) -> None:
    folder = ReplayFolder(tmp_path / "one")
    for step in ("plan", "run", "feed-0a1b2c3d"):
        folder.write(step, {})
    (folder.root / "review.md").write_text("my notes")
    folder.remove()
    assert [path.name for path in folder.root.iterdir()] == ["review.md"]


def test_rows_carry_the_order_of_their_commits(table: Table) -> None:
    for action in (PUBLISHED, ROLLED_BACK):
        table.commit(action)
    rows = table.lake.load(history.REPLAYS).scan().to_arrow().sort_by("commit_order")
    assert rows["event"].to_pylist() == ["publishing", "published", "rolling back", "rolled back"]
    assert table.lake.load(history.REPLAYS).scan(AlwaysFalse()).to_arrow().schema.names[-1] == "commit_order"


LIVE, OTHER = None, "20240302-1d-87654321"


@pytest.mark.parametrize("expired", ["nothing", "after the first run", "all but the newest"])
@pytest.mark.parametrize(
    ("commits", "there"),
    [
        ([(PUBLISHED, ID), (LIVE, ""), (PUBLISHED, OTHER)], [ID, OTHER]),
        ([(PUBLISHED, ID), (ROLLED_BACK, ID), (PUBLISHED, OTHER)], [OTHER]),
        ([(PUBLISHED, ID), (ROLLED_BACK, ID), (PUBLISHED, ID)], [ID]),
        ([(PUBLISHED, ID), (LIVE, ""), (ROLLED_BACK, ID), (LIVE, "")], []),
    ],
    ids=["two", "one of two rolled back", "published again", "rolled back"],
)
def test_the_replays_between_two_runs_are_told_when_their_snapshots_are_gone(
    table: Table, commits: list[tuple[str | None, str]], there: list[str], expired: str
) -> None:
    table.commit(PUBLISHED, "20240101-1d-before00")
    first, began = table.now.metadata.current_snapshot_id, datetime.now(UTC)
    made: dict[str, int] = {}
    for action, replay_id in commits:
        table.commit(action, replay_id)
        made[replay_id] = table.now.metadata.current_snapshot_id
    last = table.now.metadata.current_snapshot_id
    table.commit(PUBLISHED, "20240909-1d-after000")
    keep = {"nothing": set(made.values()) | {first, last}, "after the first run": {first, last}}.get(expired, set())
    for snapshot in table.now.metadata.snapshots:
        if snapshot.snapshot_id not in keep | {table.now.metadata.current_snapshot_id}:
            table.now.maintenance.expire_snapshots().by_id(snapshot.snapshot_id).commit()
    ended = next(note.recorded_at for note in history.notes(table.lake, table.now)["20240909-1d-after000"])
    found = history.published_between(table.lake, table.now, history.Between(first, last, began, ended))
    assert found == [(replay_id, made[replay_id]) for replay_id in there]
