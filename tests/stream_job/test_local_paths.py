"""Local paths are told to Spark with their scheme: without one they are paths of Hadoop's default file system."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from plumbline.connect.home import Home, on_this_disk
from plumbline.stream_job.queries import write_stream

ROOT = Path(__file__).resolve().parents[2]


class Writer:
    """What a query is told."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: (self.told.update({args[0]: args[1]}) if name == "option" else None) or self


def test_a_checkpoint_lies_on_this_disk() -> None:
    writer: Any = Writer()
    rows: Any = type("Rows", (), {"writeStream": writer})
    write_stream(rows, "joined.s", "/srv/team #1/50%25/join", {"availableNow": True})
    assert writer.told["checkpointLocation"] == "file:///srv/team #1/50%25/join"


def test_a_relative_home_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert on_this_disk(Home.resolve("h").checkpoints) == f"file://{tmp_path}/h/checkpoints"


@pytest.mark.parametrize("folder", ["stream_job", "replay", "connect"])
def test_no_local_path_is_told_without_it(folder: str) -> None:
    """Each reader and writer of files, and each checkpoint."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                told = ast.unparse(node)
                reads = node.func.attr == "parquet"
                checkpoint = node.func.attr == "option" and ast.unparse(node.args[0]) == "'checkpointLocation'"
                assert not (reads or checkpoint) or "_this_disk(" in ast.unparse(node.args[-1]), f"{path}: {told}"
