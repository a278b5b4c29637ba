"""`plumbline.diff` and `plumbline diff`: what can be a side, what comes out, how it ends."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from rich.console import Console

import plumbline
from plumbline.cli import cli
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.pinned import connection
from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import PlumblineError, SetupError, UsageError
from plumbline.contract.lineage import LINEAGE
from plumbline.reconcile.diff.engine.compare import compare
from plumbline.reconcile.diff.engine.side_options import Side, shaped
from plumbline.reconcile.diff.engine.side_view import first_line
from plumbline.reconcile.diff.engine.sources import open_side
from plumbline.reconcile.diff.terminal import show
from plumbline.reconcile.diff.tolerances import parse_tolerances

OURS = pa.table({"id": [1, 2, 3], "price": [1.0, 2.0, 3.0], "city": ["a", "b", "<b>"]})
THEIRS = pa.table({"id": [1, 2, 4], "price": [1.0, 2.5, 4.0], "city": ["a", "b", "d"]})
COUNTS = {"match": 1, "mismatch": 1, "missing": 1, "extra": 1, "duplicate": 0}


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    pq.write_table(OURS, tmp_path / "ours.parquet")
    pq.write_table(THEIRS, tmp_path / "theirs.parquet")
    return str(tmp_path / "ours.parquet"), str(tmp_path / "theirs.parquet")


def as_path(folder: Path) -> Any:
    pq.write_table(OURS, folder / "o.parquet")
    return folder / "o.parquet"


def as_csv(folder: Path) -> Any:
    duckdb.sql(f"COPY (FROM OURS) TO '{folder / 'o.csv'}'")
    return str(folder / "o.csv")


def as_folder(folder: Path) -> Any:
    (folder / "deep").mkdir()
    pq.write_table(OURS.slice(0, 1), folder / "a.parquet")
    pq.write_table(OURS.slice(1), folder / "deep" / "b.parquet")
    return str(folder)


def as_glob(folder: Path) -> Any:
    as_folder(folder)
    (folder / "c.txt").write_text("not a side")
    return str(folder / "**" / "*.parquet")


def as_unnamed_parquet(folder: Path) -> Any:
    pq.write_table(OURS, folder / "part-0")
    return str(folder / "part-0")


SIDES = {
    "a Parquet file": as_path,
    "a CSV file": as_csv,
    "a folder of files, at any depth": as_folder,
    "a glob": as_glob,
    "a Parquet file without an ending": as_unnamed_parquet,
    "an Arrow table": lambda _: OURS,
    "a pandas frame": lambda _: OURS.to_pandas().set_index(pd.Index([7, 8, 9])),
    "a polars frame": lambda _: pl.from_arrow(OURS),
    "a lazy polars frame": lambda _: pl.from_arrow(OURS).lazy(),  # type: ignore[union-attr]
    "a DuckDB relation of another connection": lambda _: duckdb.connect().from_arrow(OURS),
    "a stream of Arrow batches": lambda _: OURS.to_reader(),
}


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
def test_side(side: Any, tmp_path: Path) -> None:
    found = plumbline.diff(side(tmp_path), THEIRS, ["id"])
    assert found.summary == {
        "left": {"rows": 3},
        "right": {"rows": 3},
        "counts": COUNTS,
        "columns": {"price": 1},
        "schema": [],
        "repeated_keys": 0,
        "engine": {"name": "duckdb", "why": "asked for"},
        "compared": {
            "price": {"matches": 1, "mismatches": 1, "largest_difference": 0.5},
            "city": {"matches": 2, "mismatches": 0, "largest_difference": None},
        },
        "alerts": [],
    }


def test_an_iceberg_table_at_a_snapshot_a_tag_or_as_it_is(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    lake = Lake.open(home)
    lake.ensure_table("joined.flights", OURS.schema)
    lake.append("joined.flights", OURS)
    table = lake.load("joined.flights")
    first = table.current_snapshot().snapshot_id
    table.manage_snapshots().create_tag(first, "before").commit()
    lake.append("joined.flights", OURS.slice(0, 1))
    for name, duplicates in ((f"@{first}", 0), ("@before", 0), ("@main", 1), ("", 1)):
        found = plumbline.diff(OURS, f"joined.flights{name}", "id", home=home)
        assert found.summary["counts"]["duplicate"] == duplicates, name
    with pytest.raises(UsageError, match="'after' is not a snapshot, tag or branch of"):
        plumbline.diff(OURS, "joined.flights@after", "id", home=home)
    with pytest.raises(SetupError, match=r"snapshot 42 of joined\.flights does not exist: it may have been expired"):
        plumbline.diff(OURS, "joined.flights@42", "id", home=home)
    with pytest.raises(SetupError, match="joined"):
        plumbline.diff(OURS, "joined.flight", "id", home=home)


def test_a_column_of_a_later_file_is_not_lost(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "v": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": [2], "v": [1], "w": [5]}), tmp_path / "b.parquet")
    found = plumbline.diff(tmp_path, pa.table({"id": [1, 2], "v": [1, 1], "w": [None, 6]}), "id")
    assert found.summary["columns"] == {"w": 1}


def test_many_files(tmp_path: Path) -> None:
    for i in range(300):
        pq.write_table(pa.table({"id": [2 * i, 2 * i + 1], "v": [i, i]}), tmp_path / f"{i}.parquet")
    whole = pa.table({"id": range(600), "v": [i // 2 for i in range(600)]})
    assert plumbline.diff(tmp_path, whole, "id").summary["counts"]["match"] == 600


@pytest.mark.parametrize("where", [None, "id <> 30"])
def test_differing_rows_are_found_by_their_place_in_many_files(tmp_path: Path, where: str | None) -> None:
    """A row of file 3 differs, one of file 5 is doubled in another; row numbers are the same in each file."""
    for i in range(10):
        pq.write_table(pa.table({"id": [10 * i, 10 * i + 1], "v": [i, i]}), tmp_path / f"{i}.parquet")
    pq.write_table(pa.table({"id": [50], "v": [5]}), tmp_path / "x.parquet")
    ids, values = [10 * i + n for i in range(10) for n in (0, 1)], [i for i in range(10) for _ in (0, 1)]
    values[ids.index(31)] = -1
    moved = pa.table({"id": ids, "v": values})
    found = plumbline.diff(moved, tmp_path, "id", where=where)
    kept = open_side(connection(), tmp_path, "side", lambda: Lake.open(Home.resolve(tmp_path)))
    assert (kept.placed, list(kept.columns)) == (True, ["id", "v"])
    assert [(row["id"], row["class"], row["right_count"]) for row in found.drift().to_pylist()] == [
        (31, "mismatch", 1), (50, "duplicate", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["file_index", "file_row_number", "FILE_INDEX", "plumbline_file", "plumbline_row"])
def test_a_column_named_like_one_of_the_reader(tmp_path: Path, name: str) -> None:
    ours, theirs = tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3], name: [7, 8, 9]}), ours)
    pq.write_table(pa.table({"id": [1, 2, 3], name: [7, 8, 5]}), theirs)
    assert [row["id"] for row in plumbline.diff(ours, theirs, "id").drift().to_pylist()] == [3]
    assert len(plumbline.diff(ours, theirs, name).drift()) == 2


UNREADABLE = {
    "nothing there": ("nowhere.parquet", UsageError, "does not exist"),
    "a glob that matches nothing": ("*.nothing", UsageError, "matches no file"),
    "an empty folder": ("empty", UsageError, "holds no Parquet or CSV file"),
    "a folder of both kinds": ("both", UsageError, "mixes Parquet and CSV"),
    "an Iceberg table's folder": ("iceberg", UsageError, "folder of an Iceberg table"),
    "a text file": ("notes.txt", UsageError, "neither Parquet nor CSV"),
    "a broken Parquet file": ("broken.parquet", SetupError, "cannot be read"),
    "an empty Parquet file": ("zero.parquet", SetupError, "cannot be read"),
}


@pytest.mark.parametrize(("name", "kind", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable(name: str, kind: type[PlumblineError], message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "a.csv").write_text("id\n1\n")
    pq.write_table(OURS, tmp_path / "both" / "b.parquet")
    (tmp_path / "iceberg" / "metadata").mkdir(parents=True)
    (tmp_path / "iceberg" / "metadata" / "v1.metadata.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("id\n1\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" + b"\0" * 100)
    (tmp_path / "zero.parquet").write_bytes(b"")
    with pytest.raises(kind, match=message) as raised:
        plumbline.diff(str(tmp_path / name), THEIRS, "id")
    assert raised.value.next_step


def test_a_file_that_is_not_there_is_no_table_of_the_lake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'missing\.txt' is neither a file here nor a table of the lake"):
        plumbline.diff(OURS, "missing.txt", "id", home=Home.resolve(tmp_path))


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pq.write_table(OURS, tmp_path / f"{name}.parquet")
    con = connection()
    side = open_side(con, tmp_path, "left source", lambda: Lake.open(Home.resolve(tmp_path)))
    view = shaped(con, side, "left", Side())
    (tmp_path / "b.parquet").unlink()
    with pytest.raises(SetupError, match=r"cannot be read: .*b\.parquet"):
        shaped(con, side, "left", Side())
    with pytest.raises(SetupError, match=r"cannot be read: .*b\.parquet"):
        compare(con, view.name, view.name, ["id"])


def test_what_duckdb_wraps_is_told_alone() -> None:
    wrapped = 'IO Error: Async write failed: {"exception_type":"IO","exception_message":"No space left","errno":"28"}'
    assert first_line(duckdb.IOException(wrapped)) == "No space left"
    assert first_line(duckdb.IOException("IO Error: no\n\nLINE 1: SELECT")) == "IO Error: no"


def test_a_frame_of_mixed_types_is_refused() -> None:
    with pytest.raises(UsageError, match="DataFrame cannot be compared"):
        plumbline.diff(pd.DataFrame({"id": [1, "a"]}), THEIRS, "id")


def test_drift_as_arrow_and_as_a_file(files: tuple[str, str], tmp_path: Path) -> None:
    found = plumbline.diff(*files, ["id"])
    drift = found.drift().select(["id", "class", "columns"]).to_pylist()
    assert drift == [
        {"id": 2, "class": "mismatch", "columns": ["price"]},
        {"id": 3, "class": "missing", "columns": []},
        {"id": 4, "class": "extra", "columns": []},
    ]
    found.write(tmp_path / "drift.parquet")
    assert pq.read_table(tmp_path / "drift.parquet").to_pylist() == found.drift().to_pylist()
    with pytest.raises(SetupError, match="cannot be written"):
        found.write(tmp_path / "no" / "drift.parquet")


def test_a_notebook_sees_escaped_values(files: tuple[str, str]) -> None:
    page = plumbline.diff(*files, ["id"])._repr_html_()
    assert "city=&lt;b&gt;" in page
    assert "<tr><td>price</td><td>1</td><td>1</td><td>0.5</td></tr>" in page
    assert "<b>" not in page


def test_lineage_comes_along_without_being_compared() -> None:
    lineage = {name: [1] for name in LINEAGE}
    ours = pa.table({"id": [1], "v": ["a"], **lineage})
    theirs = pa.table({"id": [1], "v": ["b"], **{name: [2] for name in LINEAGE}})
    found = plumbline.diff(ours, theirs, "id")
    assert found.comparison.compared == ("v",)
    assert found.drift().to_pylist()[0]["right__left_offset"] == 2
    assert plumbline.diff(ours, theirs, "id", columns=["_left_offset"]).summary["columns"] == {"_left_offset": 1}


def test_importing_reconcile_loads_nothing_heavy() -> None:
    heavy = "import sys, plumbline; print(sorted({'duckdb', 'numpy', 'pyarrow', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout == "[]\n"


SPELLED = {
    "price=abs:0.5": Tolerance(abs=0.5),
    "price=rel:1e-9": Tolerance(rel=1e-9),
    "price=abs:1,rel:0.5": Tolerance(abs=1.0, rel=0.5),
    "price=ignore": Tolerance(ignore=True),
    "price=round_to:1 ms": Tolerance(round_to_ms=1.0),
}


@pytest.mark.parametrize(("text", "tolerance"), SPELLED.items())
def test_tolerance_as_spelled(text: str, tolerance: Tolerance) -> None:
    assert parse_tolerances([text]) == {"price": tolerance}


@pytest.mark.parametrize("text", ["price", "price=", "=abs:1", "price=abs", "price=abs:x", "price=abs:1,abs:2", "p=1"])
def test_tolerance_misspelled(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_tolerances([text])
    assert raised.value.next_step


def command_line(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "plumbline", "diff", *arguments], capture_output=True, text=True)


def test_the_command_tells_json_and_exit_code(files: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "drift.parquet"
    done = command_line(*files, "--key", "id", "--json", "--out", str(out))
    assert done.returncode == 1
    assert json.loads(done.stdout)["counts"] == COUNTS
    assert pq.read_table(out).num_rows == 3


def test_the_command_is_clean_with_exit_code_zero(files: tuple[str, str]) -> None:
    done = command_line(files[0], files[0], "-k", "id")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "clean")


def test_the_command_applies_its_options(files: tuple[str, str]) -> None:
    done = command_line(*files, "-k", "id", "--json", "--tolerance", "price=abs:0.5", "--ignore", "city")
    assert json.loads(done.stdout)["counts"]["mismatch"] == 0


def test_the_command_shows_the_first_rows(files: tuple[str, str]) -> None:
    done = command_line(*files, "-k", "id")
    assert "price=2.0" in done.stdout
    assert "price=2.5" in done.stdout
    assert "column price: 1 key differs" in done.stdout
    assert "the other column agrees" in done.stdout


@pytest.mark.parametrize("option", ["--out", "--repair-sql"])
@pytest.mark.parametrize("side", ["ours.parquet", "", "*.parquet"])
def test_what_is_compared_is_not_overwritten(files: tuple[str, str], option: str, side: str) -> None:
    before = Path(files[0]).read_bytes()
    compared = str(Path(files[0]).parent / side)
    arguments = [files[1], compared, "-k", "id", option, files[0], "--repair-table", "t"]
    refused = CliRunner().invoke(cli, ["diff", *arguments])
    assert isinstance(refused.exception, UsageError)
    assert "is or would be a part of" in refused.exception.what
    assert Path(files[0]).read_bytes() == before


def test_what_a_reader_can_tell_apart() -> None:
    ours = pa.table({"id": [1, 2, 3, 4, 4], "v": [None, "", "a ", "x", "y"]})
    theirs = pa.table({"id": [1, 2, 3, 4, 4], "v": ["NULL", None, "a", "x", "z"]})
    page = io.StringIO()
    found = plumbline.diff(ours, theirs, "id", fail_if={"drift": "> 9", "schema": "> 0"})
    show(found, found.samples(9), None, Console(file=page, width=200))
    lines = [" ".join(line.replace("│", " ").split()) for line in page.getvalue().splitlines()]
    assert {"mismatch 1 v=NULL v='NULL'", "mismatch 2 v='' v=NULL", "mismatch 3 v='a ' v=a"} <= {*lines}
    assert "duplicate 4 2 rows, one: v=y 2 rows, one: v=z" in lines
    assert lines[-1] == "within all limits of --fail-if"


def test_the_command_refuses_in_one_line(files: tuple[str, str]) -> None:
    done = command_line(*files, "--key", "idd")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: key column 'idd' is missing on the left side [left]. Next: did you mean 'id'?"
    ]
