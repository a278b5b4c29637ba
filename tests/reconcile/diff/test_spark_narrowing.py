"""What the Spark engine leaves out: by buckets or by keys, no row that may differ, and no repeated key uncounted."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import plumbline
from benchmarks.diff.pairs import together
from plumbline.contract.errors import SetupError
from plumbline.reconcile.diff.spark import buckets, candidates
from tests.reconcile.diff.test_spark_engine import PAIRS, compared
from tests.support.plain_model import compare_plainly, found_in
from tests.support.random_pairs import random_pair

WAYS: Mapping[str, tuple[int, float]] = {
    "rows of unsettled buckets": (2_000_000, 0.5),
    "keys of unsettled buckets": (0, 1.0),
    "all keys": (0, 0.0),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    few, share = request.param
    monkeypatch.setattr(candidates, "FEW_ROWS", few)
    monkeypatch.setattr(candidates, "MOST_SHARE", share)


def both_engines(spark: SparkSession, left: pa.Table, right: pa.Table, key: Any, **rules: Any) -> plumbline.Diff:
    """The Spark engine's answer, held to the other's: the document and all samples."""
    found = compared(spark, left, right, key, **rules)
    other = plumbline.diff(left, right, key, **rules)
    assert {**found.summary, "engine": None} == {**other.summary, "engine": None}
    assert found.samples(100) == other.samples(100)
    return found


@pytest.mark.usefixtures("way")
def test_random_pairs(spark: SparkSession) -> None:
    pair = together([random_pair(seed) for seed in PAIRS])
    found = compared(spark, pair.left, pair.right, list(pair.key), tolerances=pair.tolerances)
    model = compare_plainly(pair.left, pair.right, pair.key, pair.tolerances)
    assert found_in(found.drift(), pair.key, found.comparison.counts["match"]) == model
    other = plumbline.diff(pair.left, pair.right, list(pair.key), tolerances=pair.tolerances)
    assert found.comparison == other.comparison


@pytest.mark.usefixtures("way")
def test_repeated_keys_in_settled_and_other_buckets(spark: SparkSession) -> None:
    keys = [*range(1000), 3, 3, 4, 5, 5]
    left = pa.table({"k": keys, "v": [key % 7 for key in keys]})
    right = left.set_column(1, "v", pa.array([0 if key == 5 else key % 7 for key in keys]))
    found = both_engines(spark, left, right, "k")
    assert (found.comparison.counts["match"], found.comparison.repeated_keys) == (1002, 3)
    same = both_engines(spark, left, left, "k")
    assert (same.clean, same.comparison.repeated_keys) == (True, 3)


@pytest.mark.usefixtures("way")
def test_rows_of_one_bucket_that_trade_what_they_hold(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows in one bucket: what one key lost, another has; copies of a row stand for copies of another."""
    monkeypatch.setattr(buckets, "BITS", 0)
    left = pa.table({"k": [1, 2, 3, 3, 4, 4, 5], "v": ["a", "b", "c", "c", "d", "d", "e"]})
    right = pa.table({"k": [1, 2, 3, 3, 4, 4, 5], "v": ["b", "a", "d", "d", "c", "c", "e"]})
    found = both_engines(spark, left, right, "k")
    assert found.comparison.counts["match"] == 1
    assert not both_engines(spark, left.slice(2, 2), left.slice(4, 2), "k").clean


def test_a_null_in_another_column(spark: SparkSession) -> None:
    """A hash that passes over NULLs takes ('a', NULL) for (NULL, 'a')."""
    left = pa.table({"k": ["x", None], "l": [None, "x"], "a": ["a", "b"], "b": [None, "b"]}, _texts("k", "l", "a", "b"))
    right = pa.table({"k": ["x", None], "l": [None, "x"], "a": [None, "b"], "b": ["a", "b"]}, left.schema)
    found = both_engines(spark, left, right, ["k", "l"])
    assert found.comparison.columns == {"a": 1, "b": 1}
    swapped = pa.table({"k": ["x"], "l": [None], "a": ["a"], "b": [None]}, left.schema)
    other = swapped.select(["l", "k", "a", "b"]).rename_columns(["k", "l", "a", "b"])
    assert both_engines(spark, swapped, other, ["k", "l"]).comparison.counts["missing"] == 1


def test_structs_whose_fields_are_null(spark: SparkSession) -> None:
    kind = pa.struct([("a", pa.int64()), ("s", pa.struct([("b", pa.string())]))])
    values = [None, {"a": None, "s": None}, {"a": None, "s": {"b": None}}, {"a": 1, "s": {"b": "x"}}]
    tables = [pa.table({"k": range(4), "v": pa.array(rows, kind)}) for rows in (values, values[1:] + values[:1])]
    assert both_engines(spark, *tables, "k").comparison.counts["mismatch"] == 4
    assert both_engines(spark, tables[0], tables[0], "k").clean


def test_every_nan_and_zero_is_one_without_being_brought(spark: SparkSession) -> None:
    nans = struct.unpack("<2d", struct.pack("<2Q", 0x7FF8000000000001, 0xFFF8DEADBEEF0000))
    left = pa.table({"k": [1, 2, 3], "v": [nans[0], 0.0, 1.0], "f": pa.array([nans[0], 0.0, 1.0], pa.float32())})
    right = pa.table({"k": [1, 2, 3], "v": [nans[1], -0.0, 1.0], "f": pa.array([nans[1], -0.0, 1.0], pa.float32())})
    found = both_engines(spark, left, right, "k")
    assert found.clean
    assert found._con.execute('SELECT count(*) FROM "left"').fetchall() == [(0,)]


def test_more_columns_than_a_number_has_bits(spark: SparkSession) -> None:
    names = [f"c{n}" for n in range(130)]
    rows = [dict.fromkeys(names, 1), dict.fromkeys(names, 1)]
    left = pa.Table.from_pylist([{"k": n, **row} for n, row in enumerate(rows)])
    moved = [{**rows[0], "c128": None}, rows[1]]
    right = pa.Table.from_pylist([{"k": n, **row} for n, row in enumerate(moved)], left.schema)
    assert compared(spark, left, right, "k").comparison.columns == {"c128": 1}


def test_rows_that_change_between_the_passes_are_no_verdict(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_one_more(*sides: Any) -> buckets.Buckets:
        found = buckets.buckets_of(*sides)
        return replace(found, rows=found.rows + 1)

    monkeypatch.setattr(candidates, "buckets_of", with_one_more)
    with pytest.raises(SetupError, match="of 3 rows that may differ Spark read 2"):
        compared(spark, pa.table({"k": [1], "v": [1]}), pa.table({"k": [1], "v": [2]}), "k")


def _texts(*names: str) -> pa.Schema:
    return pa.schema({name: pa.string() for name in names})
