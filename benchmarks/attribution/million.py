"""CPU seconds and peak memory of a reconcile in which most rows drift, at three sizes: attribution must stay linear.

    .venv/bin/python -m benchmarks.attribution.million [--rows 1250000] [--memory 512MB]

Of ten batch rows eight drift, one each by: a late left record, a late right one, data loss, another value, a double
commit, a batch run that came too early, an archive gap, and nothing that can be proven. Runs a quarter, a half and all
of `--rows`, each reconcile in a process of its own, and checks what each cause counts. Exits 1 when a count is
wrong or the CPU seconds per row of the largest run are more than 1.5 times those of the smallest.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import EPOCHS
from plumbline.connect.tables import ARCHIVE_SCHEMA, EPOCHS_SCHEMA
from plumbline.contract.loader import parse
from tests.support.world import CONTRACT, OUTPUT, START

TEXT = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
CAUSES = (
    *("late_left", "late_right", "lost_output", "value_divergence", "double_commit", "arrived_after_batch"),
    *("archive_gap", "unexplained"),
)
"""The cause of the rows with this number, from 1, as last digit; those with 0 and 9 agree."""

EPOCH = 20_000
STEP_US = 100_000
PLANNED = START + timedelta(days=30)
LATE_US = 3 * 3_600_000_000
BEHIND = 60_000
"""A late right record comes so many places later: more than an hour and a half. Nothing is late in the first epoch."""


def events(con: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Table `events`: per row its digit, event times (us) and places of both records in their topics."""
    start_us = round(START.timestamp() * 1_000_000)
    con.execute(
        f"""
        CREATE TABLE events AS
        WITH planted AS (
            SELECT i, CASE WHEN i < {EPOCH} AND i % 10 = 1 OR i >= {rows - BEHIND} AND i % 10 = 2 THEN 0
                ELSE i % 10 END AS digit
            FROM range({rows}) t(i)
        ),
        timed AS (
            SELECT *, {start_us} + i * {STEP_US} - if(digit = 1, {LATE_US}, 0) AS left_us FROM planted
        ),
        placed AS (
            SELECT *, left_us + 60000000 AS right_us,
                row_number() OVER (ORDER BY i + if(digit = 2, {BEHIND}, 0), i) - 1 AS right_place
            FROM timed
        )
        SELECT *, i % 2 AS left_partition, i // 2 AS left_offset,
            right_place % 2 AS right_partition, right_place // 2 AS right_offset
        FROM placed
        """
    )


def archive(con: duckdb.DuckDBPyConnection, lake: Lake, side: str, late_ones: bool) -> None:
    """Append one source's records: those that came before the batch run, or the others."""
    source = {"left": "shows", "right": "plays"}[side]
    chosen = "digit = 6" if late_ones and side == "left" else "digit <> 6" if side == "left" else "digit <> 7"
    given = {
        "topic": f"'t.{source}'",
        "partition": f"{side}_partition::INTEGER",
        "offset": f"{side}_offset",
        "kafka_timestamp": f"make_timestamptz({side}_us + 1000)",
        "event_time": f"make_timestamptz({side}_us)",
    }
    columns = ", ".join(f'{given.get(f.name, "NULL")} AS "{f.name}"' for f in ARCHIVE_SCHEMA)
    rows = con.sql(f"SELECT {columns} FROM events WHERE {chosen}").to_arrow_table().cast(ARCHIVE_SCHEMA)
    lake.ensure_table(f"raw.{source}", ARCHIVE_SCHEMA, ("day", "event_time"))
    lake.append(f"raw.{source}", rows)


def output(con: duckdb.DuckDBPyConnection, where: str, right: str, seconds: str = "right_us / 1e6") -> Any:
    """Output rows of the chosen events; without their right record where `right` does not hold."""
    columns = f"""
        'k' || i AS show_id, 'title' AS title, if({right}, 'p' || i, NULL) AS play_id,
        if({right}, {seconds}, NULL) AS seconds, make_timestamptz(left_us) AS _event_time,
        left_partition::INTEGER AS _left_partition, left_offset AS _left_offset,
        if({right}, right_partition, NULL)::INTEGER AS _right_partition,
        if({right}, right_offset, NULL) AS _right_offset, NULL::VARCHAR AS _replay_id
    """
    return con.sql(f"SELECT {columns} FROM events WHERE {where}").to_arrow_table().cast(OUTPUT)


def ledger(con: duckdb.DuckDBPyConnection, lake: Lake, rows: int) -> None:
    """Epochs of EPOCH records a side; ten minutes of delay, and a last epoch that closes all windows."""
    start_ms, found = round(START.timestamp() * 1000), []
    edges = [*range(0, rows, EPOCH), rows]
    for number, (low, high) in enumerate(zip(edges, [*edges[1:], rows], strict=True)):
        late_ms, evict_ms = (
            max(0, start_ms + (edges[number - back] * STEP_US // 1000) - 600_000) if number >= back else 0
            for back in (1, 0)
        )
        evict_ms = start_ms + 10 * 86_400_000 if low == high else evict_ms
        for source in ("shows", "plays"):
            for partition in (0, 1):
                spans = {"start_offset": (low + 1 - partition) // 2, "end_offset": (high + 1 - partition) // 2}
                marks = {"late_watermark_ms": late_ms, "evict_watermark_ms": evict_ms, "planned_at": PLANNED}
                names = {"contract": "plays", "query_id": "q", "run_id": "r", "source": source, "topic": f"t.{source}"}
                found.append({**names, "epoch": number, "partition": partition, "no_data": False, **spans, **marks})
    import pyarrow as pa

    lake.ensure_table(EPOCHS, EPOCHS_SCHEMA)
    lake.append(EPOCHS, pa.Table.from_pylist(found, schema=EPOCHS_SCHEMA))


def build(folder: Path, rows: int) -> dict[str, int]:
    """All tables of a contract with `rows` events a side; findings per cause."""
    lake, con = Lake.open(Home(folder, folder / "jars")), duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    events(con, rows)
    archive(con, lake, "left", False)
    archive(con, lake, "right", False)
    seen = {
        f"plumbline.archive.{name}.snapshot-id": str(lake.load(f"raw.{name}").current_snapshot().snapshot_id)
        for name in ("shows", "plays")
    }
    archive(con, lake, "left", True)
    ledger(con, lake, rows)
    ranges = {"plumbline.range.from": "open", "plumbline.range.to": "open"}
    for table in ("joined.plays_batch", "joined.plays_stream"):
        lake.ensure_table(table, OUTPUT, ("day", "_event_time"))
    lake.append("joined.plays_batch", output(con, "digit <> 6", "digit <> 7"), {**ranges, **seen})
    stream = output(con, "digit NOT IN (1, 3)", "digit NOT IN (2, 8)", "right_us / 1e6 + (digit = 4)::INTEGER")
    lake.append("joined.plays_stream", stream)
    lake.append("joined.plays_stream", output(con, "digit = 5", "true"))
    planted = con.execute("SELECT digit, count(*) FROM events WHERE digit BETWEEN 1 AND 8 GROUP BY digit").fetchall()
    return {CAUSES[digit - 1]: number for digit, number in planted}


def reconciled(folder: Path, memory: str) -> dict[str, Any]:
    """Reconcile in this process; what it cost and found."""
    from plumbline.reconcile.run import reconcile

    before, began = time.process_time(), time.monotonic()
    document = reconcile(parse(TEXT), Home(folder, folder / "jars"), memory=memory).document
    # Not getrusage: its peak is also that of the process which started this one.
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    cost = {"cpu": time.process_time() - before, "wall": time.monotonic() - began, "peak_mb": int(peak) / 1024}
    return {**cost, "causes": document["causes"], "balanced": document["balanced"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_250_000)
    parser.add_argument("--memory", default="512MB")
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.home:
        print(json.dumps(reconciled(options.home, options.memory)))
        return 0
    per_row, right = [], True
    for rows in (options.rows // 4, options.rows // 2, options.rows):
        with tempfile.TemporaryDirectory(prefix="million-") as folder:
            planted = build(Path(folder), rows)
            command = [sys.executable, "-m", __spec__.name, "--home", folder, "--memory", options.memory]
            ran = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        per_row.append(ran["cpu"] / rows)
        right = right and ran["balanced"] and ran["causes"] == planted
        print(
            f"{rows:>9,} rows, {sum(ran['causes'].values()):>9,} drifted: {ran['cpu']:6.1f} CPU s, "
            f"{1e6 * per_row[-1]:5.1f} us a row, peak {ran['peak_mb']:5.0f} MB"
            + ("" if ran["causes"] == planted else f", planted {planted}, found {ran['causes']}"),
            flush=True,
        )
    return 0 if right and per_row[-1] < 1.5 * per_row[0] else 1


if __name__ == "__main__":
    sys.exit(main())
