"""Hostile values as keys, values and column names through files: compared as they are, written as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.cli import run
from plumbline.contract.safe_text import is_unsafe
from tests.support.hostile import HOSTILE

VALUES = [text for text in HOSTILE.values() if "\ud83d" not in text]
NAMES = [text for text in VALUES if text.strip() and "\x00" not in text and len(text) < 200]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Two Parquet files whose every row differs, with hostile keys, values and column names."""
    plain = {name: ["x"] * len(VALUES) for name in NAMES}
    left, right = tmp_path / "left.parquet", tmp_path / "right.parquet"
    pq.write_table(pa.table({"key": VALUES, "value": VALUES, **plain}), left)
    pq.write_table(pa.table({"key": VALUES, "value": ["other"] * len(VALUES), **plain}), right)
    return left, right


def test_the_drift_file_holds_each_value_as_it_is(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "drift.parquet"
    assert run(["diff", *map(str, files), "--key", "key", "--out", str(out), "--json"]) == 1
    printed = capsys.readouterr().out
    assert json.loads(printed)["counts"]["mismatch"] == len(VALUES)
    assert [char for char in printed if is_unsafe(char) and char != "\n"] == []
    rows = pq.read_table(out).to_pylist()
    assert sorted(row["key"] for row in rows) == sorted(VALUES)
    assert sorted(row["left_row"]["value"] for row in rows) == sorted(VALUES)


def test_the_terminal_shows_them_as_text(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", *map(str, files), "--key", "key"]) == 1
    printed = capsys.readouterr().out
    assert [char for char in printed if is_unsafe(char) and char != "\n"] == []
    assert not any(line.startswith("clean") for line in printed.splitlines())


def test_a_hostile_column_name_that_is_not_there_is_one_line(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diff", *map(str, files), "--key", "ke\x1b[31my\u202e"]) == 2
    err = capsys.readouterr().err
    assert [char for char in err if is_unsafe(char) and char != "\n"] == []
    assert err.count("\n") == 1


@pytest.mark.parametrize("key", ["key", "value"])
def test_bytes_that_are_no_text_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str) -> None:
    """Arrow, Go and C write any bytes as a string; the file is whole, and copying it again helps nobody."""
    for name, last in (("left", b"\xfe"), ("right", b"\xff")):
        raw = pa.array([b"a", last], pa.binary())
        values = pa.StringArray.from_buffers(2, *raw.buffers()[1:])
        pq.write_table(pa.table({"key": [1, 2], "value": values}), tmp_path / f"{name}.parquet")
    assert run(["diff", str(tmp_path / "left.parquet"), str(tmp_path / "right.parquet"), "--key", key]) == 3
    err = capsys.readouterr().err
    assert f"a text column of {tmp_path}" in err
    assert "bytes that are not UTF-8. Next: let its writer write them as binary" in err
