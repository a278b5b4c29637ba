"""Memory stays bounded and nothing is left behind, however much differs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import duckdb
import numpy as np
import pytest

from plumbline.connect.pinned import connection
from plumbline.contract.errors import SetupError
from plumbline.reconcile.diff.engine.candidates import Batch, Batches, Group, groups
from plumbline.reconcile.diff.engine.compare import compare
from plumbline.reconcile.diff.engine.pairing import candidate_keys, isin
from plumbline.reconcile.diff.engine.spill import PARTITIONS, Hashes, HashFile

ROWS = 600_000
SIDE = """
    COPY (
        SELECT range AS k, md5(range::VARCHAR) AS a, md5((range + 1)::VARCHAR) AS b, random() AS f,
               [range, range] AS l, {{'x': range, 'y': md5(range::VARCHAR)}} AS s
        FROM range({rows})
    ) TO '{file}' (FORMAT parquet)
"""
MEASURED = """
import pathlib, re, sys, plumbline
found = plumbline.diff(sys.argv[1], sys.argv[2], "k", memory=sys.argv[3])
peak_kb = re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]
print(found.summary["counts"]["mismatch"], int(peak_kb) // 1000)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two sides of which every row differs in `f`."""
    folder = tmp_path_factory.mktemp("sides")
    ours, theirs = folder / "ours.parquet", folder / "theirs.parquet"
    for file in (ours, theirs):
        duckdb.sql(SIDE.format(rows=ROWS, file=file))
    return ours, theirs


@pytest.mark.slow
@pytest.mark.parametrize("memory", [384, 512])
def test_every_row_differs_within_the_given_memory(files: tuple[Path, Path], memory: int) -> None:
    """The peak of the whole process, Python and libraries included, as the kernel counts it.

    Not getrusage's: that one starts from the size of the process that forked this one.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, files), f"{memory}MB"], capture_output=True, text=True, check=True
    )
    mismatches, peak_mb = map(int, done.stdout.split())
    assert mismatches == ROWS
    assert peak_mb < memory


def test_nothing_is_left_in_the_spill_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    con = connection(temp_dir=tmp_path)
    con.execute("CREATE VIEW ours AS SELECT range AS k, 1 AS v FROM range(1000)")
    con.execute("CREATE VIEW theirs AS SELECT range AS k, 2 AS v FROM range(1000)")
    compare(con, "ours", "theirs", ["k"], temp_dir=tmp_path)
    assert os.listdir(tmp_path) == []
    assert con.execute("SELECT count(*) FROM drift").fetchall() == [(1000,)]


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    con = connection()
    con.execute("CREATE VIEW ours AS SELECT range AS k FROM range(10)")
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(SetupError, match="cannot be spilled"):
        compare(con, "ours", "ours", ["k"], temp_dir=blocked)


def test_a_row_that_cannot_be_read_is_a_foreseen_failure() -> None:
    con = connection()
    con.execute(
        "CREATE VIEW ours AS SELECT range AS k, CASE WHEN range = 9 THEN error('torn') ELSE 1 END AS v FROM range(10)"
    )
    with pytest.raises(SetupError, match="comparison stopped"):
        compare(con, "ours", "ours", ["k"])


def hashes(*keys: int) -> Hashes:
    array = np.array(keys, np.uint64)
    return Hashes(array, array + np.uint64(1))


def test_a_hash_file_gives_back_any_range_of_partitions() -> None:
    file = HashFile()
    top = 1 << 52  # the partition is the leading 12 bits
    file.append(hashes(3 * top, 1 * top, 3 * top + 5))
    file.append(hashes(2 * top, 4095 * top))
    file.finish()
    assert sorted(file.load(1, 4).keys.tolist()) == [top, 2 * top, 3 * top, 3 * top + 5]
    assert file.load(4, 4095).keys.tolist() == []
    assert file.load(4095, 4096).rows.tolist() == [4095 * top + 1]
    assert file.rows == int(file.counts.sum()) == 5


def test_membership_looks_at_all_bits() -> None:
    members, near_miss = np.array([5, 2**40], np.uint64), 2**40 + 2**30  # of the same low bits as 2^40
    assert isin(np.array([5, near_miss, 2**40, 6], np.uint64), members).tolist() == [True, False, True, False]


def test_rows_that_pair_off_leave_no_candidate() -> None:
    ours = Hashes(np.array([1, 2, 3], np.uint64), np.array([10, 20, 30], np.uint64))
    theirs = Hashes(np.array([3, 1, 2], np.uint64), np.array([30, 10, 22], np.uint64))
    assert candidate_keys(ours, theirs).tolist() == [2]


def test_candidates_are_all_keys_that_do_not_pair_off() -> None:
    """Against sets and counters, on hashes so crowded that keys share slots, and rows keys."""
    for seed in range(30):
        chance = np.random.default_rng(seed)
        sides = []
        for _ in range(2):
            keys = chance.integers(0, 3000, 2000).astype(np.uint64) << np.uint64(chance.integers(0, 40))
            rows = keys * np.uint64(0x9E3779B97F4A7C15) + (chance.random(2000) < 0.01).astype(np.uint64) * np.uint64(2)
            sides.append(Hashes(keys, rows))
        if seed % 2:
            order = chance.permutation(2000)
            sides[1] = Hashes(sides[0].keys[order], sides[0].rows[order])
        by_key: dict[int, tuple[Counter[int], Counter[int]]] = defaultdict(lambda: (Counter(), Counter()))
        for number, side in enumerate(sides):
            for key, row in zip(side.keys.tolist(), side.rows.tolist(), strict=True):
                by_key[key][number][row >> 1] += 1
        wanted = {key for key, (ours, theirs) in by_key.items() if ours != theirs or ours.total() > 1}
        assert candidate_keys(*sides).tolist() == sorted(wanted), seed


def test_copies_cancel_only_against_as_many() -> None:
    """A row hash that is a high power of two, so that many copies of it add up to nothing."""
    row, copies = 1 << 62, 8
    ours = Hashes(np.full(copies, 7, np.uint64), np.full(copies, row, np.uint64))
    none = Hashes(np.empty(0, np.uint64), np.empty(0, np.uint64))
    assert candidate_keys(none, ours).tolist() == [7]
    assert candidate_keys(ours, none).tolist() == [7]


def test_groups_adjoin_and_hold_every_partition() -> None:
    counts = np.zeros(PARTITIONS, np.int64)
    counts[[0, 5, 6, 4000]] = [40, 40, 500, 1]
    assert groups(counts, 100) == [(0, 6), (6, 7), (7, PARTITIONS)]
    assert groups(np.zeros(PARTITIONS, np.int64), 100) == []


def test_batches_cover_every_hash_once() -> None:
    batches = Batches(size=2)
    for left, right in (((5, 1), (9,)), ((), (20,))):
        batches.add(Group(np.empty(0, np.uint64), hashes(*left), hashes(*right)))
    assert batches.cut() == [Batch(0, 5), Batch(6, 20), Batch(21, 2**64 - 1)]
    assert Batches(size=2).cut() == []


def test_a_batch_of_one_hash_cannot_be_halved() -> None:
    assert Batch(4, 4).halves() is None
    assert Batch(4, 5).halves() == (Batch(4, 4), Batch(5, 5))
