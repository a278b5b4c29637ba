"""Commits of PyIceberg's to a table that is partitioned by a floating-point number: it writes 0.0 and -0.0 twice."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import Table
from pyiceberg.transforms import BucketTransform, IdentityTransform, Transform

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_plan import refuse_float_partitions
from plumbline.contract.errors import SetupError

NAME = "shop.ratios"
ROWS = pa.table({"id": [1, 2], "ratio": [0.0, -0.0], "share": pa.array([0.0, -0.0], pa.float32())})


def partitioned(home: Home, column: str, transform: Transform[Any, Any]) -> Table:
    lake = Lake.open(home)
    lake.catalog().create_namespace("shop")
    table = lake.catalog().create_table(NAME, schema=ROWS.schema)
    with table.update_spec() as spec:
        spec.add_field(column, transform, "part")
    return lake.load(NAME)


@pytest.mark.parametrize("column", ["ratio", "share"])
def test_they_are_refused_by_table_and_column(column: str, home: Home) -> None:
    table = partitioned(home, column, IdentityTransform())
    with pytest.raises(SetupError, match=f"to publish is a commit.*{column!r}.*DROP PARTITION FIELD part"):
        refuse_float_partitions(table, "to publish")


def test_until_the_partitioning_is_another(home: Home) -> None:
    table = partitioned(home, "ratio", IdentityTransform())
    with table.update_spec() as spec:
        spec.remove_field("part")
    refuse_float_partitions(Lake.open(home).load(NAME), "to publish")


@pytest.mark.parametrize("transform", [IdentityTransform(), BucketTransform(4)], ids=str)
def test_other_columns_may_partition_it(transform: Transform[Any, Any], home: Home) -> None:
    refuse_float_partitions(partitioned(home, "id", transform), "to publish")
