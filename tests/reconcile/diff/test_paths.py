"""What a path stands for: names that look like patterns, what is no data, key=value folders, names of tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.cli import run
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError, UsageError
from plumbline.reconcile.diff.engine.paths import files_of, takes_in

ROWS = pa.table({"id": [1, 2], "v": ["a", "b"]})
OTHER = pa.table({"id": [1, 2], "v": ["a", "OTHER"]})
NAMES = {  # a name that exists, and the one that it would mean as a pattern
    "rep[1]": "rep1", "what?": "what1", "all*": "all2", "a[!b]": "ac", "[ab]": "a", "c{1,2}": "c1", "two words": "two",
    "b[a-c]d*?": "bbdxx", "per%20cent": "per cent", "ünï": "uni", "#1": "1", "~tilde": "tilde", "quo'te": "quote",
}  # fmt: skip


def put(*files: Path, rows: pa.Table = ROWS) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as opened:
            pq.write_table(rows, opened)


def csv(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def counts(left: Any, right: Any, key: str | None = "id", **options: Any) -> dict[str, int]:
    found = plumbline.diff(left, right, key, **options)
    assert found.summary["schema"] == []
    return {name: count for name, count in found.summary["counts"].items() if count}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_exists_is_that_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place, rows in ((name, OTHER), (NAMES[name], ROWS)):
        put(Path(f"{place}.parquet"), Path(place, "x.parquet"), rows=rows)
        csv(Path(f"{place}.csv"), "id,v\n" + "".join(f"{row['id']},{row['v']}\n" for row in rows.to_pylist()))
    for there in (f"{name}.parquet", name, f"{name}.csv", f"{name}/*.parquet"):
        assert counts(OTHER, there) == {"match": 2}, there


@pytest.mark.parametrize(
    "name",
    [
        "_temporary/0/task/part-0.parquet", "_tmp.parquet", ".part-0.parquet.tmp.parquet", "._part-0.parquet",
        ".ipynb_checkpoints/part-0-checkpoint.parquet", ".hidden/deep/x.parquet", ".Trash/x.parquet",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["folder", "folder/**/*.parquet", "folder/*"])
def test_hidden_files_are_no_data(name: str, form: str, tmp_path: Path) -> None:
    put(tmp_path / "folder/part-0.parquet", tmp_path / "folder" / name)
    (tmp_path / "folder" / "_SUCCESS").touch()
    assert counts(ROWS, tmp_path / form) == {"match": 2}


def test_what_is_named_outright_is_read_hidden_or_not(tmp_path: Path) -> None:
    put(tmp_path / "_x" / ".y.parquet", rows=OTHER)
    for named in (tmp_path / "_x" / ".y.parquet", tmp_path / "_x" / ".*.parquet", tmp_path / "_*" / ".y*"):
        assert counts(OTHER, named) == {"match": 2}
    with pytest.raises(UsageError, match="holds no Parquet or CSV file"):
        plumbline.diff(ROWS, tmp_path / "_x", "id")


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    """Files without an ending that are Parquet, and what lies behind links."""
    put(tmp_path / "folder/part-00000", tmp_path / "store/x.parquet")
    (tmp_path / "folder" / "day").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "back").symlink_to(tmp_path / "folder")
    assert counts(pa.concat_tables([ROWS, ROWS]), tmp_path / "folder", None) == {"match": 4}


def test_a_file_packed_in_an_unknown_way_is_not_passed_over(tmp_path: Path) -> None:
    csv(tmp_path / "a.csv", "id,v\n1,a\n")
    csv(tmp_path / "b.csv.bz2", "")
    with pytest.raises(UsageError, match=r"b\.csv\.bz2' is packed in a way that cannot be read"):
        plumbline.diff(ROWS, tmp_path, "id")


def test_a_folder_that_cannot_be_listed_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "x.parquet", tmp_path / "closed" / "y.parquet")
    from os import scandir

    def refusing(path: str) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", refusing)
    with pytest.raises(SetupError, match="Permission denied"):
        plumbline.diff(ROWS, tmp_path, "id")


@pytest.mark.parametrize(
    "mark",
    ["metadata/v1.metadata.json", "_delta_log/0.json", ".hoodie/hoodie.properties", "schema/schema-0",
     "_spark_metadata/0"],
)  # fmt: skip
@pytest.mark.parametrize("named", ["t", "t/data", "t/data/day=1", "t/*/*.parquet", "t/data/day=1/*.parquet", "."])
def test_a_tables_folder_is_refused_from_above_and_below(mark: str, named: str, tmp_path: Path) -> None:
    csv(tmp_path / "t" / mark, "{}")
    put(tmp_path / "t/data/1.parquet", tmp_path / "t/data/day=1/2.parquet")
    with pytest.raises(UsageError, match=r"the folder of an? .*its files mix the rows of many snapshots"):
        plumbline.diff(ROWS, tmp_path / named, "id")
    assert counts(ROWS, tmp_path / "t/data/1.parquet") == {"match": 2}  # one file is what it is


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_folders_that_lead_to_the_files_are_no_columns(kind: str, tmp_path: Path) -> None:
    for run_of in ("run=5", "run=6"):
        put(tmp_path / run_of / "x.parquet", tmp_path / run_of / "deep/y.parquet")
        for place in ("x.csv", "deep/y.csv"):
            csv(tmp_path / run_of / place, "id,v\n1,a\n2,b\n")
    for below in (f"x.{kind}", f"*.{kind}", f"**/*.{kind}"):
        for key in ("id", None):
            left, right = tmp_path / "run=5" / below, tmp_path / "run=6" / below
            assert "mismatch" not in counts(left, right, key)
            assert "missing" not in counts(left, right, key)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("abc", "123"), ["abc", "123"]),
        (("5", "-6"), [5, -6]),
        (("007", "7"), ["007", "7"]),
        (("2024-01-01", "2024-01-31"), None),
        (("__HIVE_DEFAULT_PARTITION__", "a%3Ab"), [None, "a:b"]),
        (("1", "1e3"), ["1", "1e3"]),
    ],
    ids=["text", "numbers", "leading zeros", "dates", "NULL and an escape", "an exponent"],
)
def test_folders_below_what_is_named_are_columns(
    kind: str, values: tuple[str, str], said: list[Any] | None, tmp_path: Path
) -> None:
    for n, value in enumerate(values):
        put(tmp_path / "h.parquet" / f"part={value}" / "x.parquet", rows=pa.table({"id": [n]}))
        csv(tmp_path / "h.csv" / f"part={value}" / "x.csv", f"id\n{n}\n")
    flat = pa.table({"id": [0, 1], "part": said or pa.array(values).cast(pa.date32())})
    assert counts(flat, tmp_path / f"h.{kind}") == {"match": 2}
    assert counts(flat, tmp_path / f"h.{kind}" / "part=*" / f"x.{kind}") == {"match": 2}
    other = flat.set_column(1, "part", flat["part"].take([1, 0]))
    assert counts(other, tmp_path / f"h.{kind}") == {"mismatch": 2}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("name", ["part", "PART"])
def test_a_folders_key_replaces_no_column_of_the_file(kind: str, name: str, tmp_path: Path) -> None:
    for side, value in (("a", 1), ("b", 2)):
        put(tmp_path / side / "part=5" / "x.parquet", rows=pa.table({"id": [1], name: [value]}))
        csv(tmp_path / f"{side}.csv" / "part=5" / "x.csv", f"id,{name}\n1,{value}\n")
    ending = ".csv" if kind == "csv" else ""
    assert counts(tmp_path / f"a{ending}", tmp_path / f"b{ending}") == {"mismatch": 1}


def test_files_with_and_without_a_key_are_not_one_table(tmp_path: Path) -> None:
    put(tmp_path / "part=1/x.parquet", tmp_path / "y.parquet")
    with pytest.raises(UsageError, match="do not have the same keys, each once: part"):
        plumbline.diff(ROWS, tmp_path, "id")


def test_a_key_that_only_some_files_have_as_a_column_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "v=1/x.parquet", rows=ROWS)
    put(tmp_path / "v=2/x.parquet", rows=ROWS.select(["id"]))
    with pytest.raises(UsageError, match="some of the files have a column 'v' of their own"):
        plumbline.diff(ROWS, tmp_path, "id")


@pytest.mark.parametrize("source", ["x" * 5000, "a\0b", "~nobody-of-that-name/x.csv", "no.parquet", "[", "**x/*"])
def test_a_name_that_no_file_can_have_is_one_error(source: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        plumbline.diff(ROWS, source, "id", home=Home.resolve(tmp_path))


def test_an_output_file_may_not_be_read_again(tmp_path: Path) -> None:
    put(tmp_path / "run[1]" / "x.parquet")
    assert takes_in(str(tmp_path / "run[1]"), tmp_path / "run[1]" / "out.parquet")
    assert not takes_in(str(tmp_path / "run[1]"), tmp_path / "run1" / "out.parquet")
    assert takes_in(str(tmp_path / "*.parquet"), tmp_path / "out.parquet")
    assert files_of(str(tmp_path / "run[1]")) is not None


def test_tables_and_snapshots_by_any_name_that_the_catalog_takes(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    lake = Lake.open(home)
    for name in ("my-db.t", "x.my-table", "x.two words", "x.t"):
        lake.ensure_table(name, ROWS.schema)
        lake.append(name, ROWS)
        assert counts(ROWS, name, home=home) == {"match": 2}
    table = lake.load("x.t")
    first = table.current_snapshot().snapshot_id
    refs = table.manage_snapshots().create_tag(first, "20260101").create_branch(first, "feature/x")
    refs.create_tag(first, "v1.0@rc").commit()
    lake.append("x.t", ROWS)
    for ref in (str(first), "20260101", "feature/x", "v1.0@rc"):
        assert counts(ROWS, f"x.t@{ref}", home=home) == {"match": 2}
    with pytest.raises(SetupError, match=r"snapshot 20260102 of x\.t does not exist"):
        plumbline.diff(ROWS, "x.t@20260102", "id", home=home)


def test_a_table_in_a_folder_that_looks_like_a_pattern(tmp_path: Path) -> None:
    for name, rows in (("lake[1]", OTHER), ("lake1", ROWS)):
        home = Home.resolve(tmp_path / name)
        Lake.open(home).ensure_table("x.t", ROWS.schema)
        Lake.open(home).append("x.t", rows)
    assert counts(ROWS, "x.t", home=Home.resolve(tmp_path / "lake[1]")) == {"match": 1, "mismatch": 1}


def test_options_that_take_columns_take_several(tmp_path: Path) -> None:
    rows = pa.table({"id": [1], "a": [1], "b": [1], "c": [1]})
    put(tmp_path / "l.parquet", rows=rows)
    put(tmp_path / "r.parquet", rows=rows.set_column(1, "a", [[2]]).set_column(2, "b", [[2]]).set_column(3, "c", [[2]]))
    sides = [str(tmp_path / "l.parquet"), str(tmp_path / "r.parquet"), "--key", "id"]
    assert run(["diff", *sides, "--ignore", "a,b"]) == 1
    assert run(["diff", *sides, "--ignore", "a, b", "--ignore", "c"]) == 0
