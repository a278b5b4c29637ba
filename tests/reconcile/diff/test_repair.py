"""The repair script, run for real: afterwards the right table is like the left one."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.pinned import connection
from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import UsageError
from tests.support.rows import run_in_spark

SCHEMA = pa.schema(
    {
        "id": pa.string(), "n": pa.int64(), "d": pa.decimal128(10, 2), "t": pa.timestamp("us", "UTC"),
        "u": pa.timestamp("us"), "f": pa.float64(), "b": pa.binary(), "x": pa.int32(), "day": pa.date32(),
        "ok": pa.bool_(),
    }
)  # fmt: skip


def row(key: str | None, n: int = 1, f: float | None = 1.5, s: str = "1.50") -> dict[str, Any]:
    moment = dt.datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC)
    return {
        "id": key, "n": n, "d": Decimal(s), "t": moment, "u": dt.datetime(1960, 1, 1), "f": f, "b": b"\0'", "x": 7,
        "day": dt.date(2026, 1, 1), "ok": n > 0,
    }  # fmt: skip


LEFT = pa.Table.from_pylist(
    [
        row("it's \\ `a` \"b\""), row("same"), row(None, f=math.nan), row("twice"), row("twice"),
        row("value", n=-(2**63), f=-math.inf), row("two", f=None), row("two", n=2),
    ],
    SCHEMA,
)  # fmt: skip
RIGHT = pa.Table.from_pylist(
    [row("same"), row(None, f=2.0), row("twice"), row("value", n=5), row("more'"), row("more'")], SCHEMA
)
RENAMED = RIGHT.rename_columns(["the key", *SCHEMA.names[1:]])


def test_the_script_repairs_a_table_of_duckdb(tmp_path: Path) -> None:
    con = connection()
    con.execute('CREATE SCHEMA "s s"')
    con.from_arrow(RENAMED).create('"s s"."t""t"')
    found = plumbline.diff(LEFT, RENAMED, "id", names={"id": "the key"}, ignore=["x"])
    assert found.summary["counts"] == {"match": 1, "mismatch": 2, "missing": 2, "extra": 1, "duplicate": 1}
    found.write_repair(tmp_path / "repair.sql", 's s.t"t', "ansi")
    con.execute((tmp_path / "repair.sql").read_text())
    assert plumbline.diff(LEFT, con.sql('FROM "s s"."t""t"'), "id", names={"id": "the key"}).clean


@pytest.mark.spark
def test_the_script_repairs_an_iceberg_table_through_spark(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path)
    lake = Lake.open(home)
    lake.ensure_table("joined.t", SCHEMA)
    lake.append("joined.t", RIGHT)
    plumbline.diff(LEFT, "joined.t", "id", home=home).write_repair(tmp_path / "repair.sql", "lake.joined.t")
    statements = (tmp_path / "repair.sql").read_text().split(";\n")
    run_in_spark(home.root, [statement for statement in statements if statement.strip()])
    assert plumbline.diff(LEFT, "joined.t", "id", home=home).clean


def test_many_rows_are_cut_into_statements(tmp_path: Path) -> None:
    ours = pa.table({"id": range(1200), "v": range(1200)})
    plumbline.diff(ours, ours.slice(0, 0), "id").write_repair(tmp_path / "repair.sql", "t")
    assert (tmp_path / "repair.sql").read_text().count("INSERT INTO `t` (`id`, `v`) VALUES") == 3


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({"key": None}, "without a key"),
    "hidden values": ({"hide": ["n"]}, "hidden columns n"),
    "a folded key": ({"tolerances": {"id": Tolerance(fold=("case",))}}, "the key id is compared in another form"),
    "a computed column": ({"compute_right": {"n": "n + 1"}}, "n is computed on the right"),
}


@pytest.mark.parametrize(("asked", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(asked: dict[str, Any], message: str, tmp_path: Path) -> None:
    found = plumbline.diff(LEFT, RIGHT, **{"key": "id", **asked})
    with pytest.raises(UsageError, match=message):
        found.write_repair(tmp_path / "repair.sql", "t")
    assert list(tmp_path.iterdir()) == []


def test_nested_values_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    ours = pa.table({"id": [1], "v": [[1]]})
    with pytest.raises(UsageError, match="cannot hold values of type list"):
        plumbline.diff(ours, ours.slice(0, 0), "id").write_repair(tmp_path / "repair.sql", "t")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_it(tmp_path: Path) -> None:
    pq.write_table(LEFT, tmp_path / "a.parquet")
    pq.write_table(RIGHT, tmp_path / "b.parquet")
    command = [sys.executable, "-m", "plumbline", "diff", str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    command += ["-k", "id", "--repair-sql", str(tmp_path / "repair.sql")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "Next: name the table with --repair-table" in done.stderr) == (2, True)
    subprocess.run([*command, "--repair-table", "lake.t", "--repair-dialect", "ansi"], capture_output=True)
    assert 'MERGE INTO "lake"."t"' in (tmp_path / "repair.sql").read_text()
