"""What replays leave behind: tapes, staging tables, tags. By age, only what they made, never what a rollback needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from plumbline.contract.commit_properties import PUBLISHED, ROLLED_BACK
from plumbline.contract.errors import PlumblineError
from plumbline.replay import staging
from plumbline.replay.history import UNKNOWN, last_action
from plumbline.replay.opened import Replay
from plumbline.replay.publish import tag_name
from plumbline.replay.store import ReplayFolder

if TYPE_CHECKING:
    from plumbline.connect.home import Home

FOLDER, TAPE, STAGING_TABLE, TAG = "folder", "tape", "staging table", "tag"


@dataclass(frozen=True)
class Leftover:
    """One thing that may go: its kind, the replay it belongs to, its name, its size on this disk (bytes) and why."""

    kind: str
    replay_id: str
    name: str
    bytes: int
    why: str


def removable(
    action: str | None, age: timedelta, older_than: timedelta, rollback_for: timedelta | None
) -> dict[str, str]:
    """What may go of a replay whose last commit was `action` (None: never published), with the reason for each kind.

    A published replay keeps its tag, which a rollback needs, unless `rollback_for` says how long one is offered.
    """
    if age < older_than or action == UNKNOWN:
        return {}
    if action == PUBLISHED:
        kinds = {TAPE: "published", STAGING_TABLE: "published"}
        over = rollback_for is not None and age >= rollback_for
        return kinds | ({TAG: "no longer offered for rollback"} if over else {})
    if action == ROLLED_BACK:
        return dict.fromkeys((TAPE, STAGING_TABLE, TAG), "rolled back")
    return dict.fromkeys((TAG, STAGING_TABLE, FOLDER), "never published")


def collect(
    home: Home, *, older_than: timedelta, rollback_for: timedelta | None = None, execute: bool = False
) -> dict[str, Any]:
    """Find what may go, and remove it with `execute`; safe to repeat after a kill.

    Returns `{"executed", "removed": [Leftover], "skipped": [{"replay_id", "why"}]}`; a replay whose contract cannot be
    read any more is skipped.
    """
    found: list[Leftover] = []
    skipped = []
    for folder in ReplayFolder.all(home):
        try:
            found += _of_replay(home, folder, older_than, rollback_for, execute=execute)
        except PlumblineError as error:
            skipped.append({"replay_id": folder.id, "why": error.what})
    found += _orphans(home, older_than, execute=execute)
    return {"executed": execute, "removed": [asdict(one) for one in found], "skipped": skipped}


def _of_replay(
    home: Home, folder: ReplayFolder, older_than: timedelta, rollback_for: timedelta | None, *, execute: bool
) -> list[Leftover]:
    from plumbline.replay.steps import open_replay

    replay = open_replay(home, folder.id)
    table = replay.lake.load(replay.contract.output.stream_table)
    kinds = removable(last_action(replay.lake, table, replay.id), _age(folder), older_than, rollback_for)
    found = list(_there(replay, tag_name(replay.id) in table.metadata.refs, kinds))
    for one in found if execute else ():
        _remove(replay, one)
    return found


def _there(replay: Replay, tagged: bool, kinds: dict[str, str]) -> Iterator[Leftover]:
    """Of the kinds that may go, what is there. The folder comes last: it is what finds the rest again."""
    id, folder = replay.id, replay.folder
    if TAG in kinds and tagged:
        yield Leftover(TAG, id, f"{replay.contract.output.stream_table} {tag_name(id)}", 0, kinds[TAG])
    if STAGING_TABLE in kinds and staging.ours(replay):
        yield Leftover(STAGING_TABLE, id, replay.plan.staging_table, 0, kinds[STAGING_TABLE])
    if TAPE in kinds and folder.bulky:
        yield Leftover(TAPE, id, str(folder.root), _size(folder), kinds[TAPE])
    if FOLDER in kinds:
        yield Leftover(FOLDER, id, str(folder.root), _size(folder), kinds[FOLDER])


def _remove(replay: Replay, one: Leftover) -> None:
    folder = replay.folder
    if one.kind == TAG:
        table = replay.lake.load(replay.contract.output.stream_table)
        table.manage_snapshots().remove_tag(tag_name(one.replay_id)).commit()
    elif one.kind == STAGING_TABLE:
        staging.drop(replay)
    elif one.kind == TAPE:
        folder.forget(*folder.bulky)
    else:
        folder.remove()


def _orphans(home: Home, older_than: timedelta, *, execute: bool) -> list[Leftover]:
    """Staging tables of replays whose folder is gone. Only in the home's own catalog: elsewhere they may be others'."""
    from plumbline.connect.lake import Lake

    lake, found = Lake.open(home), []
    there = {folder.id for folder in ReplayFolder.all(home)}
    for name in staging.left_over(lake, there, ReplayFolder.planned(home)):
        age = timedelta(milliseconds=time.time() * 1000 - lake.load(name).metadata.last_updated_ms)
        if age >= older_than:
            found.append(Leftover(STAGING_TABLE, "", name, 0, "its replay's folder is gone"))
    for one in found if execute else ():
        lake.catalog().purge_table(one.name)
    return found


def _age(folder: ReplayFolder) -> timedelta:
    """Since anything in the folder was last written; the tape's files carry times of their own."""
    written = (path.stat().st_mtime for path in folder.root.rglob("*") if path.suffix != ".parquet")
    return timedelta(seconds=time.time() - max(written))


def _size(folder: ReplayFolder) -> int:
    """Bytes of the files below the folder; a tape's links count once."""
    sizes = {entry.st_ino: entry.st_size for entry in (p.stat() for p in folder.root.rglob("*") if p.is_file())}
    return sum(sizes.values())
