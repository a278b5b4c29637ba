"""What one run of the join has done so far, from Spark's own progress reports."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql.streaming import StreamingQuery

UNCOUNTED = ("rocksdb",)


@dataclass(frozen=True)
class Done:
    """Figures of one run. Rows and bytes of state are those after the last epoch; None where Spark does not count.

    `epoch` is the number of the last epoch with a report, `epoch_seconds` how long it took, `epoch_at_ms` when it ended
    (ms since 1970). `late_rows` counts rows that were dropped by the watermark since the start.
    """

    epochs: int = 0
    epoch: int = -1
    epoch_seconds: float | None = None
    epoch_seconds_sum: float = 0.0
    epoch_at_ms: int | None = None
    late_rows: int = 0
    state_rows: int | None = None
    state_bytes: int | None = None
    memory_bytes: int | None = None

    def after(self, report: dict[str, Any]) -> Done:
        """The figures with one more report, as `StreamingQueryProgress.json` spells it."""
        seconds = report.get("durationMs", {}).get("triggerExecution", report.get("batchDuration", 0)) / 1000
        started = datetime.fromisoformat(report["timestamp"]).timestamp()
        operators = report.get("stateOperators", [])
        return replace(
            self,
            epochs=self.epochs + 1,
            epoch=report["batchId"],
            epoch_seconds=seconds,
            epoch_seconds_sum=self.epoch_seconds_sum + seconds,
            epoch_at_ms=round((started + seconds) * 1000),
            late_rows=self.late_rows + sum(int(each["numRowsDroppedByWatermark"]) for each in operators),
            state_rows=_sum(each.get("numRowsTotal") for each in operators if not _uncounted(each)),
            state_bytes=_sum(_size(each) for each in operators),
            memory_bytes=_sum(each.get("memoryUsedBytes") for each in operators),
        )


class Progress:
    """Gathers the reports of the join across its restarts within one run of the job."""

    def __init__(self) -> None:
        self.done = Done()

    def look(self, query: StreamingQuery) -> bool:
        """Take in the epochs that ended since the last look; whether there were any."""
        new = self._new(query)
        for report in new:
            self.done = self.done.after(report)
        return bool(new)

    def _new(self, query: StreamingQuery) -> list[dict[str, Any]]:
        """Reports of epochs that were run. All are asked for only when more than one may have passed.

        A report without `addBatch` tells of a look at the topics that found nothing.
        """
        last = query._jsq.lastProgress()
        if last is None or int(last.batchId()) <= self.done.epoch:
            return []
        reports = [last]
        if int(last.batchId()) > self.done.epoch + 1:
            reports = list(query._jsq.recentProgress())
        parsed = (json.loads(report.json()) for report in reports if int(report.batchId()) > self.done.epoch)
        return [report for report in parsed if "addBatch" in report.get("durationMs", {})]


class Telling:
    """Says now and then how far the job has come."""

    def __init__(self, every_seconds: float = 5) -> None:
        self.every_seconds, self.told = every_seconds, time.monotonic()

    def due(self) -> bool:
        """Whether it is time for another line; the next one is due after a while."""
        if time.monotonic() - self.told < self.every_seconds:
            return False
        self.told = time.monotonic()
        return True


def _uncounted(operator: dict[str, Any]) -> bool:
    """RocksDB does not count its rows unless asked to, and then at the price of a read for each write."""
    return any(name.lower().startswith(UNCOUNTED) for name in operator.get("customMetrics", {})) and not int(
        operator.get("numRowsTotal") or 0
    )


def _size(operator: dict[str, Any]) -> int | None:
    """Bytes of the newest version of one operator's state: estimated in memory, or RocksDB's files."""
    custom = operator.get("customMetrics", {})
    found = custom.get("rocksdbSstFileSize", custom.get("stateOnCurrentVersionSizeBytes"))
    return None if found is None else int(found)


def _sum(values: Any) -> int | None:
    """The sum of what is known; None when nothing is."""
    known = [int(value) for value in values if value is not None]
    return sum(known) if known else None
