"""A full disk is told as one, with its path, whoever meets it: the words are those that each gave on a full disk."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import duckdb
import pytest
from sqlalchemy.exc import OperationalError

from plumbline import cli
from plumbline.connect import disk
from plumbline.connect.catalog_answers import catalog_error
from plumbline.connect.disk import full_disk
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import UnreachableError
from plumbline.stream_job.failures import judge
from plumbline.stream_job.spark_internals import Cause


def _python() -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/srv/h/plan.json")


def _arrow() -> None:
    raise OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device")


def _duckdb() -> None:
    raise duckdb.IOException('IO Error: Could not write file "/srv/h/runs/rows.duckdb": No space left on device')


def _sqlite() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("CREATE TABLE t (a)")


def _behind_another() -> None:
    try:
        _python()
    except OSError as error:
        raise RuntimeError("the commit failed") from error


MEET = [_python, _arrow, _duckdb, _sqlite, _behind_another]


@pytest.mark.parametrize("meet", MEET)
def test_whoever_meets_it_says_so(
    meet: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def meets() -> None:
        meet()

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: meets)
    assert cli.run(["lake"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("error: the disk is full")
    assert "defect" not in said
    assert "Next: free space there" in said


def test_its_place_is_named() -> None:
    with pytest.raises(duckdb.IOException) as met:
        _duckdb()
    told = full_disk(met.value)
    assert told is not None
    assert told.where == "/srv/h/runs/rows.duckdb"


@pytest.mark.parametrize(
    "error", [ValueError("disk of 5"), OSError(2, "No such file"), RuntimeError("full outer join")]
)
def test_other_errors_are_not(error: Exception) -> None:
    assert full_disk(error) is None


def test_an_error_that_was_handled_before_is_not_the_cause() -> None:
    def other() -> None:
        try:
            _python()
        except OSError:
            raise ValueError("a defect") from None

    with pytest.raises(ValueError, match="a defect") as met:
        other()
    assert full_disk(met.value) is None


@pytest.mark.parametrize(("free", "what"), [(0, "the disk is full"), (10**12, "the catalog does not answer")])
def test_sqlites_words_for_it_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, what: str
) -> None:
    """Without space it cannot make the files beside its own that it needs even to read: `disk I/O error`."""
    opened = Lake.open(Home.resolve(tmp_path))
    usage: Any = type("Usage", (), {"free": free})
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage)
    found = catalog_error(OperationalError("SELECT 1", {}, sqlite3.OperationalError("disk I/O error")), opened.block)
    assert isinstance(found, UnreachableError)
    assert found.what.startswith(what)


def test_a_streaming_query_waits_for_space() -> None:
    causes = [
        Cause("org.apache.spark.SparkException", "Job aborted"),
        Cause("java.io.IOException", "No space left on device"),
    ]
    failure = judge(causes)
    assert (failure.passing, failure.service) == (True, "disk")
    assert "free space" in failure.next_step
