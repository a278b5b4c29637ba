"""How like the original a played tape was: its watermarks, the rows they drop, and the order of its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.parquet import parquet_rows
from plumbline.connect.sql_quoting import text
from plumbline.replay.needs import needed_ranges

if TYPE_CHECKING:
    import duckdb

    from plumbline.contract.model import Contract
    from plumbline.replay.document_types import Watermarks
    from plumbline.replay.plan import Plan
    from plumbline.replay.recorded import Recorded


def watermarks(live_ms: Sequence[int], played_ms: Sequence[int], since_us: int) -> Watermarks:
    """Compare the evict watermarks of played epochs with the recorded ones.

    Returns `{"epochs", "same", "before", "apart"}`.
    A tape begins with no watermark. Until both sides have had a row of the range, its watermark and the live one lie
    both `before` the range, where neither drops nor closes anything of it; from then on they must be the `same`.
    `apart` lists the epochs, by their place on the tape, for which neither holds.
    """
    since_ms = since_us // 1_000
    apart = []
    same = before = 0
    for place, (live, played) in enumerate(zip(live_ms, played_ms, strict=False)):
        if live == played:
            same += 1
        elif max(live, played) < since_ms:
            before += 1
        else:
            apart.append(place)
    apart += range(min(len(live_ms), len(played_ms)), max(len(live_ms), len(played_ms)))
    return {"epochs": len(live_ms), "same": same, "before": before, "apart": apart}


def since_us(contract: Contract, plan: Plan) -> int:
    """The oldest event time (us) of an input row that the plan's range needs."""
    return min(needed.start_us or 0 for needed in needed_ranges(contract, plan.time_range).values())


def dropped(tape: Path, names: Sequence[str], evict_ms: Sequence[int], since: int) -> int:
    """Rows of a tape with event time (us) from `since` on that these watermarks drop: an epoch's rows that are at or
    before the watermark of the epoch before it."""
    from plumbline.connect.pinned import connection
    from plumbline.replay.tape import epoch_file

    con, late = connection(), 0
    for place, watermark_ms in enumerate([0, *evict_ms[:-1]]):
        played = parquet_rows(epoch_file(tape / name, place) for name in names)
        [(rows,)] = con.execute(
            f"SELECT count(*) FROM {played} WHERE epoch_us(event_time) BETWEEN ? AND ?", [since, watermark_ms * 1_000]
        ).fetchall()
        late += rows
    return late


def order_kept(tape: Path, epochs: Sequence[Recorded], names: Sequence[str]) -> float | None:
    """The share of record pairs from different live epochs that were played in different epochs, in the same order.

    1 for a faithful replay, 0 for a tape of one epoch; None when fewer than two recorded epochs had such records.
    """
    from plumbline.connect.pinned import connection

    con = connection()
    spans = [
        (name, i, partition, start, end)
        for i, epoch in enumerate(epochs)
        for name in names
        for partition, (start, end) in epoch.spans[name].items()
        if start < end
    ]
    if not spans:
        return None
    _register(con, spans)
    files = " UNION ALL ".join(
        f'SELECT {text(name)} AS name, filename, partition, "offset" FROM '
        f"{parquet_rows((tape / name).glob('e*.parquet'), 'filename = true')}"
        for name in names
    )
    [(pairs, kept)] = con.execute(
        f"""
        WITH placed AS (
            SELECT s.i AS live, regexp_extract(f.filename, 'e(\\d+)\\.parquet$', 1)::INTEGER AS played, count(*) AS n
            FROM ({files}) f ASOF JOIN spans s
                ON s.name = f.name AND s.p = f.partition AND f."offset" >= s.start
            WHERE f."offset" < s.stop GROUP BY ALL
        )
        SELECT sum(a.n * b.n), sum(a.n * b.n) FILTER (WHERE a.played < b.played)
        FROM placed a JOIN placed b ON a.live < b.live
        """
    ).fetchall()
    return None if not pairs else float(kept or 0) / float(pairs)


def played_watermarks(checkpoint: Path) -> list[int]:
    """The evict watermark (ms) of each epoch that a checkpoint planned, from the first on."""
    import json

    files = sorted((checkpoint / "offsets").glob("[0-9]*"), key=lambda path: int(path.name))
    return [int(json.loads(path.read_text().splitlines()[1])["batchWatermarkMs"]) for path in files]


def recorded_watermarks(epochs: Sequence[Mapping[str, Any]]) -> list[int]:
    """The same of the epochs in a plan."""
    return [int(epoch["evict_watermark_ms"]) for epoch in epochs]


def _register(con: duckdb.DuckDBPyConnection, spans: Sequence[tuple[Any, ...]]) -> None:
    import pyarrow as pa

    columns = [list(column) for column in zip(*spans, strict=True)]
    con.register("spans", pa.table(columns, ["name", "i", "p", "start", "stop"]))
