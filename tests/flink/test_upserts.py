"""Tables that a real Flink upserted (Iceberg's sink, recorded by upserts/record.sh): equality deletes, and beside them
position deletes or deletion vectors of rows that were changed twice within one checkpoint.

`FLINK_UPSERTS=ARCHIVE` reads another recording, of more keys and batches.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

import plumbline
from plumbline.connect import pinned
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.spark import session
from tests.support.recorded_lake import register, unpacked

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RECORDED = Path(os.environ.get("FLINK_UPSERTS", Path(__file__).parent / "flink_recorded" / "upserts.tar.xz"))
KEYS = {"plain": ("id",), "daily": ("id", "day"), "vectors": ("id", "day"), "changes": ("id",)}
DELETES = {"plain": "position-delete-files", "daily": "position-delete-files", "vectors": "dvs",
           "changes": "position-delete-files"}  # fmt: skip
Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(RECORDED, tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="module")
def home(root: Path) -> Home:
    home = Home.resolve(root / "home")
    register(Lake.open(home), root, *KEYS)
    return home


def states(root: Path, name: str) -> list[list[Row]]:
    """The rows of a table after each of its commits: what its changes, one after another, come to."""
    held: dict[tuple[Any, ...], Row] = {}
    found: list[list[Row]] = []
    for line in (root / f"{name}.jsonl").read_text().splitlines():
        change = json.loads(line)
        batch, kind = change.pop("batch"), change.pop("kind")
        key = tuple(change[column] for column in KEYS[name])
        if kind in ("-D", "-U"):
            del held[key]
        else:
            held[key] = change
        found[batch:] = [list(held.values())]
    return found


def counted(rows: pa.Table) -> Counter[tuple[Any, ...]]:
    told = rows.select(["id", "day", "name", "amount"]).to_pylist()
    return Counter((row["id"], str(row["day"]), row["name"], row["amount"]) for row in told)


@pytest.mark.parametrize("name", KEYS)
def test_each_commit_is_read_as_the_changes_up_to_it_say(home: Home, root: Path, name: str) -> None:
    lake = Lake.open(home)
    snapshots = sorted(lake.load(f"made.{name}").metadata.snapshots, key=lambda one: one.sequence_number or 0)
    said = [one.summary.additional_properties for one in snapshots if one.summary]
    for kind in ("equality-delete-files", DELETES[name]):
        assert any(int(each.get(f"added-{kind}", 0)) for each in said), f"no {kind}"
    con, told = pinned.connection(threads=1), states(root, name)
    for snapshot, expected in zip(snapshots, told, strict=True):
        pinned.scan(con, lake, f"made.{name}", snapshot.snapshot_id, view="v", schema=None, as_then=True)
        assert counted(con.sql("FROM v").to_arrow_table()) == Counter(tuple(row.values()) for row in expected)


@pytest.mark.spark
@pytest.mark.slow
def test_spark_and_both_engines_of_diff_see_the_same_rows(home: Home, root: Path) -> None:
    spark: SparkSession = session(home, Lake.open(home), app="flink")
    for name, key in KEYS.items():
        expected = states(root, name)[-1]
        rows = spark.table(f"lake.made.{name}").toArrow()
        assert counted(rows) == Counter(tuple(row.values()) for row in expected)
        for engine in ("duckdb", "spark"):
            found = plumbline.diff(f"made.{name}", rows, list(key), engine=engine, home=home)
            assert found.summary["counts"]["match"] == sum(found.summary["counts"].values()) == len(expected)
            found.close()
