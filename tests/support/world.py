"""A small world for reconcile's tests: real Iceberg tables, filled by a plain Python model of both jobs.

`World.play` plays epochs of records through the rules in `join_model.py`, apart from the SQL under test; a test then
spoils the rows that the model gives and writes them with `World.write`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import EPOCHS, QUARANTINE
from plumbline.connect.tables import ARCHIVE_SCHEMA, EPOCHS_SCHEMA, QUARANTINE_SCHEMA
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.contract.ranges import spell_time
from plumbline.reconcile.run import Run, reconcile
from tests.support.empty_lake import EmptyLake
from tests.support.join_model import is_closed, is_late, next_watermark
from tests.support.world_rows import MINUTE_MS, OUTPUT, START, WITHIN, Record, Row, archive_rows, join
from tests.support.world_rows import play as play
from tests.support.world_rows import show as show

CONTRACT = """
contract: plays
sources:
  shows:
    topic: t.shows
    format: json
    fields: {show_id: string, shown_at: timestamp, title: string}
    event_time: shown_at
    watermark: 10 minutes
    archive: raw.shows
  plays:
    topic: t.plays
    format: json
    fields: {show_id: string, play_id: string, played_at: timestamp, seconds: double}
    event_time: played_at
    watermark: 10 minutes
    archive: raw.plays
join: {left: shows, right: plays, kind: KIND, on: [show_id], within: [0 minutes, 60 minutes]}
output:
  key: KEY
  columns: [shows.title, plays.play_id, plays.seconds]
  stream_table: joined.plays_stream
  batch_table: joined.plays_batch
reconcile:
  fail_when: {unexplained: "> 0", late: "> 50%"}
"""

ARCHIVES = ("raw.shows", "raw.plays")
STREAM, BATCH = "joined.plays_stream", "joined.plays_batch"
EMPTY = EmptyLake(
    {
        **dict.fromkeys(ARCHIVES, (ARCHIVE_SCHEMA, ("day", "event_time"))),
        **dict.fromkeys((STREAM, BATCH), (OUTPUT, ("day", "_event_time"))),
        EPOCHS: (EPOCHS_SCHEMA, None),
    }
)


@dataclass
class World:
    """The tables of one contract in a home of their own."""

    home: Home
    contract: Contract
    records: list[Record] = field(default_factory=list)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    stream: list[Row] = field(default_factory=list)
    batch: list[Row] = field(default_factory=list)
    late: dict[str, str] = field(default_factory=dict)
    read_in: dict[str, int] = field(default_factory=dict)
    admitted: list[Record] = field(default_factory=list)
    open_lefts: set[str] = field(default_factory=set)
    watermark_ms: int = 0
    unseen: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    copied: list[str] | None = None
    unarchived: tuple[str, ...] = ()
    batch_range: tuple[datetime, datetime] | None = None

    @classmethod
    def at(cls, folder: Path, key: str = "[show_id]", kind: str = "left_outer") -> World:
        return cls(Home(folder, folder / "jars"), parse(CONTRACT.replace("KEY", key).replace("KIND", kind)))

    @cached_property
    def lake(self) -> Lake:
        return Lake.open(self.home)

    def record(self, name: str) -> Record:
        return next(record for record in self.records if record.name == name)

    def play(self, *epochs: Sequence[Record], query: str = "q1", archived_only: Sequence[Record] = ()) -> World:
        """Let the stream read `epochs` in turn, then a last one without data; fill ledger, stream and batch rows.

        `archived_only` are records that the stream has not read.
        """
        late_ms, closed_ms, newest = 0, 0, {"left": None, "right": None}
        admitted: list[Record] = []
        for number, epoch in enumerate((*epochs, ())):
            placed = [self._place(record) for record in epoch]
            self._note_epoch(number, placed, late_ms, closed_ms, query)
            for record in placed:
                self.read_in[record.name] = number
                if record.name in self.refused:
                    continue
                if is_late(self.judged_us(record), late_ms):
                    self.late[record.name] = record.side
                elif record.event not in {other.event for other in admitted}:
                    admitted.append(replace(record, name=record.event))
                newest[record.side] = max(newest[record.side] or 0, record.us // 1_000)
            late_ms = closed_ms
            closed_ms = next_watermark(closed_ms, newest.values(), [10 * MINUTE_MS] * 2)
        self.admitted = admitted
        self.watermark_ms = self.ledger[-1]["evict_watermark_ms"]
        for record in archived_only:
            self._place(record)
        self.batch = join(self.records, lambda left: True, self._outer)
        self.stream = join(admitted, self.is_closed, self._outer)
        lefts = {record.name for record in self.records if record.side == "left"}
        self.open_lefts = {name for name in lefts if not self.is_closed(self.record(name))}
        return self

    def judged_us(self, record: Record) -> int:
        """The moment that is held against the watermark of the epoch which reads it."""
        return record.us

    def is_closed(self, left: Record) -> bool:
        return is_closed(left.us, self.watermark_ms, WITHIN * MINUTE_MS)

    @property
    def _outer(self) -> bool:
        return self.contract.join.kind == "left_outer"

    def _place(self, record: Record) -> Record:
        taken = [r.offset for r in self.records if (r.side, r.partition) == (record.side, record.partition)]
        placed = replace(record, offset=max(taken, default=-1) + 1)
        self.records.append(placed)
        return placed

    def _note_epoch(self, number: int, placed: Sequence[Record], late_ms: int, evict_ms: int, query: str) -> None:
        for side, source in (("left", "shows"), ("right", "plays")):
            for partition in sorted({0, 1} | {record.partition for record in self.records}):
                end = sum((r.side, r.partition) == (side, partition) for r in self.records)
                new = sum((r.side, r.partition) == (side, partition) for r in placed)
                self.ledger.append(
                    {
                        "contract": "plays",
                        "query_id": query,
                        "run_id": "r1",
                        "epoch": number,
                        "source": source,
                        "topic": f"t.{source}",
                        "partition": partition,
                        "start_offset": end - new,
                        "end_offset": end,
                        "late_watermark_ms": late_ms,
                        "evict_watermark_ms": evict_ms,
                        "no_data": not placed,
                        "planned_at": START + timedelta(days=30, minutes=number),
                        "operators": "symmetricHashJoin",  # as `observe` notes it; of no matter for a job of ours
                    }
                )

    def row(self, left: str, right: str | None = None) -> Row:
        """The stream's row made from these records."""
        return next(r for r in self.stream if r.left.name == left and (r.right.name if r.right else None) == right)

    def batch_without(self, *names: str) -> World:
        """The batch run happens before these records are archived."""
        self.unseen = names
        self.batch = join([r for r in self.records if r.name not in names], lambda left: True, self._outer)
        return self

    def archive_without(self, *names: str) -> World:
        """The archive never gets these records, so the batch cannot join them."""
        self.unarchived = names
        return self.batch_without(*names)

    def _quarantine(self) -> None:
        """Copy the refused records to quarantine, or those named in `copied`, each as often as it stands there."""
        names = list(self.refused) if self.copied is None else self.copied
        self.lake.ensure_table(QUARANTINE, QUARANTINE_SCHEMA)
        for name in names:
            record = self.record(name)
            source = "shows" if record.side == "left" else "plays"
            (row,) = self._archived([record], source).to_pylist()
            row |= {"contract": "plays", "source": source, "reason": row["quarantine_reason"] or "null_key"}
            self.lake.append(QUARANTINE, pa.Table.from_pylist([row], schema=QUARANTINE_SCHEMA))

    def _archived(self, records: Sequence[Record], source: str) -> pa.Table:
        table = archive_rows(records, source)
        reasons = pa.array([self.refused.get(record.name) for record in records], pa.string())
        return table.set_column(table.column_names.index("quarantine_reason"), "quarantine_reason", reasons)

    def write(self) -> World:
        """Write all tables, first the archive as the batch run saw it."""
        EMPTY.lay(self.home, (*self._inputs, STREAM, BATCH))
        properties = self.write_inputs()
        for table, rows, said in ((STREAM, self.stream, {}), (BATCH, self.batch, properties)):
            self.lake.ensure_table(table, OUTPUT, ("day", "_event_time"))
            self.lake.append(table, pa.Table.from_pylist([row.values() for row in rows], schema=OUTPUT), said)
        return self

    @property
    def _inputs(self) -> tuple[str, ...]:
        return (*ARCHIVES, EPOCHS) if self.ledger else ARCHIVES

    def write_inputs(self) -> dict[str, str]:
        """Write archives, quarantine and ledger. Returns the properties of the batch run's commit."""
        EMPTY.lay(self.home, self._inputs)
        lake, snapshots = self.lake, {}
        for side, source in (("left", "shows"), ("right", "plays")):
            table = f"raw.{source}"
            lake.ensure_table(table, ARCHIVE_SCHEMA, ("day", "event_time"))
            mine = [r for r in self.records if r.side == side and r.name not in self.unarchived]
            lake.append(table, self._archived([r for r in mine if r.name not in self.unseen], source))
            snapshots[f"plumbline.archive.{source}.snapshot-id"] = str(lake.load(table).current_snapshot().snapshot_id)
            if any(r.name in self.unseen for r in mine):
                lake.append(table, self._archived([r for r in mine if r.name in self.unseen], source))
        if self.refused or self.copied:
            self._quarantine()
        if self.ledger:
            lake.ensure_table(EPOCHS, EPOCHS_SCHEMA)
            lake.append(EPOCHS, pa.Table.from_pylist(self.ledger, schema=EPOCHS_SCHEMA))
        bounds = [spell_time(moment) for moment in self.batch_range or ()] or ["open", "open"]
        ranges = dict(zip(("plumbline.range.from", "plumbline.range.to"), bounds, strict=True))
        return {**ranges, **snapshots}

    def reconcile(self, **options: Any) -> Run:
        return reconcile(self.contract, self.home, **options)

    def findings(self) -> list[dict[str, Any]]:
        """All recorded findings, JSON read."""
        rows = self.lake.load("plumbline.findings").scan().to_arrow().to_pylist()
        for row in rows:
            row |= {name: row[name] and json.loads(row[name]) for name in ("key", "evidence", "left_row", "right_row")}
        return rows

    def told(self) -> list[tuple[str, str]]:
        """Each finding as (names of its records, class and cause): `("a pa", "missing late_right")`."""
        names = {(r.side, r.partition, r.offset): r.name for r in self.records}
        found = []
        for row in self.findings():
            evidence = row["evidence"]
            sides = [(side, evidence[f"{side}_partition"], evidence[f"{side}_offset"]) for side in ("left", "right")]
            records = " ".join(names[side] for side in sides if side in names)
            found.append((records, f"{row['class']} {row['cause']}"))
        return sorted(found)
