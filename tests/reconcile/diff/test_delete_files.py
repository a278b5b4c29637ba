"""A table with delete files and a renamed column, made by Spark, in bounded memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from tests.support.rows import run_in_spark

ROWS = 400_000
MEASURED = """
import pathlib, re, sys, plumbline
from plumbline.connect.home import Home
found = plumbline.diff(sys.argv[1], "joined.t", "k", memory="384MB", home=Home.resolve(sys.argv[2]))
peak_kb = re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]
print(found.summary["counts"], found.summary["schema"], int(peak_kb) // 1000)
"""


@pytest.mark.spark
@pytest.mark.slow
def test_deleted_rows_are_gone_and_memory_is_bounded(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    lake = Lake.open(home)
    rows = duckdb.sql(f"SELECT range AS k, md5(range::VARCHAR) AS a, md5((range + 1)::VARCHAR) AS b FROM range({ROWS})")
    table = rows.to_arrow_table()
    lake.ensure_table("joined.t", table.schema)
    for start in range(0, ROWS, ROWS // 4):
        lake.append("joined.t", table.slice(start, ROWS // 4))
    run_in_spark(
        home.root,
        [
            "ALTER TABLE lake.joined.t RENAME COLUMN b TO c",
            "ALTER TABLE lake.joined.t SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')",
            "DELETE FROM lake.joined.t WHERE k % 10 = 3",
        ],
    )
    reference = tmp_path / "reference.parquet"
    duckdb.sql(f"COPY (SELECT k, a, b AS c FROM rows) TO '{reference}' (FORMAT parquet)")
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(reference), str(home.root)], capture_output=True, text=True, check=True
    )
    missing = ROWS // 10
    counts = {"match": ROWS - missing, "mismatch": 0, "missing": missing, "extra": 0, "duplicate": 0}
    assert done.stdout.startswith(f"{counts} [] ")
    peak = re.search(r"(\d+)$", done.stdout.strip())
    assert peak is not None
    assert int(peak[1]) < 384
