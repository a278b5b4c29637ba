"""What a full reconcile costs this process by each engine, and what Spark costs beside it; do both tell the same?

    .venv/bin/python -m benchmarks.reconcile.engines --days 30 --rows 100000

The tables are those of `benchmarks.reconcile.nightly`, a thousandth of the rows differs. Each run is a process of its
own. `python` is that process, after its imports; `jvm` is Spark's, its start included: with the local master the driver
and all executors are in it. CPU is in seconds, peak is resident memory in MB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.diff.speed import _children, _cpu_seconds, _peak_mb
from benchmarks.reconcile.nightly import CONTRACT, make, told
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.loader import parse
from plumbline.reconcile.run import reconcile

ENGINES = ("duckdb", "spark")


def one_run(folder: Path, engine: str) -> None:
    """The part of the child: a full reconcile, told in JSON."""
    home, here = Home.resolve(folder), os.getpid()
    begun, used = time.monotonic(), _cpu_seconds(here)
    run = reconcile(parse(CONTRACT), home, full=True, record=False, engine=engine)
    java = _children(here)
    report = {
        "wall": time.monotonic() - begun,
        "cpu": {"python": _cpu_seconds(here) - used, "jvm": sum(map(_cpu_seconds, java))},
        "peak_mb": {"python": _peak_mb(here), "jvm": sum(map(_peak_mb, java))},
        "document": told(run),
    }
    print(json.dumps(report, default=str))


def child(folder: Path, engine: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.reconcile.engines", "--folder", str(folder), "--engine", engine]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--days", type=int, default=30)
    options.add_argument("--rows", type=int, default=100_000, help="of each day")
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--engine", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.folder:
        one_run(asked.folder, asked.engine)
        return 0
    os.environ.setdefault("PLUMBLINE_JARS", str(Path(".plumbline/jars").absolute()))
    with tempfile.TemporaryDirectory() as folder:
        make(Lake.open(Home.resolve(folder)), asked.days, asked.rows)
        runs = {engine: child(Path(folder), engine) for engine in ENGINES}
    documents = [run.pop("document") for run in runs.values()]
    same = documents[0] == documents[1]
    print(
        json.dumps({"rows": asked.days * asked.rows, "counts": documents[0]["counts"], **runs, "same": same}, indent=1)
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
