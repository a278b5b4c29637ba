"""Columns may have any name: keywords of SQL, names with dots, quotes and blanks, those of the drift's own columns."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import plumbline
from plumbline.cli import cli

OWN = ["class", "Columns", "left_count", "right_row", "left_rows", "left__x"]
NAMES = [*OWN, "order", "group", "select", "user", "a b", "a.b", '"a"', "it's", "drift", "row", "key_hash", "ours"]


def written(folder: Path, name: str, other: str) -> tuple[str, str]:
    """Two files with the key `name` and the value `other`: one key differs, one is missing, one extra, one doubled."""
    for file, keys, values in (("a", [1, 2, 3, 5], [10, 20, 30, 50]), ("b", [1, 2, 4, 5, 5], [10, 21, 40, 50, 51])):
        pq.write_table(pa.table({name: keys, other: values, "note": ["n"] * len(keys)}), folder / f"{file}.parquet")
    return str(folder / "a.parquet"), str(folder / "b.parquet")


@pytest.mark.parametrize("name", NAMES)
def test_a_key_of_any_name(name: str, tmp_path: Path) -> None:
    left, right = written(tmp_path, name, "v")
    quoted = '"' + name.replace('"', '""') + '"'
    drift, script = tmp_path / "drift.parquet", tmp_path / "repair.sql"
    command = ["diff", left, right, "--key", name, "--where", f"{quoted} < 100", "--ignore", "note", "--tolerance",
               "v=abs:0.5", "--out", str(drift), "--repair-sql", str(script), "--repair-table", "b",
               "--repair-dialect", "ansi"]  # fmt: skip
    answer = json.loads(CliRunner().invoke(cli, [*command, "--json"]).stdout)
    assert answer["counts"] == {"match": 1, "mismatch": 1, "missing": 1, "extra": 1, "duplicate": 1}
    shown = f"{name} of the key" if name in OWN else name
    assert {row["class"]: row[shown] for row in answer["samples"]} == {
        "mismatch": 2, "missing": 3, "extra": 4, "duplicate": 5,
    }  # fmt: skip
    assert sorted(pq.read_table(drift)[shown].to_pylist()) == [2, 3, 4, 5]
    con = duckdb.connect()
    con.execute(f"CREATE TABLE b AS FROM '{right}'")
    con.execute(script.read_text())
    assert con.sql(f"SELECT {quoted}, v FROM b ORDER BY ALL").fetchall() == [(1, 10), (2, 20), (3, 30), (5, 50)]


@pytest.mark.parametrize("name", NAMES)
def test_a_value_of_any_name(name: str, tmp_path: Path) -> None:
    left, right = written(tmp_path, "k", name)
    command = ["diff", left, right, "--key", "k", "--columns", name, "--tolerance", f"{name}=abs:0.5", "--map",
               f"{name}={name}", "--fail-if", f"column:{name} > 0", "--json"]  # fmt: skip
    told = json.loads(CliRunner().invoke(cli, command).stdout)
    assert told["columns"] == {name: 1}
    assert [alert["count"] for alert in told["alerts"]] == [1]
    assert plumbline.diff(left, right, "k", tolerances={name: "sql:a = b"}).summary["columns"] == {name: 1}


def test_keys_that_differ_in_case_only_and_one_that_is_named_as_another_would_be() -> None:
    keys = {"class": [1, 1], "Class": [1, 2], "class of the key": [1, 1]}
    ours, theirs = pa.table(keys | {"v": [1, 2]}), pa.table(keys | {"v": [1, 3]})
    found = plumbline.diff(ours, theirs, list(keys))
    assert found.comparison.counts["mismatch"] == 1
    [row] = found.drift().to_pylist()
    assert len(found.drift().column_names) == len(set(found.drift().column_names))
    assert [value for name, value in row.items() if name.endswith("of the key")] == [1, 2, 1]
    assert "mismatch" in found._repr_html_()
    assert plumbline.diff(ours, theirs, list(keys)).samples(5)[0]["class"] == "mismatch"
