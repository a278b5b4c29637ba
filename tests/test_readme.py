"""What README.md and the tutorial say happens: the demo on the whole year, then each command on what the demo left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.reconcile.report import notebook

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BY_MAKE = {"make demo", "make test"}
"""`make demo` is the fixture below, `make test` runs this file."""

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
        timeout=900,
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `plumbline demo` has run, with two files to compare."""
    place = tmp_path_factory.mktemp("readme")
    for name in ("reference", "candidate"):
        pq.write_table(pa.table({"id": [1, 2], "value": ["a", "b"]}), place / f"{name}.parquet")
    told = run("plumbline demo", place)
    assert told.returncode == 0, told.stderr[-3000:] + told.stdout
    (place / "told.txt").write_text(told.stdout, encoding="utf-8")
    return place


def test_the_demo_ends_with_the_books_that_the_readme_shows(folder: Path) -> None:
    told = (folder / "told.txt").read_text(encoding="utf-8")
    assert printed(README)[0] in told
    assert "NO " not in told


def test_the_demo_leaves_the_page_and_no_broker(folder: Path) -> None:
    assert "<h1" in (folder / "demo" / "report.html").read_text(encoding="utf-8")
    assert "no broker runs" in run("plumbline kafka status --home demo", folder).stdout


def test_every_command_of_the_readme_does_what_it_says(folder: Path) -> None:
    listed = list(commands(README))
    assert {command for command in listed if command.startswith("make")} == BY_MAKE
    for command in listed:
        if command not in BY_MAKE:
            done = run(command, folder)
            assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_every_command_of_the_tutorial_does_what_it_says(folder: Path) -> None:
    told = ""
    for command in commands(TUTORIAL):
        if command not in BY_MAKE:
            done = run(command, folder)
            assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            told += done.stdout
    assert all(shown in told for shown in printed(TUTORIAL)), told
    assert (folder / "demo" / "nightly" / "flights" / "2013-02-10" / "report.html").exists()


def test_the_notebook_runs_on_the_tables_of_the_demo(folder: Path) -> None:
    book = ROOT / "notebooks" / "drift_report.ipynb"
    executed = notebook.execute(
        book, {"CONTRACT": str(folder / "demo" / "flights.yaml"), "HOME": str(folder / "demo"), "RUN": "latest"}
    )
    assert "flights" in notebook.to_html(executed)
