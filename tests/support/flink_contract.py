"""The contract beside the job of examples/flink: with more lines, reconciled, and its tables recorded."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.flink_job import HERE

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.reconcile.judge.document_types import ReconcileDocument

CONTRACT = HERE / "takes.yaml"
JOB_TABLES = ("ads.takes", "ops.dropped")
TABLES = (*JOB_TABLES, "ads.takes_batch", "raw.impressions", "raw.plays")


def observed(checkpoints: Path, folder: Path, *lines: str) -> Path:
    """A file with the contract of a job whose checkpoints are observed, and more lines of its `job:`."""
    return with_lines(folder, f"checkpoint: {checkpoints}", "progress: ops.progress", *lines)


def with_lines(folder: Path, *lines: str) -> Path:
    """A file with the contract, and these lines in its `job:`."""
    file = folder / "takes.yaml"
    file.write_text(CONTRACT.read_text() + "".join(f"  {line}\n" for line in lines))
    return file


def causes(lake: Lake, home: Home, contract: Path = CONTRACT) -> dict[str, set[str]]:
    """Reconcile the job's table: the causes told of each name's rows, at the topics' end aside."""
    return judged(lake, home, contract)[1]


def judged(lake: Lake, home: Home, contract: Path = CONTRACT) -> tuple[ReconcileDocument, dict[str, set[str]]]:
    """The run's document and `causes`."""
    from pyiceberg.expressions import EqualTo

    from plumbline.contract.loader import load
    from plumbline.contract.ranges import TimeRange
    from plumbline.reconcile.run import reconcile

    document = reconcile(load(contract), home, TimeRange()).document
    assert document["balanced"]
    told: dict[str, set[str]] = defaultdict(set)
    for row in lake.load("plumbline.findings").scan(EqualTo("run_id", document["run_id"])).to_arrow().to_pylist():
        name = json.loads(row["key"])["imp_id"]
        if not name.startswith("end"):
            told[name].add(row["cause"])
    return document, dict(told)


def record(lake: Lake, folder: Path, *tables: str) -> None:
    """Write the tables into a folder, a Parquet file each."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    for name in tables:
        pq.write_table(lake.load(name).scan().to_arrow(), folder / f"{name}.parquet", compression="zstd")
