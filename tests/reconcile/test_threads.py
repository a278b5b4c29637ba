"""Threads are the machine's or those asked for, as far as the memory goes; every command hands its own on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from plumbline.connect.machine import parse_bytes, threads_within
from plumbline.connect.pinned import connection
from plumbline.reconcile.diff.diff import diff
from plumbline.reconcile.inputs import open_inputs
from tests.support.commands import in_here
from tests.support.world import CONTRACT, World


def threads_of(con: duckdb.DuckDBPyConnection) -> int:
    return int(con.execute("SELECT current_setting('threads')").fetchall()[0][0])


@pytest.fixture
def machine() -> int:
    return threads_of(duckdb.connect())


@pytest.mark.parametrize(
    ("memory", "asked", "given"),
    [("8GB", 16, 16), ("512MB", 16, 4), ("250MB", 2, 2), ("64MB", 2, 1), ("8GB", 1, 1)],
)
def test_each_thread_has_its_memory(memory: str, asked: int, given: int) -> None:
    assert threads_of(connection(memory, threads=asked)) == given


def test_without_a_number_they_are_the_machines(machine: int) -> None:
    assert threads_of(connection("64GB")) == machine
    assert threads_of(connection()) == threads_within(parse_bytes("512MB"), machine)


def test_a_diff_takes_those_that_it_is_given() -> None:
    rows = pa.table({"k": [1, 2]})
    with diff(rows, rows, "k", memory="4GB", threads=5) as found:
        assert threads_of(found._con) == 5
    with diff(rows, rows, "k", threads=64) as found:
        assert threads_of(found._con) < 5, "512 MB are not enough"


def test_reconcile_takes_those_that_it_is_given(
    make_world: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, seen = make_world().write(), list[int]()
    (tmp_path / "plays.yaml").write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", world.contract.join.kind))

    def noted(memory: str, folder: Path, threads: int | None) -> duckdb.DuckDBPyConnection:
        con = connection(memory, folder, threads)
        seen.append(threads_of(con))
        return con

    monkeypatch.setattr(open_inputs, "connection", noted)
    line = ["reconcile", "plays.yaml", "--home", world.home.root, "--memory", "4GB", "--threads"]
    for threads in (1, 7):
        assert in_here(*line, threads, "--full", folder=tmp_path).stderr == ""
    assert seen == [1, 7]
    refused = in_here(*line, 0, folder=tmp_path)
    assert (refused.returncode, "--threads" in refused.stderr) == (2, True)
