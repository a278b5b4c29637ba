"""CPU seconds of commands that have next to nothing to do: a few rows, one recorded reconcile.

    python -m benchmarks.starts.small --rounds 10
    python -m benchmarks.starts.small --rounds 10 --plumbline before=../before/.venv/bin/plumbline

CPU is that of the process and its children, user and system. The commands take turns, so that other work on the machine
meets them all alike; a line has the least and the median of its rounds. `import NAME` lines are what a process pays for
a library alone, the line of one table what it pays to read one without Plumbline. With `--plumbline NAME=COMMAND` other
installations are measured in the same turns.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.reconcile.causes.test_causes import stream_of
from tests.support.world import CONTRACT, World, play, show

LINES = (
    "--version",
    "diff a.csv b.csv --key id",
    "diff a.csv b.csv --key wrong",
    "diff joined.plays_batch joined.plays_stream --key show_id",
    "diff joined.plays_batch joined.plays_stream --key wrong",
    "history plays.yaml",
    "explain x --contract plays.yaml",
    "explain --key wrong=1 --contract plays.yaml",
    "report plays.yaml --out page.html",
    "report plays.yaml --format md",
)
ONE_TABLE = """
import sys, duckdb, pyarrow
from pyiceberg.table import StaticTable
files = [task.file.file_path for task in StaticTable.from_metadata(sys.argv[1]).scan().plan_files()]
duckdb.sql("SELECT count(*) FROM read_parquet(?)", params=[files]).fetchall()
"""
"""A program that finds the files of one Iceberg table, without a catalog, and reads them by DuckDB. Its argument is the
table's metadata file."""
LIBRARIES = ("pyiceberg.table", "pyarrow", "duckdb", "pydantic", "pandas", "sqlalchemy.orm", "pyiceberg.io.pyarrow")


def prepare(folder: Path) -> None:
    """A home with the tables of one afternoon and a recorded reconcile of them, its contract, two files that differ."""
    stream_of(World.at(folder / "home"), [show("x", 3), play("pc", "c", 4)]).write().reconcile()
    (folder / "plays.yaml").write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    for name, value in (("a", 2), ("b", 3)):
        (folder / f"{name}.csv").write_text(f"id,v\n1,{value}\n2,5\n")


def cpu_seconds(command: Sequence[str], folder: Path) -> float:
    """User and system time of the command and its children. Raises when it ends as none of these lines should."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    home = {"PLUMBLINE_HOME": str(folder / "home")}
    done = subprocess.run(command, cwd=folder, env={**os.environ, **home}, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode > 2:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(commands: dict[str, list[list[str]]], folder: Path, rounds: int) -> Iterator[list[str]]:
    """One row of cells for each line: its name, then least and median CPU of each of its commands."""
    found: dict[str, list[list[float]]] = {name: [[] for _ in each] for name, each in commands.items()}
    for _ in range(rounds):
        for name, each in commands.items():
            for times, command in zip(found[name], each, strict=True):
                times.append(cpu_seconds(command, folder))
    for name, each in found.items():
        yield [name, *(f"{min(times):.2f} ({statistics.median(times):.2f})" for times in each)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--plumbline", action="append", default=[], metavar="NAME=COMMAND")
    options = parser.parse_args()
    others = dict(pair.split("=", 1) for pair in options.plumbline)
    installed = {**others, "here": str(Path(sys.executable).with_name("plumbline"))}
    with tempfile.TemporaryDirectory(prefix="plumbline-starts-") as name:
        folder = Path(name)
        prepare(folder)
        lines = {line: [[path, *line.split()] for path in installed.values()] for line in LINES}
        alone = {f"import {library}": [[sys.executable, "-c", f"import {library}"]] for library in LIBRARIES}
        metadata = max((folder / "home").rglob("plays_batch/metadata/*.metadata.json"), key=os.path.getmtime)
        alone["one table, read by PyIceberg and DuckDB"] = [[sys.executable, "-c", ONE_TABLE, str(metadata)]]
        print(f"| CPU s, least (median) of {options.rounds} | {' | '.join(installed)} |")
        print("|---|" + "---|" * len(installed))
        for cells in (*measured(lines, folder, options.rounds), *measured(alone, folder, options.rounds)):
            print(f"| `{cells[0]}` | {' | '.join(cells[1:])} |")


if __name__ == "__main__":
    main()
