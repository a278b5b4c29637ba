"""What a full reconcile costs from S3, beside the same tables on this machine's disk.

    make test-lake   # once: its S3 server, in a venv of its own
    .venv/bin/python -m benchmarks.reconcile.far --days 10 --rows 100000

The tables are those of `benchmarks.reconcile.nightly`. Each run is a process of its own; seconds are its CPU seconds
after its imports, and peak is its resident memory. The server's own work is not in them. Both must tell the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.reconcile.nightly import CONTRACT, make, measured, told
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.reconcile.run import reconcile
from tests.support.lake_servers import s3

APART = ("run_id", "snapshots")
"""What a document tells of the tables, not of their rows."""


def opened(folder: Path, address: str) -> tuple[Contract, Home]:
    """The contract with its tables in the folder, or with an address on S3."""
    block = {
        "type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": "s3://lake/warehouse",
        "s3.endpoint": address, "s3.region": "us-east-1", "s3.path-style-access": "true",
        "s3.access-key-id": "k", "s3.secret-access-key": "s",
    }  # fmt: skip
    there = f"catalog: {json.dumps(block)}\n" if address else ""
    folder.mkdir(exist_ok=True)
    return parse(there + CONTRACT), Home(folder, folder / "jars")


def one_run(folder: Path, address: str) -> None:
    """The part of the child: a full reconcile, told in JSON."""
    contract, home = opened(folder, address)
    seconds, run = measured(lambda: reconcile(contract, home, full=True, record=False))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    document = {name: value for name, value in told(run).items() if name not in APART}
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "document": document}, default=str))


def child(folder: Path, address: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.reconcile.far", "--folder", str(folder), "--address", address]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--days", type=int, default=10)
    options.add_argument("--rows", type=int, default=100_000, help="of each day")
    options.add_argument("--pairs", type=int, default=3, help="runs of each, in turn")
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--address", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.folder:
        one_run(asked.folder, asked.address)
        return 0
    with tempfile.TemporaryDirectory() as place, s3() as relay:
        places = {"here": (Path(place) / "here", ""), "s3": (Path(place) / "far", f"http://{relay.address}")}
        for where in places.values():
            contract, home = opened(*where)
            make(Lake.open(home, contract.catalog), asked.days, asked.rows)
        runs = {name: [child(*where) for _ in range(asked.pairs)] for name, where in places.items()}
    least = {name: min(run["seconds"] for run in found) for name, found in runs.items()}
    same = all(run["document"] == runs["here"][0]["document"] for found in runs.values() for run in found)
    report = {
        "days": asked.days, "rows_per_day": asked.rows, "cpu_seconds": least, "s3_of_here": least["s3"] / least["here"],
        "peak_mb": {name: max(run["peak_mb"] for run in found) for name, found in runs.items()}, "same": same,
    }  # fmt: skip
    print(json.dumps(report, indent=1))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
