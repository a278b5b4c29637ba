"""What it costs to compare a table of which a tenth is deleted, by each way in which Iceberg deletes rows.

    python -m benchmarks.diff.updated [--rows 1000000] [--commits 20]

The table has ROWS rows of five columns in files of `--commits` commits; a tenth of them are deleted by positions, by
deletion vectors (version 3), or by value, each tenth of a commit in the next one, as a sink of upserts does it. Each
is compared with a Parquet file of what must be left, by key, with 512 MB for the whole process. Exit code 1 if a
verdict is wrong, a table takes more than twice the CPU of the same rows without deletes, or a process more than 512 MB.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import DoubleType, LongType, NestedField, StringType, TimestamptzType

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from tests.support.updated_tables import UpdatedTable

SCHEMA = Schema(
    NestedField(1, "k", LongType()), NestedField(2, "a", StringType()), NestedField(3, "b", StringType()),
    NestedField(4, "v", DoubleType()), NestedField(5, "seen", TimestamptzType()),
)  # fmt: skip
WAYS = ("none", "positions", "vectors", "values")
MEASURED = """
import pathlib, re, resource, sys, plumbline
from plumbline.connect.home import Home
found = plumbline.diff(sys.argv[1], "bench." + sys.argv[2], "k", memory="256MB", home=Home.resolve(sys.argv[3]))
used = resource.getrusage(resource.RUSAGE_SELF)
peak_kb = re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]
counts = found.summary["counts"]
print(counts["match"], sum(counts.values()) - counts["match"], used.ru_utime + used.ru_stime, int(peak_kb) / 1000)
"""


def rows(start: int, end: int) -> pa.Table:
    sql = f"""SELECT range AS k, md5(range::VARCHAR) AS a, md5((range + 1)::VARCHAR) AS b, range / 3 AS v,
        TIMESTAMPTZ '2024-01-01' + INTERVAL 1 SECOND * range AS seen FROM range({start}, {end})"""
    return duckdb.sql(sql).to_arrow_table()


def write(lake: Lake, way: str, count: int, commits: int) -> None:
    """A table `bench.<way>`; without deletes, of the rows that are left only."""
    table = UpdatedTable(lake, f"bench.{way}", SCHEMA, version=3 if way == "vectors" else 2)
    step, adds = count // commits, []
    for start in range(0, count, step):
        made = rows(start, start + step)
        deleted = [n for n in range(step) if (start + n) % 10 == 3]
        if way == "none":
            adds = [table.data(made.filter(pa.array([(start + n) % 10 != 3 for n in range(step)])))]
            table.commit(adds)
            continue
        part = table.data(made)
        table.commit([part, *adds])
        adds = table.positions({part: deleted}) if way != "values" else [table.equality(made.take(deleted), ["k"])]
    if way != "none":
        table.commit(adds)
    table.publish()


def measure(reference: Path, way: str, home: Path) -> tuple[int, int, float, float]:
    """Rows that match, that do not, seconds of CPU and the peak of memory in MB, of a process of its own."""
    command = [sys.executable, "-c", MEASURED, str(reference), way, str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    match, other, cpu, peak = re.split(r"\s+", done.stdout.strip())
    return int(match), int(other), float(cpu), float(peak)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--commits", type=int, default=20)
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        home, reference = Home.resolve(Path(folder) / "home"), Path(folder) / "reference.parquet"
        lake = Lake.open(home)
        made = rows(0, options.rows)  # noqa: F841 (DuckDB finds it by its name)
        duckdb.sql(f"COPY (SELECT * FROM made WHERE k % 10 <> 3) TO '{reference}' (FORMAT parquet)")
        plain = 0.0
        for way in WAYS:
            write(lake, way, options.rows, options.commits)
            match, other, cpu, peak = min((measure(reference, way, home.root) for _ in range(3)), key=lambda m: m[2])
            plain = plain or cpu
            right = match == options.rows * 9 // 10 and other == 0
            good = good and right and cpu <= 2 * plain and peak <= 512
            print(f"{way:10} {match:,} match, {other} do not; {cpu:.2f} s CPU ({cpu / plain:.2f}), {peak:.0f} MB")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
