"""What a command imports decides what it costs to start: small things must not load what they have no use for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reconcile.causes.test_causes import stream_of
from tests.support.world import CONTRACT, World, play, show

SERVERS = {"pyspark", "confluent_kafka", "great_expectations", "requests"}
NEVER = SERVERS | {"pandas", "sqlalchemy", "pyiceberg.io.pyarrow"}
"""Each costs as much CPU as a small diff, or more: pandas comes with values and readers of Arrow's, SQLAlchemy with
PyIceberg's SQL catalog, Arrow's file systems with PyIceberg's usual FileIO."""
ARROW = {"pyarrow", "numpy"}
LAKE = {"pyiceberg.table", "duckdb"}

SMALL = [
    ("diff a.csv b.csv --key id", 1, NEVER | {"pyiceberg", "pydantic"}),
    ("diff a.csv b.csv --key wrong", 2, NEVER | {"pyiceberg", "pydantic"}),
    ("diff joined.plays_batch joined.plays_stream --key show_id", 1, NEVER),
    ("diff joined.plays_batch joined.plays_stream --key wrong", 2, NEVER | {"rich"}),
    ("history plays.yaml", 0, NEVER | ARROW),
    ("explain x --contract plays.yaml", 0, NEVER),
    ("explain nobody --contract plays.yaml", 2, NEVER | {"rich"}),
    ("explain --key wrong=1 --contract plays.yaml", 2, NEVER | ARROW | LAKE | {"rich"}),
    ("report plays.yaml --out page.html", 0, NEVER),
    ("report plays.yaml --format md", 0, NEVER | {"rich", "jinja2"}),
]

PROBE = """
import json, sys
from plumbline.cli import run
code = run(sys.argv[2:])
with open(sys.argv[1], "w") as told:
    json.dump([code, sorted(sys.modules)], told)
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one recorded reconcile, its contract, and two files that differ."""
    folder = tmp_path_factory.mktemp("light")
    stream_of(World.at(folder / "home"), [show("x", 3), play("pc", "c", 4)]).write().reconcile()
    (folder / "plays.yaml").write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    for name, value in (("a", 2), ("b", 3)):
        (folder / f"{name}.csv").write_text(f"id,v\n1,{value}\n2,5\n")
    return folder


@pytest.mark.parametrize(("line", "code", "unused"), SMALL, ids=[line for line, _, _ in SMALL])
def test_a_small_command_loads_nothing_heavy_that_it_does_not_use(
    job: Path, tmp_path: Path, line: str, code: int, unused: set[str]
) -> None:
    told = tmp_path / "told.json"
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(told), *line.split()],
        cwd=job,
        env={**os.environ, "PLUMBLINE_HOME": str(job / "home")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    ended, loaded = json.loads(told.read_text())
    assert ended == code, done.stderr
    assert unused & set(loaded) == set()
