"""CSV files as sides: their types, files of a header only, files that cannot be parsed."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.cli import run
from plumbline.contract.errors import SetupError


@pytest.mark.parametrize("swapped", [False, True], ids=["the right", "the left"])
def test_a_csv_of_a_header_only_takes_the_other_sides_types(tmp_path: Path, swapped: bool) -> None:
    (tmp_path / "empty.csv").write_text("id,v,other\n")
    (tmp_path / "full.csv").write_text("id,w\n1,2024-01-01\n2,2024-01-02\n")
    paths = [tmp_path / "full.csv", tmp_path / "empty.csv"]
    names = {"w": "v"}
    if swapped:
        paths, names = paths[::-1], {"v": "w"}
    found = plumbline.diff(
        *paths, key="id", names=names, compute_left={"next": "id + 1"}, compute_right={"next": "id + 1"}
    )
    counts = found.summary["counts"]
    assert (counts["missing"], counts["extra"]) == ((0, 2) if swapped else (2, 0))
    assert [finding["column"] for finding in found.summary["schema"]] == ["other"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_that_cannot_be_parsed_is_refused_with_the_line(tmp_path: Path, delimiter: str) -> None:
    """DuckDB alone takes it for one column, 'id,v'."""
    (tmp_path / "good.csv").write_text("id,v\n1,a\n")
    (tmp_path / "bad.csv").write_text('id,v\n1,a,b,c\n2,"open\n3,c\n'.replace(",", delimiter))
    with pytest.raises(SetupError, match=r"bad.csv' cannot be read: .*on Line: 2"):
        plumbline.diff(tmp_path / "good.csv", tmp_path / "bad.csv", key="id")


def test_a_csv_of_one_column_may_have_a_comma_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text('"id,v"\na\nb\n')
    assert plumbline.diff(tmp_path / "one.csv", tmp_path / "one.csv", key="id,v").summary["counts"]["match"] == 2


def test_types_of_a_csv_come_from_all_rows(tmp_path: Path) -> None:
    """A sniffer that looks at the first rows only would fail at the last one."""
    file = tmp_path / "late.csv"
    file.write_text("id,v\n" + "".join(f"{i},1\n" for i in range(60_000)) + "60000,x\n")
    assert plumbline.diff(file, file, "id").summary["counts"]["match"] == 60_001


def counts(tmp_path: Path, left: str, right: str) -> dict[str, int]:
    """The classes of two CSV files with the columns id and v."""
    (tmp_path / "left.csv").write_text(left)
    (tmp_path / "right.csv").write_text(right)
    found = plumbline.diff(tmp_path / "left.csv", tmp_path / "right.csv", "id")
    return {name: count for name, count in found.summary["counts"].items() if count}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("649686000000001631.440", "649686000000001631.441"),
        ("90071992547409.93", "90071992547409.94"),
        ("3.5215257120407011", "3.5215257120407012"),
        ("9007199254740993.0", "9007199254740992.0"),
        ("1" * 40 + ".1", "1" * 40 + ".2"),
        ("1" * 40, "1" * 39 + "2"),
        ("0.1", "0.10000000000000000001"),
        ("1e400", "1e401"),
        ("1e-400", "0.0"),
        ("12345678901234567890e-5", "12345678901234567891e-5"),
        ("007", "7"),
        ("0x10", "16"),
        ("0x1F", "0x1f"),
        ("0b11", "3"),
        ("yes", "true"),
        ("no", "n"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z"),
    ],
)
@pytest.mark.parametrize("beside", ["", "2,0.5\n"], ids=["alone", "beside a fraction"])
def test_values_that_differ_are_not_read_as_one(one: str, other: str, beside: str, tmp_path: Path) -> None:
    for name, value in (("left", one), ("right", other)):
        (tmp_path / f"{name}.csv").write_text(f"id,v\n1,{value}\n{beside}")
    found = plumbline.diff(tmp_path / "left.csv", tmp_path / "right.csv", "id")
    kinds = {finding["finding"] for finding in found.summary["schema"]}
    assert found.summary["columns"] == {"v": 1} or "incomparable" in kinds  # told in one of two ways
    assert not found.clean
    assert plumbline.diff(tmp_path / "left.csv", tmp_path / "left.csv", "id").clean


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.50", "1.5"),
        ("+1.5", "1.50"),
        ("649686000000001631.440", "649686000000001631.44"),
        ("1" * 40 + ".10", "1" * 40 + ".1"),
        ("1e-7", "0.0000001"),
        ("2020-01-01T00:00:00Z", "2020-01-01 02:00:00+02"),
        ("2020-01-01T00:00:00.123+01:00", "2019-12-31 23:00:00.123+00"),
        ("true", "T"),
    ],
)
def test_one_value_in_two_spellings_is_one(one: str, other: str, tmp_path: Path) -> None:
    assert counts(tmp_path, f"id,v\n1,{one}\n", f"id,v\n1,{other}\n") == {"match": 1}


def test_numbers_meet_those_of_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,v,w\n1,0.1,649686000000001631.440\n2,1e-7,2.5\n3,NaN,1\n")
    rows = {"id": [1, 2, 3], "v": [0.1, 1e-7, float("nan")], "w": ["649686000000001631.440", "2.5", "1"]}
    wide = pa.array(rows["w"]).cast(pa.decimal128(38, 5))
    found = plumbline.diff(tmp_path / "a.csv", pa.table({**rows, "w": wide}), "id")
    assert found.summary["counts"]["match"] == 3


def test_numbers_of_several_files_are_not_rounded_to_one_type(tmp_path: Path) -> None:
    for side, big in (("a", 2**53 + 1), ("b", 2**53)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "1.csv").write_text(f"id,v,w\n1,{big},\n")
        (tmp_path / side / "2.csv").write_text("w,v,id\n7,0.5,2\n")
    found = plumbline.diff(tmp_path / "a", tmp_path / "b", "id")
    assert found.summary["columns"] == {"v": 1}
    assert found.summary["compared"]["w"]["matches"] == 2  # an empty column of one file does not make it text


def test_days_are_not_guessed(tmp_path: Path) -> None:
    """Which of the two is the month would be decided by the other rows of the file."""
    days = [f"{day},01/{day:02}/2024\n" for day in range(1, 32)]
    assert counts(tmp_path, "id,v\n" + "".join(days[:12]), "id,v\n" + "".join(days)) == {"match": 12, "extra": 19}
    rows = pa.table({"id": [1], "v": pa.array([19723], pa.date32())})
    (tmp_path / "us.csv").write_text("id,v\n1,01/01/2024\n")
    assert [f["finding"] for f in plumbline.diff(tmp_path / "us.csv", rows, "id").summary["schema"]] == ["incomparable"]
    (tmp_path / "iso.csv").write_text("id,v\n1,2024-01-01\n")
    assert plumbline.diff(tmp_path / "iso.csv", rows, "id").clean


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("1,a\n" * 1000 + "2,b,c\n", r"on Line: 1002: Expected Number of Columns: 2 Found: 3"),
        ("1,a,b\n" * 3, "on Line: 2: Expected Number of Columns: 2 Found: 3"),
        ("1,a\n2\n", "on Line: 3: Expected Number of Columns: 2 Found: 1"),
        ('1,a\n2,"b\n', "on Line: 3: .*quote"),
    ],
    ids=["one wide line", "all lines wider than the header", "a short line", "an open quote"],
)
def test_a_line_that_does_not_fit_the_header_is_refused_with_the_reason(
    rows: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """DuckDB alone skips all lines before a wide one."""
    (tmp_path / "a.csv").write_text("id,v\n1,a\n")
    (tmp_path / "b.csv").write_text("id,v\n" + rows)
    assert run(["diff", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--key", "id"]) == 3
    told = capsys.readouterr().err
    assert re.search(reason, told), told
    assert "Original" not in told


@pytest.mark.parametrize(
    "content",
    [
        "id,v\r\n1,a\r\n", "id,v\r1,a\r", "id;v\n1;a\n", "id\tv\n1\ta\n", "\ufeffid,v\n1,a\n", "id,v\n\n1,a\n\n",
        '"id","v"\n"1","a"\n', "id|v\n1|a\n",
    ],
)  # fmt: skip
def test_forms_of_a_csv(content: str, tmp_path: Path) -> None:
    assert counts(tmp_path, "id,v\n1,a\n", content) == {"match": 1}


@pytest.mark.parametrize("spelled", ['"a ""b"", c"', '"a \\"b\\", c"'], ids=["doubled quotes", "Spark's backslashes"])
def test_quotes_inside_of_quotes(spelled: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"id,v\n1,{spelled}\n")
    pq.write_table(pa.table({"id": [1], "v": ['a "b", c']}), tmp_path / "b.parquet")
    assert plumbline.diff(tmp_path / "a.csv", tmp_path / "b.parquet", "id").clean


def test_a_column_without_any_value_has_no_type(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,v\n1,\n")
    assert plumbline.diff(tmp_path / "a.csv", pa.table({"id": [1], "v": pa.array([None], pa.int64())}), "id").clean


def test_a_packed_csv(tmp_path: Path) -> None:
    import gzip

    with gzip.open(tmp_path / "a.csv.gz", "wt") as packed:
        packed.write("id;v\n1;0.5\n")
    assert plumbline.diff(tmp_path / "a.csv.gz", pa.table({"id": [1], "v": [0.5]}), "id").clean


def test_a_name_that_the_header_has_twice(tmp_path: Path) -> None:
    assert counts(tmp_path, "id,v,v\n1,a,b\n", "id,v,v\n1,a,c\n") == {"mismatch": 1}
    assert counts(tmp_path, "id,v,v,V\n1,a,b,c\n", "id,v,v,V\n1,a,b,c\n") == {"match": 1}


def test_quotes_around_nothing_are_the_empty_text_and_no_number(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"id","n","t"\n"1","","a"\n"2","5",""\n')
    rows = pa.table({"id": [1, 2], "n": [None, 5], "t": ["a", ""]})
    assert plumbline.diff(tmp_path / "a.csv", rows, "id").clean
    assert counts(tmp_path, 'id,v\n1,""\n2,a\n', "id,v\n1,\n2,a\n") == {"mismatch": 1, "match": 1}
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "1.csv").write_text('id,n\n1,""\n')
    (tmp_path / "more" / "2.csv").write_text("id,n\n2,5\n")
    assert plumbline.diff(tmp_path / "more", rows.drop_columns(["t"]), "id").clean


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", 2, "is empty: it has not even a header"),
        (b"\n\n", 2, "is empty: it has not even a header"),
        ("id,v\n1,a\n".encode("utf-16"), 2, "is UTF-16. Next: write it as UTF-8"),
        (b"id,v\r\n1,a\n2,b\r\n", 3, "do not all end alike"),
        (",".join("x" * 20_000 + str(n) for n in range(10)).encode() + b"\n", 2, "have no column in common"),
    ],
    ids=["nothing", "no line", "UTF-16", "several ends of line", "a header of 200,000 characters"],
)
def test_what_is_no_csv_for_the_engine_is_told(
    content: bytes, code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("id,v\n1,a\n")
    (tmp_path / "b.csv").write_bytes(content)
    assert run(["diff", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--key", "id"]) == code
    assert message in capsys.readouterr().err
