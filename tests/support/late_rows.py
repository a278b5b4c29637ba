"""A world's stream for tests of plumbline.late: its epochs become records and its archive grows, step by step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from plumbline.connect.table_names import LATE
from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.stream_job.late.rows import LateRows
from plumbline.stream_job.ledger import Epoch, Ledger
from tests.support.world import World
from tests.support.world_rows import Record

SOURCES = (("left", "shows"), ("right", "plays"))


@dataclass
class Life:
    """Epochs are committed (`commit`), archived (`archive`) and looked at (`look`) in any order."""

    world: World
    spark_version: str | None = "4.1.4"
    archived: dict[tuple[str, int], int] = field(default_factory=Counter)

    @property
    def ledger(self) -> Ledger:
        folder = self.world.home.checkpoints / "plays"
        return Ledger(folder / "ledger", folder / "join")

    def commit(self, until: int | None = None) -> Life:
        """The epochs up to this number are committed; None: all."""
        for number in sorted({row["epoch"] for row in self.world.ledger}):
            if until is None or number <= until:
                self.ledger.keep(self._epoch([row for row in self.world.ledger if row["epoch"] == number]))
        return self

    def archive(self, until: int | None = None) -> Life:
        """The archives take in what the epochs up to this number read; None: all that there is."""
        for side, source in SOURCES:
            table = f"raw.{source}"
            self.world.lake.ensure_table(table, ARCHIVE_SCHEMA, ("day", "event_time"))
            new = [record for record in self.world.records if record.side == side and self._is_new(record, until)]
            for record in new:
                self.archived[side, record.partition] = record.offset + 1
            if new:
                self.world.lake.append(table, self.world._archived(new, source))
        return self

    def look(self, late: LateRows | None = None) -> int:
        return (late or LateRows(self.world.lake, self.world.contract)).note(self.ledger)

    def rows(self) -> list[dict[str, Any]]:
        lake = self.world.lake
        return lake.load(LATE).scan().to_arrow().to_pylist() if lake.exists(LATE) else []

    def names(self) -> list[str]:
        """The names of the records in plumbline.late, sorted."""
        known = {(r.side, r.partition, r.offset): r.name for r in self.world.records}
        return sorted(known[row["side"], row["partition"], row["offset"]] for row in self.rows())

    def _is_new(self, record: Record, until: int | None) -> bool:
        wanted = until is None or self.world.read_in.get(record.name, until + 1) <= until
        return wanted and record.offset >= self.archived[record.side, record.partition]

    def _epoch(self, rows: list[dict[str, Any]]) -> Epoch:
        first = rows[0]
        start, end = (
            tuple({str(row["partition"]): row[key] for row in rows if row["source"] == name} for _, name in SOURCES)
            for key in ("start_offset", "end_offset")
        )
        return Epoch(
            epoch=first["epoch"],
            query_id=first["query_id"],
            run_id=first["run_id"],
            planned_at_ms=round(first["planned_at"].timestamp() * 1000),
            late_watermark_ms=first["late_watermark_ms"],
            evict_watermark_ms=first["evict_watermark_ms"],
            start=(start[0], start[1]),
            end=(end[0], end[1]),
            spark_version=self.spark_version,
        )
