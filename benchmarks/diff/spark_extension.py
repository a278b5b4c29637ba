"""The column "spark-extension" of docs/diff.md, asked of spark-extension itself, beside Plumbline's answer.

    pip install --no-deps --target FOLDER pyspark-extension==2.15.0.4.1
    PYTHONPATH=FOLDER python -m benchmarks.diff.spark_extension

Its Python package compares text and maps as they are, whatever comparator it is given: what the page says of those is
of its Scala API, and not asked here. Prints one line a case; the exit code is 1 where an answer is no longer what the
page says.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as t
from pyspark.sql.types import DataType

import plumbline
from plumbline.contract.equality import Tolerance

NAN = float("nan")
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """Two tables of a key and values; `says`: changed rows by kind (N: not, C: changed, D: only left, I: only right),
    or "stops". `asked` is Plumbline's, `epsilon` spark-extension's for the column v."""

    what: str
    left: Rows
    right: Rows
    says: dict[str, int] | str
    kinds: tuple[DataType, DataType] = (t.LongType(), t.LongType())
    names: tuple[str, str] = ("v", "v")
    key: DataType = field(default_factory=t.LongType)
    key_name: str = "k"
    epsilon: float | None = None
    asked: dict[str, Any] = field(default_factory=dict)


TEXT, BOTH_DOUBLE = t.StringType(), (t.DoubleType(),) * 2
MAPS = (t.MapType(t.StringType(), t.LongType()),) * 2
REL_1, REL_10 = {"tolerances": {"v": Tolerance(rel=1.0)}}, {"tolerances": {"v": Tolerance(rel=0.1)}}
CASES = (
    Case("NULL beside NaN", [(1, None)], [(1, NAN)], {"C": 1}, BOTH_DOUBLE),
    Case("NULL beside NULL", [(1, None)], [(1, None)], {"N": 1}, BOTH_DOUBLE),
    Case("a date as text beside a moment", [(1, "2026-01-01")], [(1, None)], "stops", (TEXT, t.TimestampType())),
    Case("the text 1 beside the number 1", [(1, "1")], [(1, 1)], "stops", (TEXT, t.LongType())),
    Case("int and bigint", [(1, 1)], [(1, 1)], "stops", (t.IntegerType(), t.LongType())),
    Case("a decimal beside a float", [(1, Decimal("1.5"))], [(1, 1.5)], "stops", (t.DecimalType(9, 1), t.DoubleType())),
    Case("large integers", [(1, 2**60)], [(1, 2**60 + 1)], {"C": 1}),
    Case("a column that only one side has", [(1, 1)], [(1, 1)], "stops", names=("v", "w")),
    Case("a key several times on both sides", [(1, 1)] * 3, [(1, 1)] * 4, {"N": 12}),
    Case("a key twice on one side", [(1, 1)], [(1, 1)] * 2, {"N": 2}),
    Case("a relative tolerance of the greater", [(1, 10.0)], [(1, 11.05)], {"N": 1}, BOTH_DOUBLE,
         epsilon=0.1, asked=REL_10),
    Case("the same the other way round", [(1, 11.05)], [(1, 10.0)], {"N": 1}, BOTH_DOUBLE,
         epsilon=0.1, asked=REL_10),
    Case("a relative tolerance of 1 and NaN", [(1, 1.0)], [(1, NAN)], {"N": 1}, BOTH_DOUBLE,
         epsilon=1.0, asked=REL_1),
    Case("spaces, in the key", [("a ", 1)], [("a", 1)], {"D": 1, "I": 1}, key=TEXT),
    Case("maps, without a comparator of their own", [(1, {"a": 1, "b": 2})], [(1, {"b": 2, "a": 1})], "stops", MAPS),
    Case("a value column named diff", [(1, 1)], [(1, 2)], {"C": 1}, names=("diff", "diff")),
    Case("a key column named diff", [(1, 1)], [(1, 2)], "stops", key_name="diff"),
    Case("names that differ in case only", [(1, 1)], [(1, 2)], {"C": 1}, names=("V", "v")),
)  # fmt: skip


def options(case: Case) -> Any:
    from gresearch.spark.diff import DiffOptions
    from gresearch.spark.diff.comparator import DiffComparators

    if case.epsilon is None:
        return DiffOptions()
    return DiffOptions().with_column_name_comparator(DiffComparators.epsilon(case.epsilon).as_relative(), "v")


def frames(spark: SparkSession, case: Case) -> tuple[DataFrame, ...]:
    sides = zip((case.left, case.right), case.kinds, case.names, strict=True)
    return tuple(
        spark.createDataFrame(rows, t.StructType([t.StructField(case.key_name, case.key), t.StructField(name, kind)]))
        for rows, kind, name in sides
    )


def theirs(case: Case, left: DataFrame, right: DataFrame) -> dict[str, int] | str:
    from gresearch.spark.diff import Differ

    try:
        rows = Differ(options(case)).diff(left, right, case.key_name).collect()
    except Exception as error:
        print(f"    {type(error).__name__}: {str(error).splitlines()[0][:140]}")
        return "stops"
    return dict(Counter(row["diff"] for row in rows))


def ours(case: Case, left: DataFrame, right: DataFrame) -> str:
    with plumbline.diff(left.toArrow(), right.toArrow(), case.key_name, **case.asked) as found:
        counts = {name: count for name, count in found.summary["counts"].items() if count}
        told = [finding["finding"] for finding in found.summary["schema"]]
        return f"{counts}{f', {told}' if told else ''}{', clean' if found.clean else ''}"


def main() -> int:
    folders = [Path(folder, "pyspark", "jars") for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    found = [str(jar) for folder in folders for jar in folder.glob("spark-extension*.jar")]
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = spark.config("spark.ui.showConsoleProgress", "false")
    spark = spark.config("spark.jars", ",".join(found)).config("spark.sql.shuffle.partitions", "1").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    wrong = 0
    for case in CASES:
        left, right = frames(spark, case)
        said = theirs(case, left, right)
        wrong += said != case.says
        print(f"{'ok  ' if said == case.says else 'NOW '} {case.what}: {said}; Plumbline: {ours(case, left, right)}")
    print(f"Spark {spark.version}: {len(CASES)} cases, {wrong} answered otherwise than the page says")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
