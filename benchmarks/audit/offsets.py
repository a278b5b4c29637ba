"""CPU seconds and peak memory of an audit of many offsets, in order and in none, with planted doubles and holes.

    .venv/bin/python -m benchmarks.audit.offsets [--rows 100000000] [--order shuffled] [--memory 512MB]

The table has files of two million rows of four Kafka partitions. `sorted`: each file one partition after the other;
`interleaved`: partitions take turns, as a consumer of all of them reads; `shuffled`: each file holds the offsets of its
partition that are alike by their last digits, in random order, so that every file spans all offsets. Every millionth
offset is missing, and every millionth, 17 further on, is there twice. Exits 1 when a count is wrong or the process took
more memory than it was given.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake

PARTITIONS = 4
A_FILE = 2_000_000
EVERY = 1_000_000
SCHEMA = pa.schema([("kafka_partition", pa.int32()), ("kafka_offset", pa.int64()), ("value", pa.string())])
MEASURED = """
import contextlib, io, pathlib, re, resource, sys
from plumbline.cli import run
shown = io.StringIO()
with contextlib.redirect_stdout(shown):
    run(["audit", "bench.t", "--home", sys.argv[1], "--memory", sys.argv[2], "--json"])
peak = re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]
used = resource.getrusage(resource.RUSAGE_SELF)
print(shown.getvalue())
print("measured", int(peak) * 1024 // 10**6, round(used.ru_utime + used.ru_stime, 1))
"""


def files(rows: int, order: str) -> Iterator[pa.Table]:
    """The rows, file by file."""
    each = rows // PARTITIONS
    count = max(1, rows // A_FILE)
    random = np.random.default_rng(7)
    for number in range(count):
        if order == "shuffled":
            offsets = np.arange(number, each, count)
            random.shuffle(offsets)
        else:
            offsets = np.arange(each * number // count, each * (number + 1) // count)
        offsets = offsets[offsets % EVERY != EVERY // 2]
        offsets = np.concatenate([offsets, offsets[offsets % EVERY == EVERY // 2 + 17]])
        partition = np.repeat(np.arange(PARTITIONS, dtype=np.int32), len(offsets))
        offset = np.tile(offsets, PARTITIONS)
        if order == "interleaved":
            partition, offset = (a.reshape(PARTITIONS, -1).T.ravel() for a in (partition, offset))
        value = pa.array(["some value"]).take(pa.array(np.zeros(len(offset), np.int32)))
        yield pa.table([partition, offset, value], SCHEMA)


def main() -> int:
    """Write the table, audit it in a process of its own, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--order", choices=["sorted", "interleaved", "shuffled"], default="sorted")
    parser.add_argument("--memory", default="512MB")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as folder:
        home = Home.resolve(Path(folder))
        lake = Lake.open(home)
        lake.ensure_table("bench.t", SCHEMA)
        for rows in files(given.rows, given.order):
            lake.append("bench.t", rows)
        command = [sys.executable, "-c", MEASURED, folder, given.memory]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    document = json.loads(done.stdout.partition("\nmeasured ")[0])
    found = re.search(r"^measured (\d+) ([\d.]+)$", done.stdout, re.M)
    assert found is not None
    peak, cpu = int(found[1]), float(found[2])
    planted = [np.arange(given.rows // PARTITIONS) % EVERY == EVERY // 2 + more for more in (17, 0)]
    expected = {kind: PARTITIONS * int(one.sum()) for kind, one in zip(("doubled", "unasked"), planted, strict=True)}
    counts = {kind: count["offsets"] for kind, count in document["counts"].items()}
    print(f"{document['rows']:,} rows {given.order}: {cpu} CPU s, peak {peak} MB of {given.memory}; {counts}")
    limit = float(re.sub(r"\D", "", given.memory)) * (1000 if given.memory.upper().endswith("GB") else 1)
    return 0 if counts == expected and peak <= limit else 1


if __name__ == "__main__":
    sys.exit(main())
