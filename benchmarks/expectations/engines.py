"""What the suite costs on one machine: our DuckDB facts against Great Expectations' own pandas and Spark engines.

    python -m benchmarks.expectations.engines [--rows 2000000] [--engines duckdb,pandas,spark]

Prints a line for each engine: seconds by the clock, CPU seconds and peak memory of a fresh process, imports and
Spark's start included. pandas cannot run the four SQL conditions nor compare Iceberg's types; it runs the rest.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.loader import load
from plumbline.contract.model import Contract

CONTRACT = Path(__file__).parents[2] / "plumbline" / "demo" / "flights" / "flights.yaml"
START = datetime(2020, 1, 1, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")


def made(rows: int) -> pa.Table:
    """Rows as the flights join writes them, a tenth of them unmatched; every expectation holds."""
    n = pa.array(range(rows), pa.int64())
    matched = pc.not_equal(pc.subtract(n, pc.multiply(pc.divide(n, 10), 10)), 0)
    second = pc.multiply(n, 15_000_000)
    at = pc.add(second, int(START.timestamp()) * 1_000_000).cast(MOMENT)
    later = pc.add(second, int(START.timestamp()) * 1_000_000 + 3 * 3600 * 1_000_000).cast(MOMENT)

    def right(values: pa.Array) -> pa.Array:
        return pc.if_else(matched, values, pa.scalar(None, values.type))

    return pa.table(
        {
            "flight_id": pc.binary_join_element_wise(n.cast(pa.string()), "/AA1/JFK", ""),
            "carrier": pa.repeat(pa.scalar("AA"), rows),
            "origin": pa.repeat(pa.scalar("JFK"), rows),
            "dest": pa.repeat(pa.scalar("MIA"), rows),
            "departed_at": at,
            "dep_delay": pc.divide(n.cast(pa.float64()), 1e6),
            "arrived_at": right(later),
            "arr_delay": right(pc.divide(n.cast(pa.float64()), 1e6)),
            "_event_time": at,
            "_left_partition": pa.repeat(pa.scalar(0, pa.int32()), rows),
            "_left_offset": n,
            "_right_partition": right(pa.repeat(pa.scalar(0, pa.int32()), rows)),
            "_right_offset": right(n),
            "_replay_id": pa.nulls(rows, pa.string()),
        }
    )


def with_duckdb(contract: Contract, home: Home) -> bool:
    from plumbline.expectations.run import run

    return run(contract, home, on=["stream"]).success


def with_pandas(contract: Contract, home: Home) -> bool:
    from plumbline.expectations.rules import NO_ROWS, TYPE

    frame = Lake.open(home).load(contract.output.stream_table).scan().to_pandas()
    asset = _context().data_sources.add_pandas("frames").add_dataframe_asset("rows")
    return _validated(contract, asset, frame, without=(NO_ROWS, TYPE))


def with_spark(contract: Contract, home: Home) -> bool:
    from plumbline.connect.spark import session

    spark = session(home, Lake.open(home), app="expectations")
    frame = spark.table(f"lake.{contract.output.stream_table}")
    asset = _context().data_sources.add_spark("lake").add_dataframe_asset("rows")
    return _validated(contract, asset, frame)


ENGINES = {"duckdb": with_duckdb, "pandas": with_pandas, "spark": with_spark}


def _context() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context


def _validated(contract: Contract, asset: Any, frame: Any, without: tuple[str, ...] = ()) -> bool:
    from plumbline.expectations.rules import rules
    from plumbline.expectations.validation import RESULT_FORMAT, suite

    kept = [rule for rule in rules(contract) if rule.kind not in without]
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    return bool(batch.validate(suite("benchmark", kept, {}), result_format=RESULT_FORMAT).success)


def measure(engine: str, root: str) -> None:
    """In its own process: run, and say what it cost."""
    started = time.monotonic()
    success = ENGINES[engine](load(CONTRACT), Home.resolve(root))
    wall = time.monotonic() - started
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    # Spark's JVM is a child that still runs: its own account is in /proc.
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    jvm_cpu, jvm_mb = _living_children()
    megabytes = own.ru_maxrss / 1024 + jvm_mb
    print(f"{engine:<8} {wall:7.1f} s {cpu + jvm_cpu:7.1f} CPU s {megabytes:7.0f} MB  all hold: {success}", flush=True)


def _living_children() -> tuple[float, float]:
    """CPU seconds and peak MB of this process's children that have not ended (Linux)."""
    cpu = memory = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        if int(fields[1]) == os.getpid():
            cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            peak = [line for line in (stat.parent / "status").read_text().splitlines() if line.startswith("VmHWM")]
            memory += sum(int(line.split()[1]) / 1024 for line in peak)
    return cpu, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--measure", nargs=2, metavar=("ENGINE", "HOME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as root:
        lake, table = Lake.open(Home.resolve(root)), load(CONTRACT).output.stream_table
        rows = made(options.rows)
        lake.ensure_table(table, rows.schema)
        lake.append(table, rows)
        print(f"{options.rows:,} rows, {len(rows.column_names)} columns", flush=True)
        for engine in options.engines.split(","):
            subprocess.run([sys.executable, "-m", __spec__.name, "--measure", engine, root], check=True, timeout=1800)


if __name__ == "__main__":
    main()
