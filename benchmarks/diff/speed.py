"""CPU seconds and peak memory of the diff beside other tools, in one run: each in a process of its own.

    python -m benchmarks.diff.speed --rows 10_000_000 --drift 0 1e-5 1e-3 5e-2 --tools plumbline duckdb
    python -m benchmarks.diff.speed --rows 2_000_000 --drift 1e-3

CPU is that of the process and its children, peak is the sum of their peaks of resident memory. Each tool must find the
planted counts of each class, or of differing keys, or its line says what it found instead. All get two threads.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.diff.tables import KEY, write_left, write_right

Counts = dict[str, int]


def ours(left: str, right: str, tolerances: list[str] | None = None, engine: str = "duckdb") -> Counts:
    import plumbline
    from plumbline.reconcile.diff.tolerances import parse_tolerances

    rules = parse_tolerances(tolerances or [])
    counts = plumbline.diff(left, right, list(KEY), tolerances=rules, engine=engine).summary["counts"]
    return {name: counts[name] for name in ("mismatch", "missing", "extra", "duplicate")}


def ours_by_spark(left: str, right: str, tolerances: list[str] | None = None) -> Counts:
    return ours(left, right, tolerances, engine="spark")


def duckdb(left: str, right: str) -> Counts:
    """The full join as most people write it, on the bare rows: it misses doubled keys, as do the joins below."""
    import duckdb

    con = duckdb.connect(config={"threads": 2, "preserve_insertion_order": False})
    names = [name for name in con.sql(f"FROM '{left}'").columns if name not in KEY]
    differ = " OR ".join(f"a.{name} IS DISTINCT FROM b.{name}" for name in names)
    same_key = " AND ".join(f"a.{name} = b.{name}" for name in KEY)
    found = con.execute(f"""
        SELECT CASE WHEN b.event_id IS NULL THEN 'missing' WHEN a.event_id IS NULL THEN 'extra'
                    WHEN {differ} THEN 'mismatch' ELSE 'match' END AS class, count(*)
        FROM '{left}' a FULL JOIN '{right}' b ON {same_key} GROUP BY class
    """).fetchall()
    return {name: count for name, count in found if name != "match"}


def polars(left: str, right: str) -> Counts:
    import polars as pl

    a, b = pl.read_parquet(left), pl.read_parquet(right)
    joined = a.join(b, on=KEY, how="full", suffix="_b", nulls_equal=True)
    names = [name for name in a.columns if name not in KEY]
    missing, extra = joined["event_id_b"].is_null(), joined["event_id"].is_null()
    differ = joined.select(pl.any_horizontal(pl.col(n).ne_missing(pl.col(f"{n}_b")) for n in names)).to_series()
    return {
        "mismatch": int((differ & ~missing & ~extra).sum()),
        "missing": int(missing.sum()),
        "extra": int(extra.sum()),
    }


def datacompy(left: str, right: str) -> Counts:
    import polars as pl
    from datacompy import PolarsCompare

    found = PolarsCompare(pl.read_parquet(left), pl.read_parquet(right), join_columns=list(KEY))
    return {
        "mismatch": len(found.all_mismatch()),
        "missing": len(found.df1_unq_rows),
        "extra": len(found.df2_unq_rows),
    }


def reladiff(left: str, right: str) -> Counts:
    """Its join inside DuckDB, which is what it does within one database; left alone it refuses doubled keys."""
    import duckdb
    from reladiff import Algorithm, connect_to_table, diff_tables

    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "two.duckdb")
        with duckdb.connect(database) as con:
            con.execute(f"CREATE VIEW a AS FROM '{left}'; CREATE VIEW b AS FROM '{right}'")
            names = tuple(name for name in con.sql("FROM a").columns if name not in KEY)
        where = {"driver": "duckdb", "filepath": database}
        signs: dict[Any, set[str]] = {}
        for sign, row in diff_tables(
            *(connect_to_table(where, name, KEY) for name in "ab"),
            key_columns=KEY,
            extra_columns=names,
            algorithm=Algorithm.JOINDIFF,
            validate_unique_key=False,
        ):
            signs.setdefault(row[: len(KEY)], set()).add(sign)
    classes = Counter("".join(sorted(found)) for found in signs.values())
    return {"mismatch": classes["+-"], "missing": classes["-"], "extra": classes["+"]}


def pyspark(left: str, right: str) -> Counts:
    from pyspark.sql import SparkSession, functions

    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "3g")
        .config("spark.sql.shuffle.partitions", "8")
        .getOrCreate()
    )
    a, b = spark.read.parquet(left).alias("a"), spark.read.parquet(right).alias("b")
    names = [name for name in a.columns if name not in KEY]
    same_key = " AND ".join(f"a.{name} <=> b.{name}" for name in KEY)
    differ = " OR ".join(f"NOT a.{name} <=> b.{name}" for name in names)
    which = functions.expr(
        f"CASE WHEN b.event_id IS NULL THEN 'missing' WHEN a.event_id IS NULL THEN 'extra' "
        f"WHEN {differ} THEN 'mismatch' ELSE 'match' END"
    )
    rows = a.join(b, functions.expr(same_key), "full").groupBy(which.alias("class")).count().collect()
    return {row["class"]: row["count"] for row in rows if row["class"] != "match"}


TOOLS: dict[str, Callable[..., Counts]] = {
    "plumbline": ours,
    "plumbline-spark": ours_by_spark,
    "duckdb": duckdb,
    "polars": polars,
    "datacompy": datacompy,
    "reladiff": reladiff,
    "pyspark": pyspark,
}

OURS = (ours, ours_by_spark)


def run_here(tool: str, left: str, right: str, tolerances: list[str]) -> None:
    """Run one tool in this process and print what it found and cost. Memory that gives out ends this process first."""
    Path("/proc/self/oom_score_adj").write_text("1000")
    run = TOOLS[tool]
    counts = run(left, right, tolerances) if run in OURS else run(left, right)
    processes = [os.getpid(), *_children(os.getpid())]
    cost = {"cpu": sum(map(_cpu_seconds, processes)), "peak_mb": sum(map(_peak_mb, processes))}
    print(json.dumps({"counts": counts, **cost}), flush=True)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [int(child) for child in listed]
    return found + [deeper for child in found for deeper in _children(child)]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> int:
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) // 1000 if match else 0


def measured(tool: str, left: Path, right: Path, limit_s: int, tolerances: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", __spec__.name, "--tolerance", *tolerances, "--run", tool, str(left), str(right)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return {"error": f"no answer in {limit_s} s"}
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}"}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=2_000_000)
    parser.add_argument("--drift", type=float, nargs="+", default=[0.0, 1e-3])
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--limit", type=int, default=900, metavar="SECONDS", help="what a tool may take")
    parser.add_argument("--folder", type=Path, help="keep the tables there for the next run")
    parser.add_argument(
        "--tolerance", nargs="*", default=[], metavar="COLUMN=RULE", help="given to plumbline: n1=abs:1 f1=rel:1e-9"
    )
    parser.add_argument("--run", nargs=3, metavar=("TOOL", "LEFT", "RIGHT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        run_here(*asked.run, asked.tolerance)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        compare_all(folder, asked.rows, asked.drift, asked.tools, asked.limit, asked.tolerance)


def compare_all(
    folder: Path, rows: int, drifts: list[float], tools: list[str], limit_s: int, tolerances: list[str]
) -> None:
    left = folder / f"left_{rows}.parquet"
    if not left.exists():
        write_left(left, rows)
    print("| rows | drift | tool | CPU s | of DuckDB's | peak MB | found |\n|---|---|---|---|---|---|---|")
    for drift in drifts:
        right = folder / f"right_{rows}_{drift:g}.parquet"
        planted = write_right(right, rows, drift)
        found = {tool: measured(tool, left, right, limit_s, tolerances) for tool in tools}
        base = found.get("duckdb", {}).get("cpu")
        for tool, result in found.items():
            print(f"| {rows:,} | {drift:.3%} | {tool} | {_line(result, base, planted)} |", flush=True)


def _line(result: dict[str, Any], base: float | None, planted: Counts) -> str:
    if "error" in result:
        return f"| | | {result['error']}"
    share = f"{result['cpu'] / base:.2f}" if base else ""
    counts = {name: count for name, count in result["counts"].items() if count}
    right = counts == {name: count for name, count in planted.items() if count}
    return f"{result['cpu']:.1f} | {share} | {result['peak_mb']:,} | {'all planted' if right else counts}"


if __name__ == "__main__":
    main()
