"""Small worlds of `output.mode: upsert`: the tables of `world.py` with the newest row per show, and a plain model of
what a comparison must say of them.

The model works on rows and names, apart from the SQL under test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from plumbline.connect.home import Home
from plumbline.contract.aggregate import ROWS_SNAPSHOT
from plumbline.contract.loader import parse
from tests.support.world import BATCH, CONTRACT, STREAM, World, play, show
from tests.support.world_rows import OUTPUT, Row

UPSERTED = OUTPUT.append(pa.field("_right_event_time", pa.timestamp("us", tz="UTC")))
ROWS = f"{BATCH}_rows"


def contract_text(kind: str) -> str:
    """The world's contract with event ids, and the newest play per show."""
    text = CONTRACT.replace("KIND", kind).replace("  key: KEY\n", "  mode: upsert\n  key: [show_id]\n")
    for time, id in (("shown_at", "show_id"), ("played_at", "play_id")):
        text = text.replace(f"    event_time: {time}\n", f"    event_time: {time}\n    event_id: {id}\n")
    return text


def newness(row: Row) -> tuple[int, str]:
    """The greater, the newer."""
    return (-1, "") if row.right is None else (row.right.us, row.right.event)


def state(row: Row) -> tuple[str, int]:
    return row.left.show, row.left.us


def by_state(rows: Iterable[Row]) -> dict[tuple[str, int], list[Row]]:
    """The rows of each show, the newest first."""
    found = defaultdict(list)
    for row in rows:
        found[state(row)].append(row)
    return {one: sorted(several, key=newness, reverse=True) for one, several in found.items()}


def newest(rows: Iterable[Row]) -> list[Row]:
    return [several[0] for several in by_state(rows).values()]


@dataclass
class UpsertWorld(World):
    """A world whose stream and batch rows are all rows; `held` are those that the stream table holds, None: the newest
    of the stream's."""

    held: list[Row] | None = None

    @classmethod
    def at(cls, folder: Path, key: str = "", kind: str = "left_outer") -> UpsertWorld:
        return cls(Home(folder, folder / "jars"), parse(contract_text(kind)))

    @property
    def table(self) -> list[Row]:
        return newest(self.stream) if self.held is None else self.held

    def write(self) -> UpsertWorld:
        properties = self.write_inputs()
        self._lay(ROWS, self.batch, properties)
        named = self.lake.load(ROWS).current_snapshot()
        assert named is not None
        self._lay(STREAM, self.table, {})
        self._lay(BATCH, newest(self.batch), {**properties, ROWS_SNAPSHOT: str(named.snapshot_id)})
        return self

    def _lay(self, table: str, rows: Iterable[Row], properties: dict[str, str]) -> None:
        self.lake.ensure_table(table, UPSERTED, ("day", "_event_time"))
        self.lake.append(table, pa.Table.from_pylist(list(map(values, rows)), schema=UPSERTED), properties)


def values(row: Row) -> dict[str, Any]:
    moment: datetime | None = row.right and row.right.at
    return {**row.values(), "_right_event_time": moment}


def evening(folder: Path) -> UpsertWorld:
    """Written: show a with plays in time, of which the stream lost the newest update; b with a late play."""
    world = UpsertWorld.at(folder).play(
        [show("z", -90)],
        [show("a", 0), show("b", 1), play("a1", "a", 5), play("a2", "a", 9), play("b1", "b", 4)],
        [show("d", 100), play("pd", "d", 120)],
        [],
        [play("b2", "b", 30)],
        [show("f", 300), play("pf", "f", 301)],
    )
    world.held = [row for row in newest(world.stream) if row.left.name != "a"] + [world.row("a", "a1")]
    return world.write()
