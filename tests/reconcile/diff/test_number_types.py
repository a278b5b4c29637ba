"""Files of one side that hold numbers in several types, and numbers that no type of the engine holds: never rounded."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.contract.errors import UsageError

D38_20, D38_2, D10_2 = pa.decimal128(38, 20), pa.decimal128(38, 2), pa.decimal128(10, 2)
WIDE = pa.decimal256(50, 10)


def folder(place: Path, *columns: pa.Array) -> Path:
    """A file for each column `v`; the ids go on from file to file."""
    place.mkdir()
    first = 0
    for number, column in enumerate(columns):
        rows = {"id": range(first, first + len(column)), "v": column, "note": ["x"] * len(column)}
        pq.write_table(pa.table(rows), place / f"{number}.parquet")
        first += len(column)
    return place


def decimals(kind: pa.DataType, *values: str) -> pa.Array:
    return pa.array([Decimal(value) for value in values], kind)


PAIRS: dict[str, tuple[list[Any], list[Any]]] = {
    "a bigint beside a double": ([pa.array([2**53 + 1]), pa.array([0.5])], [pa.array([2**53]), pa.array([0.5])]),
    "an int beside a float": (
        [pa.array([2**24 + 1], pa.int32()), pa.array([0.5], pa.float32())],
        [pa.array([2**24], pa.int32()), pa.array([0.5], pa.float32())],
    ),
    "a bigint beside a float": (
        [pa.array([0.5], pa.float32()), pa.array([2**60 + 1])],
        [pa.array([0.5], pa.float32()), pa.array([2**60])],
    ),
    "decimals of two scales": (
        [decimals(D38_20, "0.121"), decimals(D38_2, "1.25")],
        [decimals(D38_20, "0.122"), decimals(D38_2, "1.25")],
    ),
    "decimals of two scales, small enough": (
        [decimals(D10_2, "0.12"), decimals(pa.decimal128(12, 6), "0.000001")],
        [decimals(D10_2, "0.12"), decimals(pa.decimal128(12, 6), "0.000002")],
    ),
    "a decimal beside a double": (
        [decimals(D38_20, "0.10000000000000000001"), pa.array([0.5])],
        [decimals(D38_20, "0.1"), pa.array([0.5])],
    ),
    "a bigint beside a decimal": (
        [pa.array([2**62 + 1]), decimals(D38_20, "0.5")],
        [pa.array([2**62]), decimals(D38_20, "0.5")],
    ),
    "signed and unsigned": (
        [pa.array([-1]), pa.array([2**64 - 1], pa.uint64())],
        [pa.array([-1]), pa.array([2**64 - 2], pa.uint64())],
    ),
    "50 digits": ([decimals(WIDE, "12345678901234567890.1")], [decimals(WIDE, "12345678901234567890.2")]),
    "50 digits beside others": (
        [decimals(WIDE, "12345678901234567890.1", "-0.0000001"), pa.array([1.5]), pa.array([7])],
        [decimals(WIDE, "12345678901234567890.1", "-0.0000002"), pa.array([1.5]), pa.array([7])],
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_numbers_of_several_types_are_told_apart(name: str, tmp_path: Path) -> None:
    left, right = (folder(tmp_path / side, *columns) for side, columns in zip("lr", PAIRS[name], strict=True))
    found = plumbline.diff(left, right, "id")
    assert found.summary["columns"] == {"v": 1}
    assert found.summary["schema"] == []
    assert plumbline.diff(left, left, "id").clean
    assert plumbline.diff(left, left, None).clean


ALIKE: dict[str, tuple[list[Any], pa.Array]] = {
    "a bigint and a double": ([pa.array([2**53 + 1]), pa.array([0.5])], decimals(D38_2, str(2**53 + 1), "0.5")),
    "a bigint and a double beside doubles": ([pa.array([7]), pa.array([0.5])], pa.array([7.0, 0.5])),
    "an int and a double": ([pa.array([7], pa.int32()), pa.array([1e-7])], pa.array([7.0, 1e-7])),
    "money and a double": ([decimals(D10_2, "0.10"), pa.array([1e-7])], pa.array([0.1, 1e-7])),
    "50 digits": ([decimals(WIDE, "0.0000001", "5")], pa.array([1e-7, 5.0])),
    "50 digits beside a decimal": ([decimals(WIDE, "0.1250", "-5")], decimals(D38_20, "0.125", "-5")),
}


@pytest.mark.parametrize("name", ALIKE)
def test_equal_numbers_of_other_types_are_equal(name: str, tmp_path: Path) -> None:
    columns, flat = ALIKE[name]
    other = pa.table({"id": range(len(flat)), "v": flat, "note": ["x"] * len(flat)})
    assert plumbline.diff(folder(tmp_path / "l", *columns), other, "id").summary["counts"]["match"] == len(flat)
    assert plumbline.diff(other, tmp_path / "l", "id").summary["counts"]["match"] == len(flat)


def test_such_a_column_may_be_a_key_and_be_named_otherwise(tmp_path: Path) -> None:
    left = folder(tmp_path / "l", pa.array([2**53 + 1]), pa.array([0.5]))
    right = pa.table({"k": decimals(D38_2, str(2**53), "0.5"), "note": ["x", "x"], "id": [0, 1]})
    assert plumbline.diff(left, right, "v", names={"v": "k"}).summary["counts"] == {
        "match": 1, "mismatch": 0, "missing": 1, "extra": 1, "duplicate": 0,
    }  # fmt: skip


def test_folder_keys_stay_with_their_rows(tmp_path: Path) -> None:
    for part, column in ((1, pa.array([2**53 + 1])), (2, pa.array([0.5])), (3, decimals(WIDE, "7"))):
        folder(tmp_path / f"part={part}", column)
    rows = {"part": [1, 2, 3], "v": decimals(D38_2, str(2**53 + 1), "0.5", "7"), "note": ["x"] * 3, "id": [0, 0, 0]}
    assert plumbline.diff(tmp_path, pa.table(rows), "part").clean


@pytest.mark.parametrize("wrap", [lambda kind: pa.list_(kind), lambda kind: pa.struct([("a", kind)])])
def test_inside_of_nested_values_such_a_mixture_is_refused(wrap: Any, tmp_path: Path) -> None:
    def nested(kind: pa.DataType, value: Any) -> pa.Array:
        whole = wrap(kind)
        return pa.array([{"a": value} if pa.types.is_struct(whole) else [value]], whole)

    left = folder(tmp_path / "l", nested(pa.int64(), 2**53 + 1), nested(pa.float64(), 0.5))
    with pytest.raises(UsageError, match="column 'v' holds numbers inside lists, maps or structs"):
        plumbline.diff(left, left, "id")
    one = folder(tmp_path / "one", nested(WIDE, Decimal("0.1")))
    with pytest.raises(UsageError, match="column 'v' holds numbers inside lists, maps or structs"):
        plumbline.diff(one, one, "id")
    fine = folder(tmp_path / "fine", nested(pa.int32(), 1), nested(pa.int64(), 2**53 + 1))
    assert plumbline.diff(fine, fine, "id").clean
