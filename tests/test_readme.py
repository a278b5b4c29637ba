"""What README.md and the tutorial say happens: the demo on the whole year, then each command on what the demo left."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.commands.demo import show
from plumbline.demo.flights import loader
from plumbline.demo.story import holds
from plumbline.output import console
from plumbline.reconcile.report import notebook
from tests.support import documents
from tests.support.commands import in_here

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BY_MAKE = {"make demo", "make test"}
"""`make demo` is the fixture below, `make test` runs this file."""
IN_A_PROCESS = ("export ", "plumbline explain ", "plumbline replay run ", "plumbline diff ")
"""What runs as a user runs it, one with a JVM of its own among them; the other commands run here, where one is."""

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell command as a user would, with `plumbline` on PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=1800,
        check=False,
    )


def commands(page: str) -> Iterator[str]:
    """Every command of every block of a page, in order, without comments."""
    for block in re.findall(r"^```sh\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if command := re.sub(r"\s+#.*", "", line).strip():
                yield command


def printed(page: str) -> list[str]:
    """What a page shows of a terminal, block by block."""
    return re.findall(r"^```text\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)


def does(command: str, folder: Path) -> str:
    """Run a command of a page, which ends well; what it printed."""
    alone = command.startswith(IN_A_PROCESS)
    done = run(command, folder) if alone else in_here(*shlex.split(command)[1:], folder=folder)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `plumbline demo` has run, with two files to compare."""
    place = tmp_path_factory.mktemp("readme")
    for name in ("reference", "candidate"):
        pq.write_table(pa.table({"id": [1, 2], "value": ["a", "b"]}), place / f"{name}.parquet")
    told = run("plumbline demo --json", place)
    assert told.returncode == 0, told.stderr[-3000:] + told.stdout
    (place / "told.json").write_text(told.stdout, encoding="utf-8")
    (place / "said.txt").write_text(told.stderr, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def document(folder: Path) -> dict[str, Any]:
    """What the demo found."""
    found: dict[str, Any] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    return found


def test_the_demo_ends_with_the_books_that_the_readme_shows(document: dict[str, Any]) -> None:
    documents.checked("demo", document)
    with redirect_stdout(io.StringIO()) as told:
        show(document, Path("demo"), console())  # type: ignore[arg-type]
    assert len(printed(README)) == 2
    assert all(shown in told.getvalue() for shown in printed(README))
    assert "NO " not in told.getvalue()


def test_the_demo_tells_its_story(document: dict[str, Any], folder: Path) -> None:
    promised = document["holds"] | document["numbers"]["holds"]
    assert {name: held for name, held in promised.items() if not held} == {}
    year = document["year"]
    assert year["counts"]["batch"] == loader.load().departures.num_rows
    assert document["holds"] == holds(year, document["before"], document["after"])
    assert 0 < document["replay"]["rows"] <= document["after"]["counts"]["batch"]
    assert (folder / document["report"]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    said = (folder / "said.txt").read_text(encoding="utf-8")
    assert re.findall(r" s  (\d/7)  ", said) == [f"{act}/7" for act in range(1, 8)]


def test_the_demo_leaves_the_page_and_no_broker(folder: Path) -> None:
    for page in ("report.html", "carriers.html"):
        assert "<h1" in (folder / "demo" / page).read_text(encoding="utf-8")
    assert "no broker runs" in run("plumbline kafka status --home demo", folder).stdout


def test_every_command_of_the_readme_does_what_it_says(folder: Path, spark: SparkSession) -> None:
    listed = list(commands(README))
    assert {command for command in listed if command.startswith("make")} == BY_MAKE
    for command in listed:
        if command not in BY_MAKE:
            does(command, folder)


def test_every_command_of_the_tutorial_does_what_it_says(folder: Path, spark: SparkSession) -> None:
    told = "".join(does(command, folder) for command in commands(TUTORIAL) if command not in BY_MAKE)
    assert all(shown in told for shown in printed(TUTORIAL)), told
    assert (folder / "demo" / "nightly" / "flights" / "2013-02-10" / "report.html").exists()


def test_the_notebook_runs_on_the_tables_of_the_demo(folder: Path) -> None:
    book = ROOT / "notebooks" / "drift_report.ipynb"
    executed = notebook.execute(
        book, {"CONTRACT": str(folder / "demo" / "flights.yaml"), "HOME": str(folder / "demo"), "RUN": "latest"}
    )
    assert "flights" in notebook.to_html(executed)
