"""Types that Spark, or its way to Arrow, has not are refused by the column's name. No Spark is started."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import types as spark

from plumbline.connect.pinned import connection
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.spark.frames import create, spark_schema


@pytest.mark.parametrize(
    "kind",
    [
        pa.month_day_nano_interval(),
        pa.dense_union([pa.field("a", pa.int8())]),
    ],
    ids=str,
)
def test_a_frame_of_a_type_that_spark_has_not(kind: pa.DataType) -> None:
    with pytest.raises(UsageError, match=r"column 'v' of the frame is .*which Spark does not have"):
        spark_schema(pa.schema([("k", pa.int64()), ("v", kind)]))
    assert spark_schema(pa.schema([("k", pa.int64())])).names == ["k"]


def frame(kind: Any) -> Any:
    return SimpleNamespace(schema=spark.StructType().add("k", spark.LongType()).add("v", kind))


FOREIGN = [
    spark.CalendarIntervalType(),
    spark.VariantType(),
    spark.ArrayType(spark.VariantType()),
    spark.StructType().add("x", spark.VariantType()),
]


@pytest.mark.parametrize("kind", FOREIGN, ids=lambda kind: kind.simpleString())
def test_a_frame_of_a_type_that_arrow_has_not(kind: spark.DataType) -> None:
    with pytest.raises(UsageError, match=r"column 'v' is .*which cannot leave Spark"):
        create(connection(), "left", frame(kind))
    con = connection()
    create(con, "left", frame(spark.DoubleType()))
    assert con.sql('FROM "left"').columns == ["k", "v"]


def test_names_that_differ_in_case_only_are_refused_by_name() -> None:
    schema = spark.StructType().add("k", spark.LongType()).add("V", spark.LongType()).add("v", spark.LongType())
    with pytest.raises(UsageError, match="names differ in case only: V, v"):
        create(connection(), "left", SimpleNamespace(schema=schema))
