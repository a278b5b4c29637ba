"""Columns whose names differ in case only: told apart everywhere, in what is asked and in what comes out."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.cli import run
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import UsageError

OURS = pa.table({"id": [1, 2], "V": ["up", "up"], "v": ["low", "low"]})
THEIRS = pa.table({"v": ["low", "OTHER"], "id": [1, 2], "V": ["up", "up"]})


def as_parquet(rows: pa.Table, place: Path) -> object:
    pq.write_table(rows, place / "x.parquet")
    return place / "x.parquet"


def as_files(rows: pa.Table, place: Path) -> object:
    for number in range(rows.num_rows):
        order = rows.column_names[::-1] if number else rows.column_names
        pq.write_table(rows.select(order).slice(number, 1), place / f"{number}.parquet")
    return place


def as_csv(rows: pa.Table, place: Path) -> object:
    lines = [rows.column_names, *(map(str, row.values()) for row in rows.to_pylist())]
    (place / "x.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    return place / "x.csv"


def as_table(rows: pa.Table, place: Path) -> object:
    lake, name = Lake.open(Home.resolve(place.parent)), f"x.{place.name}"
    lake.ensure_table(name, rows.schema)
    lake.append(name, rows)
    return name


FORMS = {"a frame": lambda rows, _: rows, "Parquet": as_parquet, "files": as_files, "CSV": as_csv, "Iceberg": as_table}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_is_compared_with_its_own(form: object, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    left, right = form(OURS, tmp_path / "a"), form(THEIRS, tmp_path / "b")  # type: ignore[operator]
    found = plumbline.diff(left, right, "id", home=Home.resolve(tmp_path))
    assert found.summary["schema"] == []
    assert found.summary["columns"] == {"v": 1}
    assert list(found.summary["compared"]) == ["V", "v"]
    assert plumbline.diff(left, OURS.select(["v", "V", "id"]), "id", home=Home.resolve(tmp_path)).clean
    assert plumbline.diff(left, left, None, home=Home.resolve(tmp_path)).clean


def test_what_comes_out_has_them_as_they_are_spelled(tmp_path: Path) -> None:
    found = plumbline.diff(OURS, THEIRS, ["id", "V"])
    [row] = found.samples(5)
    assert (row["V"], row["columns"], row["left_row"], row["right_row"]) == ("up", ["v"], {"v": "low"}, {"v": "OTHER"})
    found.write(tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == found.drift().to_pylist()
    assert found.drift().column_names[:3] == ["class", "id", "V"]
    with pytest.raises(UsageError, match="names of columns differ in case only"):
        found.write_repair(tmp_path / "repair.sql", "t")


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        ({"where": "v = 'low'"}, {"match": 1, "missing": 1}),
        ({"where": "\"V\" = 'up' AND id IN (1, 2)"}, {"match": 1, "mismatch": 1}),
        ({"where": "V = 'up' -- whatever"}, {"match": 1, "mismatch": 1}),
        ({"ignore": "v"}, {"match": 2}),
        ({"columns": ["V"]}, {"match": 2}),
        ({"columns": "v"}, {"match": 1, "mismatch": 1}),
        ({"tolerances": {"v": "ignore"}}, {"match": 2}),
        ({"compute_left": {"v": "upper(v)"}, "compute_right": {"v": "upper(V)"}}, {"mismatch": 2}),
        ({"fail_if": "v > 5"}, {"match": 1, "mismatch": 1}),
        ({"hide": "v"}, {"match": 1, "mismatch": 1}),
    ],
)
def test_what_is_asked_is_of_the_column_so_spelled(asked: dict[str, object], counts: dict[str, int]) -> None:
    found = plumbline.diff(OURS, THEIRS, "id", **asked)  # type: ignore[arg-type]
    assert {name: count for name, count in found.summary["counts"].items() if count} == counts


def test_a_name_that_may_be_several_is_refused() -> None:
    rows = pa.table({"id": [1], "Ab": [1], "aB": [1]})
    with pytest.raises(UsageError, match="'ab' may be any of Ab, aB"):
        plumbline.diff(rows, rows, "id", where="ab = 1")
    with pytest.raises(UsageError, match="'ab' is on neither side"):
        plumbline.diff(rows, rows, "id", ignore="ab")


def test_one_side_alone_may_have_both() -> None:
    found = plumbline.diff(OURS, OURS.drop_columns(["V"]), "id")
    assert [(told["column"], told["finding"]) for told in found.summary["schema"]] == [("V", "only_left")]
    assert found.summary["counts"]["match"] == 2
    computed = plumbline.diff(
        OURS.drop_columns(["V"]), OURS, "id", compute_left={"V": "upper(v)"}, tolerances={"V": "case"}
    )
    assert computed.summary["columns"] == {"V": 2}


def test_a_name_in_one_case_may_still_be_written_in_another(tmp_path: Path) -> None:
    rows = pa.table({"id": [1], "Price": [1]})
    assert plumbline.diff(rows, rows, "id", where="price = 1").summary["counts"]["match"] == 1
    pq.write_table(rows, tmp_path / "1.parquet")
    pq.write_table(pa.table({"id": [2], "price": [2]}), tmp_path / "2.parquet")
    assert plumbline.diff(pa.table({"id": [1, 2], "Price": [1, 2]}), tmp_path, "id").clean


def test_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, rows in (("a", OURS), ("b", THEIRS)):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    assert run(["diff", str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet"), "--key", "id"]) == 1
    assert "v=OTHER" in capsys.readouterr().out


def nested(names: str, *values: int) -> pa.Table:
    fields = pa.StructArray.from_arrays([pa.array([value]) for value in values], list(names))
    return pa.table({"id": [1], "v": fields})


@pytest.mark.parametrize("form", [as_parquet, as_table], ids=["Parquet", "Iceberg"])
def test_fields_of_a_struct_are_never_taken_for_each_other(form: object, tmp_path: Path) -> None:
    places = [tmp_path / name for name in "abcd"]
    for place in places:
        place.mkdir()
    rows = [nested("Aa", 1, 2), nested("aA", 1, 2), nested("A", 1), nested("Aa", 1, 3)]
    ours, crossed, alone, other = (form(t, p) for t, p in zip(rows, places, strict=True))  # type: ignore[operator]
    home = Home.resolve(tmp_path)
    assert plumbline.diff(ours, ours, "id", home=home).clean
    assert plumbline.diff(ours, other, "id", home=home).summary["columns"] == {"v": 1}
    for theirs in (crossed, alone):
        found = plumbline.diff(ours, theirs, "id", home=home)
        assert [told["finding"] for told in found.summary["schema"]] in (["incomparable"], ["fields"])
        assert not found.clean


def test_such_fields_in_a_frame_or_in_files_of_several_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="column 'v' of the frame has fields whose names differ in case only"):
        plumbline.diff(nested("Aa", 1, 2), nested("Aa", 1, 2), "id")
    for number, names in enumerate(("Aa", "aA")):
        pq.write_table(nested(names, 1, 2), tmp_path / f"{number}.parquet")
    with pytest.raises(UsageError, match="column 'v' has fields whose names differ in case only"):
        plumbline.diff(tmp_path, tmp_path, "id")
