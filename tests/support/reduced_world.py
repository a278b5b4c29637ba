"""Small worlds of a source with `reduce`: the tables of `world.py` with one play per show and ten minutes, and a plain
model of what a comparison must say of them.

The model works on rows and names, apart from the SQL under test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from plumbline.connect.home import Home
from plumbline.contract.aggregate import ROWS_SNAPSHOT
from plumbline.contract.loader import parse
from tests.support.join_model import Join
from tests.support.upsert_world import ROWS, UPSERTED, values
from tests.support.world import BATCH, CONTRACT, STREAM, World
from tests.support.world_rows import MINUTE_MS, WITHIN, Record, Row

CANDIDATES = UPSERTED.append(pa.field("_right_place", pa.int32()))
WINDOW_US = 10 * MINUTE_MS * 1000
Finding = tuple[str, str]
State = tuple[str, int | None]


def contract_text(key: str, kind: str, take: str, ids: bool) -> str:
    """The world's contract with one play per show and ten minutes, and with event ids or without."""
    text = CONTRACT.replace("KIND", kind).replace("KEY", key)
    for time, id in (("shown_at", "show_id"), ("played_at", "play_id")):
        text = text.replace(
            f"    event_time: {time}\n",
            f"    event_time: {time}\n    event_id: {id}\n" if ids else f"    event_time: {time}\n",
        )
    reduce = f"    reduce: {{by: [show_id], every: 10 minutes, take: {take}}}\n"
    return text.replace("    archive: raw.plays\n", f"    archive: raw.plays\n{reduce}")


def end_of(record: Record) -> int:
    """The end (us) of a play's window."""
    return (record.us // WINDOW_US + 1) * WINDOW_US


def state(row: Row) -> State:
    return row.left.event, row.right and end_of(row.right)


def named(row: Row) -> str:
    return " ".join(part.event for part in (row.left, row.right) if part)


@dataclass
class ReducedWorld(World):
    """A world whose plays are reduced; `held` are the rows of the stream table, None: all that the model gives it."""

    held: list[Row] | None = None

    @classmethod
    def at(
        cls, folder: Path, key: str = "[show_id]", kind: str = "left_outer", take: str = "last", ids: bool = True
    ) -> ReducedWorld:
        return cls(Home(folder, folder / "jars"), parse(contract_text(key, kind, take, ids)))

    @property
    def table(self) -> list[Row]:
        return self.stream if self.held is None else self.held

    @property
    def seen(self) -> list[Record]:
        """The records that the batch run found in the archive, each event once."""
        return [record for record in self.records if record.name not in self.unseen and not record.is_copy]

    def judged_us(self, record: Record) -> int:
        return end_of(record) if record.side == "right" and self.contract.right.event_id is None else record.us

    def play(self, *epochs: Sequence[Record], **more: Any) -> ReducedWorld:
        super().play(*epochs, **more)
        came = [one for several in self.windows(self.admitted).values() for one in several[:1]]
        closed = [one for one in came if end_of(one) <= self.watermark_ms * 1000]
        self.stream = self._joined([r for r in self.admitted if r.side == "left"], closed, self.is_closed)
        return self.batch_without()

    def batch_without(self, *names: str) -> ReducedWorld:
        self.unseen = names
        self.batch = [row for row, place in self.candidates() if place in (None, 1)]
        return self

    def windows(self, records: Iterable[Record]) -> dict[tuple[str, int], list[Record]]:
        """The plays of each show and window, the one to be taken first."""
        found = defaultdict(list)
        for record in records:
            if record.side == "right":
                found[record.show, end_of(record)].append(record)
        reduce = self.contract.right.reduce
        assert reduce is not None
        return {one: sorted(several, key=self.order, reverse=reduce.take == "last") for one, several in found.items()}

    def order(self, record: Record) -> tuple[Any, ...]:
        """The greater, the later."""
        if self.contract.right.event_id is None:
            return record.us, record.partition, record.offset
        return record.us, record.event

    def candidates(self) -> list[tuple[Row, int | None]]:
        """The batch's rows of all plays, each with its place."""
        windows = self.windows(self.seen)
        place = {one.name: n for several in windows.values() for n, one in enumerate(several, 1)}
        lefts, rights = ([r for r in self.seen if r.side == side] for side in ("left", "right"))
        return [(row, row.right and place[row.right.name]) for row in self._joined(lefts, rights, lambda left: True)]

    def _archived(self, records: Sequence[Record], source: str) -> pa.Table:
        """With the event ids of all records, as the archiver writes them."""
        table = super()._archived(records, source)
        if self.contract.right.event_id is None:
            return table
        ids = pa.array([record.show if source == "shows" else record.event for record in records], pa.string())
        return table.set_column(table.column_names.index("event_id"), "event_id", ids)

    def write(self) -> ReducedWorld:
        properties = self.write_inputs()
        rows = [values(row) | {"_right_place": place} for row, place in self.candidates()]
        self._lay(ROWS, rows, CANDIDATES, properties)
        snapshot = self.lake.load(ROWS).current_snapshot()
        assert snapshot is not None
        self._lay(STREAM, map(values, self.table), UPSERTED, {})
        self._lay(BATCH, map(values, self.batch), UPSERTED, {**properties, ROWS_SNAPSHOT: str(snapshot.snapshot_id)})
        return self

    def _lay(self, table: str, rows: Iterable[dict[str, Any]], schema: pa.Schema, properties: dict[str, str]) -> None:
        self.lake.ensure_table(table, schema, ("day", "_event_time"))
        self.lake.append(table, pa.Table.from_pylist(list(rows), schema=schema), properties)

    def _joined(self, lefts: Sequence[Record], rights: Sequence[Record], emits: Any) -> list[Row]:
        def matches(left: Record, right: Record) -> bool:
            return right.show == left.show and 0 <= end_of(right) - 1 - left.us <= WITHIN * MINUTE_MS * 1000

        joined = Join(matches, lambda left: self._outer and emits(left)).of(lefts, rights)
        return [Row(left, right) for left, right in joined if left]


def expected(world: ReducedWorld) -> list[Finding]:
    """What must be told: of each show and window that differ, the batch's plays that the stream should have taken, and
    the stream's where it is none of the batch's."""
    candidates, held = defaultdict(list), defaultdict(list)
    for row, _ in sorted(world.candidates(), key=lambda one: one[1] or 0):
        candidates[state(row)].append(row)
    for row in world.table:
        held[state(row)].append(row)
    found = list[Finding]()
    for left in {one for one, _ in {**candidates, **held}}:
        missing, extra = list[Row](), list[Row]()
        for one in sorted({s for s in {**candidates, **held} if s[0] == left}, key=str):
            (mine,) = held.get(one, [None])
            missing += due(world, candidates.get(one, []), mine)
            if mine is not None and named(mine) not in map(named, candidates.get(one, [])):
                extra.append(mine)
        alone = next((row for row in extra if row.right is None), None)
        pairs = [row for row in missing if row.right]
        if alone is not None and pairs and world.contract.output.key == ["show_id"]:
            first = min(pairs, key=lambda row: (row.right.partition, row.right.offset))  # type: ignore[union-attr]
            missing.remove(first)
            extra.remove(alone)
            found.append((named(first), f"mismatch {fate(world, first, held)}"))
        found += [told_missing(world, row, held) for row in missing]
        found += [(named(row), f"extra {why_extra(world, row)}") for row in extra]
    return sorted(found)


def told_missing(world: ReducedWorld, row: Row, held: dict[State, list[Row]]) -> Finding:
    """Of a left event that the batch has alone, and the stream with plays that came after the batch run: with one of
    those."""
    matched = [other.right for one, (other,) in held.items() if one[0] == row.left.event and other.right]
    if row.right is None and (late := [play for play in matched if play.name in world.unseen]):
        first = min(late, key=lambda play: (play.partition, play.offset))
        return named(Row(row.left, first)), "missing arrived_after_batch"
    return named(row), f"missing {fate(world, row, held)}"


def due(world: ReducedWorld, candidates: list[Row], mine: Row | None) -> list[Row]:
    """Down to the first that the stream had, and not behind the one that it took; those that it does not hold."""
    found = []
    for row in candidates:
        if mine is not None and (named(row) == named(mine) or behind(world, row, mine)):
            break
        found.append(row)
        if row.right is None or had(world, row.right):
            break
    return found


def behind(world: ReducedWorld, row: Row, mine: Row) -> bool:
    assert row.right is not None
    assert mine.right is not None
    reduce = world.contract.right.reduce
    assert reduce is not None
    later = world.order(row.right) > world.order(mine.right)
    return not later if reduce.take == "last" else later


def had(world: ReducedWorld, right: Record) -> bool:
    """Whether the stream took the event in."""
    return right.event in {record.event for record in world.admitted}


def fate(world: ReducedWorld, row: Row, held: dict[State, list[Row]]) -> str:
    """Why the stream table does not hold the row."""
    if named(row) in map(named, world.stream):
        unread = {end_of(record) for record in world.records if record.side == "right" and record.name in world.unseen}
        return "unexplained" if held.get(state(row)) or state(row)[1] in unread else "lost_output"
    if any(part.name in world.refused for part in (row.left, row.right) if part):
        return "quarantined"
    if not any(record.event == row.left.event and record.side == "left" for record in world.admitted):
        return "late_left" if row.left.name in world.read_in else "pending"
    if row.right is not None and had(world, row.right) and end_of(row.right) <= world.watermark_ms * 1000:
        return "unexplained"  # another was taken, which the batch does not know
    matched = any(one[0] == row.left.event and one[1] is not None for one in held)
    final = world.is_closed(row.left) or matched or not world._outer
    late = row.right is not None and row.right.name in world.read_in and not had(world, row.right)
    return "late_right" if late and final else "pending"


def why_extra(world: ReducedWorld, row: Row) -> str:
    if {part.name for part in (row.left, row.right) if part} & set(world.unseen):
        return "arrived_after_batch"
    if row.right is None and named(row) in map(named, world.stream):
        plays = [c.right for c, _ in world.candidates() if c.left.event == row.left.event and c.right]
        if all(play.name in world.refused for play in plays):
            return "quarantined"
        return "late_right" if not any(play.name in world.refused for play in plays) else "unexplained"
    return "unexplained"
