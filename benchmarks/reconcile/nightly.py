"""What a nightly reconcile costs when one of many days has changed, beside a full one of the same tables.

    .venv/bin/python -m benchmarks.reconcile.nightly --days 30 --rows 100000

Makes both outputs (14 columns beside lineage, a file per day), both archives and a ledger; a thousandth of the rows has
another value in the stream. Then: a full run; one with nothing changed; one after a value changed in the newest day; a
full run again. Findings, counts and books of the last two must be the same. Figures are CPU seconds; imports and the
making of the tables are outside, the recording of run, findings and verdicts is in. What a run costs that reads nothing
(catalog, manifests, statements, recording) is `nothing changed`; `rows_alone` is the ratio with that taken from both
sides. Rows that the stream lost would not do as drift: days with `lost_output` are read again every time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import EPOCHS
from plumbline.connect.tables import ARCHIVE_SCHEMA, EPOCHS_SCHEMA
from plumbline.contract.loader import parse
from plumbline.contract.ranges import TimeRange, spell_time
from plumbline.reconcile.run import Run, reconcile

START = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NUMBERS, TEXTS = 6, 6
CONTRACT = f"""
contract: nightly
sources:
  shows:
    topic: t.shows
    fields: {{show_id: string, shown_at: timestamp, {", ".join(f"t{i}: string" for i in range(TEXTS))}}}
    event_time: shown_at
    watermark: 10 minutes
    archive: raw.shows
  plays:
    topic: t.plays
    fields: {{show_id: string, played_at: timestamp, {", ".join(f"n{i}: double" for i in range(NUMBERS + 1))}}}
    event_time: played_at
    watermark: 10 minutes
    archive: raw.plays
join: {{left: shows, right: plays, kind: left_outer, on: [show_id], within: [0 minutes, 60 minutes]}}
output:
  key: [show_id]
  columns: [{", ".join([f"shows.t{i}" for i in range(TEXTS)] + [f"plays.n{i}" for i in range(NUMBERS + 1)])}]
  stream_table: joined.stream
  batch_table: joined.batch
"""


def rows_of(day: int, rows: int) -> pa.Table:
    """The joined rows of one day: random keys, so that no file's bounds tell them apart."""
    dice = np.random.default_rng(day)
    at = pa.array(np.sort(dice.integers(0, 86_400_000_000, rows)) + day_us(day), pa.timestamp("us", tz="UTC"))
    offsets = pa.array(np.arange(rows) + day * rows, pa.int64())
    columns = {"show_id": pa.array([f"{n:016x}" for n in dice.integers(0, 1 << 62, rows)])}
    columns |= {f"t{i}": pa.array(dice.choice(["alpha", "beta", "gamma", f"day {day}"], rows)) for i in range(TEXTS)}
    columns |= {f"n{i}": pa.array(dice.normal(size=rows)) for i in range(NUMBERS + 1)}
    partition = pa.array(np.zeros(rows, np.int32))
    lineage = {"_event_time": at, "_left_partition": partition, "_left_offset": offsets}
    lineage |= {"_right_partition": partition, "_right_offset": offsets, "_replay_id": pa.nulls(rows, pa.string())}
    return pa.table({**columns, **lineage})


def day_us(day: int) -> int:
    return int((START + day * DAY).timestamp()) * 1_000_000


def archived(rows: pa.Table, source: str) -> pa.Table:
    """The records that the rows were made from; of the bytes only what fills the columns."""
    many, at = rows.num_rows, rows["_event_time"]
    if source == "plays":  # within the join's bounds, not at them
        at = pc.add(at, pa.scalar(timedelta(minutes=1), pa.duration("us")))
    columns: dict[str, Any] = {
        "topic": pa.array([f"t.{source}"] * many),
        "partition": rows["_left_partition"],
        "offset": rows["_left_offset"],
        "kafka_timestamp": at,
        "key": pc.cast(rows["show_id"], pa.binary()),
        "value": pc.cast(rows["show_id"], pa.binary()),
        "event_time": at,
    }
    plain = {"kafka_timestamp_type": pa.array([0] * many, pa.int32()), "schema_id": pa.array([0] * many, pa.int32())}
    absent = {f.name: pa.nulls(many, f.type) for f in ARCHIVE_SCHEMA if f.name not in {**columns, **plain}}
    return pa.table({f.name: {**columns, **plain, **absent}[f.name] for f in ARCHIVE_SCHEMA}).cast(ARCHIVE_SCHEMA)


def make(lake: Lake, days: int, rows: int) -> None:
    """All tables; the batch table's last commit covers the range."""
    covers = {"plumbline.range.from": spell_time(START), "plumbline.range.to": spell_time(START + days * DAY)}
    for day in range(days):
        batch = rows_of(day, rows)
        differs = pa.array(np.arange(rows) % 1000 == 7)
        values = pc.if_else(differs, pc.add(batch["n1"], 1.0), batch["n1"])
        stream = batch.set_column(batch.column_names.index("n1"), "n1", values)
        for table, part, properties in (
            ("joined.batch", batch, covers),
            ("joined.stream", stream, {}),
            ("raw.shows", archived(batch, "shows"), {}),
            ("raw.plays", archived(batch, "plays"), {}),
        ):
            column = "event_time" if table.startswith("raw") else "_event_time"
            lake.ensure_table(table, part.schema, ("day", column))
            lake.append(table, part, properties)
    lake.ensure_table(EPOCHS, EPOCHS_SCHEMA)
    lake.append(EPOCHS, pa.Table.from_pylist(list(ledger(days, rows)), schema=EPOCHS_SCHEMA))


def ledger(days: int, rows: int) -> Any:
    """An epoch a day, each behind the watermark of the day before, and a last one that closes everything."""
    for epoch in range(days + 1):
        for source in ("shows", "plays"):
            yield {
                "contract": "nightly", "query_id": "q", "run_id": "r", "epoch": epoch, "source": source,
                "topic": f"t.{source}", "partition": 0, "start_offset": epoch * rows,
                "end_offset": min(epoch + 1, days) * rows,
                "late_watermark_ms": max(0, day_us(epoch) // 1000 - 3_600_000),
                "evict_watermark_ms": day_us(epoch + 1) // 1000 - 3_600_000 + (epoch == days) * 10**9,
                "no_data": epoch == days, "planned_at": START + epoch * DAY,
            }  # fmt: skip


def change(lake: Lake, day: int) -> None:
    """Another value in one row of the stream's day."""
    times = TimeRange(START + day * DAY, START + (day + 1) * DAY).iceberg("_event_time") or ""
    table = lake.load("joined.stream")
    rows = table.scan(row_filter=times).to_arrow()
    values = rows["n0"].to_pylist()
    values[5] = 1e9
    table.overwrite(rows.set_column(rows.column_names.index("n0"), "n0", pa.array(values)), overwrite_filter=times)


def measured(act: Callable[[], Run]) -> tuple[float, Run]:
    begun = time.process_time()
    run = act()
    return time.process_time() - begun, run


def joined(lake: Lake) -> float:
    """CPU seconds of DuckDB's own full join of both outputs by key that counts the rows which differ, without a bound
    on its memory: no cause, no lineage, no books."""
    batch, stream = (
        [task.file.file_path.removeprefix("file://") for task in lake.load(f"joined.{name}").scan().plan_files()]
        for name in ("batch", "stream")
    )
    values = [*(f"t{i}" for i in range(TEXTS)), *(f"n{i}" for i in range(NUMBERS + 1))]
    differ = " OR ".join(f"b.{name} IS DISTINCT FROM s.{name}" for name in values)
    con = duckdb.connect(config={"threads": 2})
    begun = time.process_time()
    both = f"read_parquet({batch}) b FULL JOIN read_parquet({stream}) s USING (show_id)"
    con.execute(f"SELECT count(*) FROM {both} WHERE {differ}").fetchall()
    return time.process_time() - begun


def told(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run.document.items() if name != "reused"}


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--days", type=int, default=30)
    options.add_argument("--rows", type=int, default=100_000, help="of each day")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, contract = Home(Path(folder), Path(folder) / "jars"), parse(CONTRACT)
        lake = Lake.open(home)
        make(lake, 1, 100)  # loads every module before anything is measured
        reconcile(contract, home)
        for table in lake.tables():
            lake.catalog().drop_table(table)
        make(lake, asked.days, asked.rows)
        first, _ = measured(lambda: reconcile(contract, home))
        same, unchanged = measured(lambda: reconcile(contract, home))
        change(lake, asked.days - 1)
        nightly, some = measured(lambda: reconcile(contract, home))
        join = joined(lake)
        full, whole = measured(lambda: reconcile(contract, home, full=True, record=False))
    report = {
        "days": asked.days, "rows_per_day": asked.rows, "counts": some.document["counts"],
        "cpu_seconds": {
            "first": first, "nothing changed": same, "one day changed": nightly, "full": full, "duckdb's join": join,
        },
        "full_of_join": full / join,
        "reused": [unchanged.document["reused"], some.document["reused"]],
        "nightly_of_full": nightly / full, "rows_alone": (nightly - same) / (full - same),
        "same_as_full": told(some) == told(whole),
    }  # fmt: skip
    print(json.dumps(report, indent=1, default=str))
    return 0 if told(some) == told(whole) else 1


if __name__ == "__main__":
    sys.exit(main())
