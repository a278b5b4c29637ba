"""`plumbline diff --engine spark` on a real standalone master with two workers: does it find what DuckDB finds here?

    .venv/bin/python -m benchmarks.reconcile.cluster --seed 53

Compares one random pair of tables (tests/support/random_pairs.py) by both engines, Spark on a cluster
that tests/support/cluster.py starts and ends. Prints the counts; exits 1 when the
documents differ or a worker had nothing to do.
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

from tests.support.cluster import Cluster, running
from tests.support.random_pairs import Pair, random_pair


def found(engine: str, pair: Pair, folder: Path, there: Cluster) -> dict[str, Any]:
    """The document of `plumbline diff` by one engine, without the engine's own name."""
    command = [sys.executable, "-m", "plumbline", "diff", "a.parquet", "b.parquet", "--key", ",".join(pair.key)]
    command += ["--json", "--home", "home", "--engine", engine]
    done = subprocess.run(command, cwd=folder, env=there.environment(), capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr[-3000:])
    document: dict[str, Any] = json.loads(done.stdout)
    assert document.pop("engine")["name"] == engine
    return document


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seed", type=int, default=53)
    pair = random_pair(options.parse_args().seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cluster").mkdir()
        for file, table in (("a", pair.left), ("b", pair.right)):
            pq.write_table(table, folder / f"{file}.parquet")
        with running(folder / "cluster") as there:
            documents = [found(engine, pair, folder, there) for engine in ("duckdb", "spark")]
            workers = sorted({path.parts[-3] for path in there.executors()})
    same = documents[0] == documents[1]
    print(json.dumps({"seed": pair.seed, "counts": documents[1]["counts"], "workers": workers, "same": same}))
    return 0 if same and len(workers) == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
