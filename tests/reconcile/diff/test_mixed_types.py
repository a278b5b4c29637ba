"""Files of one side that hold a column as text and as numbers, or in other types of which no value equals another."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline

MIXED: dict[str, tuple[pa.Array, pa.Array, pa.Array]] = {
    "a number beside text": (pa.array([1]), pa.array(["x"]), pa.array(["1", "x"])),
    "a float beside text": (pa.array([1.5]), pa.array(["x"]), pa.array(["1.5", "x"])),
    "true beside a number": (pa.array([True]), pa.array([2]), pa.array([1, 2])),
    "true beside text": (pa.array([True]), pa.array(["x"]), pa.array(["true", "x"])),
    "bytes beside text": (pa.array([b"\0"]), pa.array(["x"]), pa.array([b"\0", b"x"])),
    "a day beside text": (pa.array([1], pa.date32()), pa.array(["x"]), pa.array(["1970-01-02", "x"])),
    "a time beside text": (pa.array([1000], pa.time32("ms")), pa.array(["x"]), pa.array(["00:00:01", "x"])),
    "a moment beside a number": (pa.array([1], pa.timestamp("us")), pa.array([2]), pa.array([1, 2])),
    "lists of numbers beside lists of text": (pa.array([[1]]), pa.array([["x"]]), pa.array([["1"], ["x"]])),
    "a field that is true beside one that is a number": (
        pa.array([{"a": True}]),
        pa.array([{"a": 2}]),
        pa.array([{"a": 1}, {"a": 2}]),
    ),
}  # fmt: skip


def folder(place: Path, *columns: pa.Array) -> Path:
    """A file for each column `v`; the ids go on from file to file."""
    place.mkdir()
    first = 0
    for number, column in enumerate(columns):
        pq.write_table(pa.table({"id": range(first, first + len(column)), "v": column}), place / f"{number}.parquet")
        first += len(column)
    return place


@pytest.mark.parametrize("name", MIXED)
def test_a_mixture_never_equals_the_same_values_in_one_type(name: str, tmp_path: Path) -> None:
    one, other, flat = MIXED[name]
    mixed, plain = folder(tmp_path / "mixed", one, other), folder(tmp_path / "plain", flat)
    for sides in ((mixed, plain), (plain, mixed)):
        found = plumbline.diff(*sides, "id")
        assert not found.clean
        assert [(told["column"], told["finding"]) for told in found.summary["schema"]] == [("v", "incomparable")]
    assert plumbline.diff(mixed, plain, "id", ignore=["v"]).clean


@pytest.mark.parametrize("name", MIXED)
def test_a_mixture_equals_itself_only(name: str, tmp_path: Path) -> None:
    one, other, _ = MIXED[name]
    mixed, again = folder(tmp_path / "mixed", one, other), folder(tmp_path / "again", one, other)
    assert plumbline.diff(mixed, again, "id").clean
    assert plumbline.diff(mixed, again, None).clean
    turned = folder(tmp_path / "turned", other, one)
    found = plumbline.diff(mixed, turned, "id")
    assert found.summary["columns"] == {"v": 2}


def test_numbers_of_a_mixture_are_never_rounded(tmp_path: Path) -> None:
    def side(name: str, whole: int, wide: str) -> Path:
        columns = [
            pa.array([whole]),
            pa.array([0.5]),
            pa.array([Decimal(wide)], pa.decimal256(50, 10)),
            pa.array(["x"]),
        ]
        return folder(tmp_path / name, *columns)

    left = side("l", 2**53 + 1, "12345678901234567890.1")
    assert plumbline.diff(left, side("r", 2**53 + 1, "12345678901234567890.1"), "id").clean
    assert plumbline.diff(left, side("s", 2**53, "12345678901234567890.2"), "id").summary["columns"] == {"v": 2}


@pytest.mark.parametrize("empty", [pa.float64(), pa.string(), pa.bool_(), pa.null()], ids=str)
def test_a_file_without_any_value_has_no_type(empty: Any, tmp_path: Path) -> None:
    """pandas writes a column of nothing but missing texts as floats."""
    for kind, values in (("text", pa.array(["a"])), ("number", pa.array([7])), ("truth", pa.array([True]))):
        mixed = folder(tmp_path / kind, values, pa.array([None], empty))
        found = plumbline.diff(mixed, pa.table({"id": [0, 1], "v": pa.array([*values, None])}), "id")
        assert found.clean
        assert [told for told in found.summary["schema"] if told["finding"] != "type"] == []


def test_numbers_that_a_file_notes_in_a_dictionary_are_numbers(tmp_path: Path) -> None:
    """Left alone, DuckDB takes such a bigint beside a double for a double."""
    noted = pa.array([2**53 + 1]).dictionary_encode()
    left = folder(tmp_path / "l", noted, pa.array([0.5]))
    found = plumbline.diff(left, folder(tmp_path / "r", pa.array([2**53]), pa.array([0.5])), "id")
    assert found.summary["columns"] == {"v": 1}
    assert plumbline.diff(left, folder(tmp_path / "s", pa.array([2**53 + 1]), pa.array([0.5])), "id").clean
