"""What a compaction has before it, and which files of deletes other commits held back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.stream_job.compaction import Compacted, Files, compact, files_of
from plumbline.stream_job.upsert import MERGES, until_committed
from tests.support.updated_tables import UpdatedTable

NUMBERS = Schema(NestedField(1, "n", LongType(), required=False))


@pytest.fixture(params=[2, 3])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> UpdatedTable:
    version: Literal[2, 3] = request.param
    return UpdatedTable(Lake.open(Home.resolve(tmp_path)), "joined.numbers", NUMBERS, version=version)


def found(table: UpdatedTable) -> Files:
    return files_of(table.publish().load(table.name))


def test_small_files_and_files_of_deletes_are_counted(table: UpdatedTable) -> None:
    parts = [table.data([{"n": n}, {"n": n + 10}]) for n in range(5)]
    table.commit(parts)
    first = found(table)
    assert (first.total, first.small, first.deletes, first.touched) == (5, 5, frozenset(), {})
    table.commit(table.positions({parts[0]: [1]}))
    table.commit(table.positions({parts[3]: [0]}))
    now = found(table)
    assert (now.total, now.small, len(now.deletes)) == (5, 5, 2)
    assert {Path(path).name for path in now.touched} == {Path(parts[n].path).name for n in (0, 3)}


def test_what_a_compaction_was_kept_from_is_tried_again_and_told(table: UpdatedTable) -> None:
    """The first file is rewritten, the second has another row deleted each time: its first file of deletes goes, and
    what that deleted does not."""
    one, other = table.data([{"n": 1}, {"n": 2}]), table.data([{"n": 3}, {"n": 4}, {"n": 5}])
    table.commit([one, other])
    [of_one], [of_other] = table.positions({one: [0]}), table.positions({other: [0]})
    table.commit([of_one, of_other])
    before, calls = found(table), list[str]()
    table.commit([table.data([{"n": 2}]), *table.positions({other: [0, 1]})], remove=[one, of_one, of_other])

    def rewrite(procedure: str) -> list[dict[str, int]]:
        calls.append(procedure)
        return [{"rewritten_data_files_count": int(len(calls) == 1)}]

    done = compact(table.name, before, lambda: found(table), rewrite)
    assert done == Compacted(rewritten=1, removed=1, held_back=1)
    assert len(calls) == 4
    assert all("'delete-file-threshold', '1'" in call for call in calls)


def test_without_deletes_one_call_joins_the_small_files(table: UpdatedTable) -> None:
    table.commit([table.data([{"n": n}]) for n in range(6)])
    calls = list[str]()

    def rewrite(procedure: str) -> list[dict[str, int]]:
        calls.append(procedure)
        return [{"rewritten_data_files_count": 6}]

    assert compact(table.name, found(table), lambda: found(table), rewrite) == Compacted(6, 0, 0)
    assert len(calls) == 1
    assert "delete" not in calls[0].replace("rewrite_data_files", "")


@pytest.mark.parametrize(
    ("said", "tries"),
    [
        ("Cannot commit, missing data files: [a.parquet]", MERGES),
        ("java.io.FileNotFoundException: File a.parquet does not exist", MERGES),
        ("Cannot commit: stale table metadata", 1),
    ],
    ids=["another commit replaced a file", "a file expired while it was read", "what a start of the query heals"],
)
def test_an_epoch_is_merged_again_where_another_commit_made_it_void(said: str, tries: int) -> None:
    done: list[int] = []

    def merge() -> None:
        done.append(1)
        raise RuntimeError(said)

    with pytest.raises(RuntimeError, match=re.escape(said)):
        until_committed(merge)
    assert len(done) == tries
