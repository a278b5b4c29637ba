"""`plumbline diff` and `reconcile` on a standalone Spark master with two workers: do they find what DuckDB finds here?

    .venv/bin/python -m benchmarks.reconcile.cluster --seed 53

Compares one random pair of tables (tests/support/random_pairs.py), and the outputs of `benchmarks.reconcile.nightly`
over two days, by both engines, Spark on a cluster that tests/support/cluster.py starts and ends. Prints the counts;
exits 1 when documents differ or a worker had nothing to do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.reconcile.nightly import CONTRACT, make
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from tests.support.cluster import Cluster, running
from tests.support.random_pairs import Pair, random_pair

DAYS, ROWS = 2, 20_000


def by(engine: str, words: list[str], folder: Path, there: Cluster) -> dict[str, Any]:
    """The document of a command by one engine, without the engine's own name."""
    command = [sys.executable, "-m", "plumbline", *words, "--json", "--home", "home", "--engine", engine]
    done = subprocess.run(command, cwd=folder, env=there.environment(), capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr[-3000:])
    document: dict[str, Any] = json.loads(done.stdout)
    assert document.pop("engine", {"name": engine})["name"] == engine
    return document


def laid(pair: Pair, folder: Path) -> dict[str, list[str]]:
    """The tables of both commands; returns command to its words."""
    for file, table in (("a", pair.left), ("b", pair.right)):
        pq.write_table(table, folder / f"{file}.parquet")
    make(Lake.open(Home(folder / "home", folder / "jars")), DAYS, ROWS)
    (folder / "nightly.yaml").write_text(CONTRACT)
    return {
        "diff": ["diff", "a.parquet", "b.parquet", "--key", ",".join(pair.key)],
        "reconcile": ["reconcile", "nightly.yaml", "--full"],
    }


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seed", type=int, default=53)
    pair, report, same = random_pair(options.parse_args().seed), dict[str, Any](), True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cluster").mkdir()
        commands = laid(pair, folder)
        with running(folder / "cluster") as there:
            for command, words in commands.items():
                ours, theirs = (by(engine, words, folder, there) for engine in ("duckdb", "spark"))
                report[command], same = theirs["counts"], same and ours == theirs
            workers = sorted({path.parts[-3] for path in there.executors()})
    print(json.dumps({"seed": pair.seed, **report, "workers": workers, "same": same}))
    return 0 if same and len(workers) == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
