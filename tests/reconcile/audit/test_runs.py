"""Runs of offsets against a count of each offset, over the borders of the batches in which they are read."""

from __future__ import annotations

from collections import Counter
from random import Random

import duckdb
import numpy as np
import pytest

from plumbline.reconcile.audit import runs
from plumbline.reconcile.audit.runs import Runs, encoded, uneven


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.mark.parametrize("seed", range(8))
def test_copies_are_counted_across_batches(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Groups begin and end within batches; events of one place lie in two of them."""
    monkeypatch.setattr(runs, "AT_ONCE", 2048)
    random = Random(seed)
    rows = [(random.randrange(3), random.randrange(4_000)) for _ in range(9_000)]
    table = Runs(con, "t")
    for start in range(0, len(rows), 1_500):
        part = np.array(rows[start : start + 1_500], np.int64)
        table.add(*encoded(part[:, 0], part[:, 1]))
    found = {
        (g, offset): copies
        for arrays in uneven(table)
        for g, s, e, copies in zip(*(array.tolist() for array in arrays), strict=True)
        for offset in range(s, e)
    }
    counts = Counter(rows)
    expected = {}
    for group in range(3):
        there = [offset for g, offset in counts if g == group]
        for offset in range(min(there), max(there) + 1):
            if counts[group, offset] != 1:
                expected[group, offset] = counts[group, offset]
    assert found == expected


def test_rows_in_order_are_one_run() -> None:
    group, offset = np.repeat([0, 1], 1_000), np.tile(np.arange(1_000), 2)
    assert [len(part) for part in encoded(group, offset)] == [2, 2, 2]
    mixed = np.random.default_rng(1).permutation(2_000)
    assert [len(part) for part in encoded(group[mixed], offset[mixed])] == [2, 2, 2]
