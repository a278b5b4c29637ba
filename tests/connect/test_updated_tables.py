"""Tables whose rows are updated by delete files are read as the Iceberg spec says, or refused: never with rows that are
deleted."""

from __future__ import annotations

import datetime as dt

import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType, TimestamptzType

from plumbline.connect import pinned
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError
from tests.support.updated_tables import UpdatedTable

T = "joined.t"
SCHEMA = Schema(
    NestedField(1, "k", LongType()), NestedField(2, "v", StringType()), NestedField(3, "at", TimestamptzType())
)


def at(day: int) -> dt.datetime:
    return dt.datetime(2024, 1, day, tzinfo=dt.UTC)


@pytest.fixture
def lake(home: Home) -> Lake:
    return Lake.open(home)


def test_a_filter_does_not_hide_a_delete_file_whose_other_columns_lie_outside_it(lake: Lake) -> None:
    """The bounds of such a file are those of the rows that name what is deleted, and not those of deleted rows."""
    table = UpdatedTable(lake, T, SCHEMA)
    table.commit([table.data([{"k": k, "v": f"v{k}", "at": at(k)} for k in (1, 2, 3)])])
    table.commit([table.equality([{"k": 2, "v": "gone", "at": at(20)}], ["k"], whole=True)])
    with pytest.raises(SetupError, match="files of deleted values"):
        pinned.scan(
            pinned.connection(), table.publish(), T, view="v", schema=None, row_filter=f"at < '{at(10).isoformat()}'"
        )
