"""The recorded epochs of the live job: which of them a faithful replay plays, and where the job had been restarted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import IncompleteError
from plumbline.contract.model import Contract
from plumbline.contract.operators import planned_by

if TYPE_CHECKING:
    import duckdb

    from plumbline.connect.lake import Lake

RECOVERED = "recover-"
"""Begins the run id of epochs that `stream recover` reconstructed: they were never played as they stand."""


@dataclass(frozen=True)
class Recorded:
    """One epoch of the ledger: watermarks in ms, and per source and partition the offsets (start, end) that it read.

    `spark_version` is as `planned_by` names it, None where an earlier version of Plumbline wrote it.
    """

    epoch: int
    query_id: str
    run_id: str
    planned_at: datetime
    late_watermark_ms: int
    evict_watermark_ms: int
    spans: dict[str, dict[int, tuple[int, int]]]
    spark_version: str | None = None

    def as_json(self, *, restart: bool) -> dict[str, Any]:
        """The epoch as it stands in a plan; `restart`: the job was restarted before it."""
        ends = {name: {str(p): end for p, (_, end) in spans.items()} for name, spans in self.spans.items()}
        return {
            "epoch": self.epoch,
            "restart": restart,
            "late_watermark_ms": self.late_watermark_ms,
            "evict_watermark_ms": self.evict_watermark_ms,
            "ends": ends,
        }


def read_recorded(lake: Lake, contract: Contract) -> list[Recorded]:
    """All epochs of the contract in `plumbline.epochs`, in the order in which they were planned.

    Of one checkpoint that is the order of their numbers: the job's clock may have been set back.
    """
    from plumbline.connect.table_growth import refuse_retyped
    from plumbline.connect.table_names import EPOCHS
    from plumbline.contract.identity import rows_condition

    if not lake.exists(EPOCHS):
        return []
    table = lake.load(EPOCHS)
    refuse_retyped(table, "epochs")
    rows = table.scan(row_filter=rows_condition(contract, table.schema().column_names)).to_arrow().to_pylist()
    ended: dict[Any, datetime] = {}
    for row in rows:
        ended[row["query_id"]] = max(row["planned_at"], ended.get(row["query_id"], row["planned_at"]))
    found: dict[tuple[Any, int], Recorded] = {}
    for row in sorted(rows, key=lambda row: (ended[row["query_id"]], row["query_id"], row["epoch"])):
        epoch = found.setdefault(
            (row["query_id"], row["epoch"]),
            Recorded(
                row["epoch"],
                row["query_id"],
                row["run_id"],
                row["planned_at"],
                row["late_watermark_ms"],
                row["evict_watermark_ms"],
                {name: {} for name in contract.sources},
                planned_by(contract, row.get("spark_version"), row.get("operators")),
            ),
        )
        epoch.spans[row["source"]][row["partition"]] = (row["start_offset"], row["end_offset"])
    return list(found.values())


def stretch(epochs: Sequence[Recorded], first: int | None, closed: Callable[[int], bool]) -> list[Recorded]:
    """The epochs to play: from position `first` on (None: no epoch holds a row of the range) to the first whose evict
    watermark (ms) closed the range.

    Earlier epochs hold older rows only, so no row of the range can have been dropped by a watermark of theirs. Raises
    IncompleteError when the ledger does not record this stretch as one life of the job.
    """
    last = next((i for i, epoch in enumerate(epochs) if closed(epoch.evict_watermark_ms)), None)
    if last is None:
        raise IncompleteError(
            "the ledger records no epoch that closed the range", next_step="use --late complete, which needs no ledger"
        )
    played = list(epochs[min(last if first is None else first, last) : last + 1])
    numbers = [epoch.epoch for epoch in played]
    lives = {epoch.query_id for epoch in played}
    whole = numbers == list(range(numbers[0], numbers[0] + len(played)))
    if len(lives) > 1 or not whole or any(epoch.run_id.startswith(RECOVERED) for epoch in played):
        raise IncompleteError(
            f"the live job lost its checkpoint between epochs {numbers[0]} and {numbers[-1]}, which a faithful replay "
            "cannot play again",
            next_step="use --late complete",
        )
    return played


def restarts(played: Sequence[Recorded]) -> list[bool]:
    """For each epoch, whether the live job was restarted before it."""
    return [i > 0 and played[i - 1].run_id != epoch.run_id for i, epoch in enumerate(played)]


def offsets(played: Sequence[Recorded], name: str) -> dict[int, tuple[int, int]]:
    """Per partition of one source the offsets that these epochs read together."""
    spans: dict[int, tuple[int, int]] = {}
    for epoch in played:
        for partition, (start, end) in epoch.spans[name].items():
            spans[partition] = (min(start, spans.get(partition, (start, end))[0]), end)
    return {partition: span for partition, span in sorted(spans.items()) if span[0] < span[1]}


def first_touched(
    con: duckdb.DuckDBPyConnection, view: str, epochs: Sequence[Recorded], name: str, since_us: int
) -> int | None:
    """Position of the first epoch that read a row of the source with event time from `since_us` on, by an archive's
    index; None when the archive knows of none."""
    import pyarrow as pa

    read = [(i, p, *span) for i, epoch in enumerate(epochs) for p, span in epoch.spans[name].items()]
    columns: list[Any] = [list(column) for column in zip(*read, strict=True)] or [[], [], [], []]
    arrays = [pa.array(column, pa.int64()) for column in columns]
    con.register("read_spans", pa.table(arrays, ["i", "p", "start", "stop"]))
    [(found,)] = con.execute(
        f"""
        SELECT min(s.i) FROM {view} a
        ASOF JOIN (SELECT * FROM read_spans WHERE start < stop) s
            ON s.p = a.partition AND a."offset" >= s.start
        WHERE a."offset" < s.stop AND a.quarantine_reason IS NULL AND epoch_us(a.event_time) >= ?
        """,
        [since_us],
    ).fetchall()
    return None if found is None else int(found)


def first_unknown(epochs: Sequence[Recorded], name: str, unknown: Sequence[tuple[int, int, int]]) -> int | None:
    """Position of the first epoch that read an offset of these (partition, start, end) stretches: they may hold
    anything."""
    for i, epoch in enumerate(epochs):
        for partition, start, end in unknown:
            low, high = epoch.spans[name].get(partition, (0, 0))
            if max(low, start) < min(high, end):
                return i
    return None
