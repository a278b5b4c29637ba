"""A partition whose value is NULL is planned like any other: a range does not reach it, and loses no other row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import TRANSFORMS, Lake
from plumbline.connect.pinned import connection, scan
from plumbline.connect.residuals import compare_null_as_sql

START = datetime(2024, 3, 1, tzinfo=UTC)
SCHEMA = pa.schema([("at", pa.timestamp("us", "UTC")), ("n", pa.int64())])
ROWS = [START + timedelta(days=n) if n != 2 else None for n in range(5)]
MOMENT = "'2024-03-04T00:00:00+00:00'"
FILTERS = {
    f"at < {MOMENT}": {0, 1},
    f"at <= {MOMENT}": {0, 1, 3},
    f"at > {MOMENT}": {4},
    f"at >= {MOMENT}": {3, 4},
    f"at == {MOMENT}": {3},
    f"at >= {MOMENT} and at < '2024-03-05T00:00:00+00:00'": {3},
    f"at >= {MOMENT} or at is null": {2, 3, 4},
    "at is null": {2},
    "at is not null": {0, 1, 3, 4},
}


@pytest.fixture(scope="module", params=["none", *TRANSFORMS])
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, str]:
    lake = Lake.open(Home.resolve(tmp_path_factory.mktemp("lake")))
    partition = None if request.param == "none" else (request.param, "at")
    lake.ensure_table("raw.t", SCHEMA, partition)
    for n, moment in enumerate(ROWS):
        lake.append("raw.t", pa.Table.from_pylist([{"at": moment, "n": n}], schema=SCHEMA))
    return lake, "raw.t"


@pytest.mark.parametrize("row_filter", FILTERS)
def test_every_filter_finds_its_rows(table: tuple[Lake, str], row_filter: str) -> None:
    lake, name = table
    assert set(lake.load(name).scan(row_filter).to_arrow()["n"].to_pylist()) == FILTERS[row_filter]
    con = connection()
    scan(con, lake, name, view="found", schema=None, row_filter=row_filter)
    # Skips files only: all rows of the range must be there.
    assert {n for (n,) in con.execute("SELECT n FROM found").fetchall()} >= FILTERS[row_filter]


def test_it_is_mended_once() -> None:
    from pyiceberg.expressions.visitors import ResidualVisitor

    compare_null_as_sql()
    first = ResidualVisitor.visit_less_than
    compare_null_as_sql()
    assert ResidualVisitor.visit_less_than is first
