"""What was done with replays, for good: `plumbline.replays`.

A publish and a rollback name the replay in the snapshot that they commit. That is the proof, as long as the snapshot
lives; when it has been expired, by whatever tool, the row here says it. Before each commit a row says what is about to
be done, so that nothing is lost where a process dies between the commit and its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from plumbline.contract.commit_properties import PUBLISHED, ROLLED_BACK

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from plumbline.connect.lake import Lake

REPLAYS = "plumbline.replays"

UNKNOWN: Final = "unknown"
"""A publish or a rollback was begun, and whether it was committed is no longer known."""

DONE: dict[str, Literal["published", "rolled back"]] = {PUBLISHED: "published", ROLLED_BACK: "rolled back"}
BEGUN = {PUBLISHED: "publishing", ROLLED_BACK: "rolling back"}
NOTHING = "came to nothing"
NEVER = datetime.min.replace(tzinfo=UTC)


def replays_schema() -> pa.Schema:
    """One row per step of a replay that changed a stream table, and one before it."""
    import pyarrow as pa

    from plumbline.connect.onto import order_column

    columns = (
        ("replay_id", pa.string(), "the replay"),
        ("event", pa.string(), "publishing, published, rolling back, rolled back; came to nothing: it had only begun"),
        ("table", pa.string(), "the stream table"),
        ("table_uuid", pa.string(), "its Iceberg id: a recreated table of that name has another one"),
        ("snapshot_id", pa.int64(), "the commit; for what has only begun, the snapshot before it; null: none"),
        ("sequence_number", pa.int64(), "Iceberg sequence number of that snapshot"),
        ("recorded_at", pa.timestamp("us", tz="UTC"), "when the row was written"),
        order_column(),
    )
    return pa.schema([pa.field(name, kind, metadata={"doc": doc}) for name, kind, doc in columns])


@dataclass(frozen=True)
class Note:
    """One row: what was done, and the place of its commit in the stream table's history."""

    event: str
    sequence_number: int
    snapshot_id: int | None = None
    recorded_at: datetime = NEVER


@dataclass(frozen=True)
class Between:
    """Two runs that looked at a stream table: the snapshots that they compared, and when they were recorded."""

    first: int | None
    last: int | None
    since: datetime
    until: datetime


def begin(lake: Lake, table: Table, replay_id: str, action: str) -> None:
    """Note that `action` is about to be committed onto the current snapshot of `table`."""
    _note(lake, table, replay_id, BEGUN[action], table.current_snapshot())


def done(lake: Lake, table: Table, replay_id: str, action: str) -> None:
    """Note that `action` was committed, by the newest snapshot of `table` that says so."""
    made = next((s for s in _ancestors(table) if _says(s, action) == replay_id), None)
    _note(lake, table, replay_id, DONE[action], made)


def last_action(lake: Lake, table: Table, replay_id: str) -> str | None:
    """What was done last with this replay in `table`: PUBLISHED, ROLLED_BACK, None for neither, or UNKNOWN.

    The snapshots decide as far back as they are there; beyond the first that was expired, the rows do.
    """
    reached = None
    for snapshot in _ancestors(table):
        for action in (PUBLISHED, ROLLED_BACK):
            if _says(snapshot, action) == replay_id:
                return action
        # Its end does not prove that the table began there: PyIceberg's expiry writes "no parent" into what it leaves.
        reached = snapshot.sequence_number or 0
    return None if reached is None else decide(notes(lake, table).get(replay_id, ()), reached)


def decide(noted: tuple[Note, ...], reached: int) -> str | None:
    """The last action by rows alone, oldest first, where no snapshot with a sequence number from `reached` on says one.

    A commit with such a number would have been seen, so it is not in the table's history: another tool set the table
    back, or what was begun was never committed. Tables of format version 1 number nothing (0): rows are believed.
    """
    settled = False
    for note in reversed(noted):
        if note.event in _ACTIONS:
            if note.sequence_number < reached or not (reached and note.sequence_number):
                return _ACTIONS[note.event]
            settled = True
        elif note.event == NOTHING:
            settled = True
        elif not settled and (note.sequence_number + 1 < reached or not reached):
            return UNKNOWN
    return None


def published_between(lake: Lake, table: Table, span: Between) -> list[tuple[str, int | None]]:
    """The replays published after the first of two runs and still there in the last, oldest first, with their commits.

    Snapshots tell it as far as they are there; beyond the first that was expired, the rows do.
    """
    found, undone = dict[str, int](), set[str | None]()
    snapshot = table.snapshot_by_id(span.last) if span.last is not None else None
    reached = None
    while snapshot is not None and snapshot.snapshot_id != span.first:
        undone.add(_says(snapshot, ROLLED_BACK))
        replay_id = _says(snapshot, PUBLISHED)
        if replay_id and replay_id not in undone:
            found.setdefault(replay_id, snapshot.snapshot_id)
        reached = snapshot.sequence_number or 0
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    seen = [(replay_id, commit) for replay_id, commit in reversed(found.items())]
    if snapshot is not None:
        return [*seen]
    told = {name: rows for name, rows in notes(lake, table).items() if name not in found and name not in undone}
    return [*_told_between(told, table, span, reached), *seen]


def _told_between(
    told: Mapping[str, tuple[Note, ...]], table: Table, span: Between, reached: int | None
) -> list[tuple[str, int | None]]:
    """What rows tell of the time before the snapshot with the number `reached` (None: of all until the last run)."""
    first = table.snapshot_by_id(span.first) if span.first is not None else None

    def within(note: Note) -> bool:
        after = note.sequence_number > (first.sequence_number or 0) if first else note.recorded_at > span.since
        return after and (note.recorded_at <= span.until if reached is None else note.sequence_number < reached)

    last = [(name, [note for note in rows if note.event in _ACTIONS and within(note)]) for name, rows in told.items()]
    there = [(rows[-1], name) for name, rows in last if rows and rows[-1].event == DONE[PUBLISHED]]
    return [(name, note.snapshot_id) for note, name in sorted(there, key=lambda one: one[0].sequence_number)]


def unnoted(lake: Lake, table: Table) -> dict[str, tuple[str, int]]:
    """Replay id to its last action and that commit's snapshot, of those that no row tells of yet: made by an earlier
    version, or by a process that died before its row."""
    noted, found = notes(lake, table), dict[str, tuple[str, int]]()
    for snapshot in _ancestors(table):
        for action in (PUBLISHED, ROLLED_BACK):
            replay_id = _says(snapshot, action)
            if replay_id is not None:
                found.setdefault(replay_id, (action, snapshot.snapshot_id))
    last = {replay_id: rows[-1].event for replay_id, rows in noted.items()}
    return {replay_id: one for replay_id, one in found.items() if last.get(replay_id) != DONE[one[0]]}


def catch_up(lake: Lake, table: Table) -> int:
    """Write the rows that are missing, before snapshots are expired; how many. Safe to repeat."""
    missing = unnoted(lake, table)
    for replay_id, (action, _) in missing.items():
        done(lake, table, replay_id, action)
    return len(missing)


def notes(lake: Lake, table: Table) -> Mapping[str, tuple[Note, ...]]:
    """Replay id to its rows about this very table, oldest first."""
    from pyiceberg.expressions import EqualTo

    from plumbline.connect.onto import ORDER

    if not lake.exists(REPLAYS):
        return {}
    wanted = EqualTo("table_uuid", str(table.metadata.table_uuid))
    fields = ("replay_id", "event", "sequence_number", "snapshot_id", "recorded_at", ORDER)
    rows = lake.load_now(REPLAYS).scan(wanted, selected_fields=fields).to_arrow().to_pylist()
    found: dict[str, tuple[Note, ...]] = {}
    for row in sorted(rows, key=lambda row: row[ORDER]):
        note = Note(row["event"], row["sequence_number"] or 0, row["snapshot_id"], row["recorded_at"])
        found[row["replay_id"]] = (*found.get(row["replay_id"], ()), note)
    return found


_ACTIONS = {event: action for action, event in DONE.items()}


def _ancestors(table: Table) -> Iterator[Snapshot]:
    """The current snapshot and its ancestors, as far as they are there."""
    snapshot = table.current_snapshot()
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent else None


def _says(snapshot: Snapshot, action: str) -> str | None:
    return snapshot.summary.additional_properties.get(action) if snapshot.summary else None


def _note(lake: Lake, table: Table, replay_id: str, event: str, snapshot: Snapshot | None) -> None:
    import pyarrow as pa

    from plumbline.connect.onto import ORDER, append_onto, next_order

    row: dict[str, Any] = {
        "replay_id": replay_id,
        "event": event,
        "table": ".".join(table.name()),
        "table_uuid": str(table.metadata.table_uuid),
        "snapshot_id": snapshot.snapshot_id if snapshot else None,
        "sequence_number": snapshot.sequence_number if snapshot else None,
        "recorded_at": datetime.now(UTC),
    }
    schema = replays_schema()
    lake.ensure_table(REPLAYS, schema)
    append_onto(
        lake,
        REPLAYS,
        lambda onto: pa.Table.from_pylist([{**row, ORDER: next_order(onto)}], schema=schema),
        {"plumbline.replay-id": replay_id},
    )
