"""The rows that may differ: buckets first, single keys only where the buckets leave too many rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.connect import frames
from plumbline.reconcile.diff.spark.buckets import BUCKET, SUMS, Buckets, buckets_of, number, summands
from plumbline.reconcile.diff.spark.digests import Side

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KEY = ("plumbline_k1", "plumbline_k2")
FEW_ROWS = 2_000_000
"""So many rows of unsettled buckets are compared as they are: each costs no more than two of a further scan."""
MOST_SHARE = 0.5
"""Where more rows than this lie in unsettled buckets, leaving the others out costs more than it saves."""
SETTINGS = {
    # Moments without a zone are UTC; names are distinguished as spelled; sums of digests wrap.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.ansi.enabled": "false",
    # What key=value folders hold comes as it is spelled.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    **frames.NO_PAGE_INDEX,
}


def settled(spark: SparkSession) -> AbstractContextManager[None]:
    """The session with the settings that the encodings rest on; afterwards it has its own again."""
    return frames.settled(spark, SETTINGS)


@dataclass(frozen=True)
class Candidates:
    """`left` and `right` are the rows that may differ, with the column BUCKET, `rows` how many they are together.

    `left_rows` and `right_rows` are those of the tables, `repeated_keys` the keys among all other rows that stand
    several times on a side.
    """

    left: DataFrame
    right: DataFrame
    rows: int
    left_rows: int
    right_rows: int
    repeated_keys: int


@contextmanager
def candidates_of(left: Side, right: Side, *, repeated: bool = True) -> Iterator[Candidates]:
    """Find them, by one scan of both sides and, if the `repeated` keys are to be counted, one of the left side's key;
    where the unsettled buckets have many rows, by one more of both. No row meets another, so copies of a key never
    multiply."""
    buckets = buckets_of(left, right)
    if buckets.rows <= FEW_ROWS:
        rows = [buckets.inside(_with_bucket(side)) if buckets.rows else side.frame for side in (left, right)]
        yield _candidates(buckets, rows, buckets.rows, _repeated_outside(buckets, left) if repeated else 0)
        return
    keys = _keys(buckets, left, right).persist()
    try:
        alike = "left_count = right_count AND " + " AND ".join(f"{name} = 0" for name in SUMS[2:])
        figures = keys.selectExpr(
            f"coalesce(sum(CASE WHEN NOT ({alike}) THEN left_count + right_count END), 0)",
            f"count(CASE WHEN {alike} THEN 1 END)",
        ).first()
        assert figures is not None
        differing = keys.where(f"NOT ({alike})").select(*KEY)
        rows = [_with_key(side).join(differing, list(KEY), "left_semi").drop(*KEY) for side in (left, right)]
        outside = _repeated_outside(buckets, left) if repeated and buckets.share <= MOST_SHARE else 0
        yield _candidates(buckets, rows, int(figures[0]), int(figures[1]) + outside)
    finally:
        keys.unpersist()


def _candidates(buckets: Buckets, rows: list[DataFrame], count: int, repeated: int) -> Candidates:
    return Candidates(rows[0], rows[1], count, buckets.left_rows, buckets.right_rows, repeated)


def _keys(buckets: Buckets, left: Side, right: Side) -> DataFrame:
    """The keys that may differ or stand several times, with their sums: of unsettled buckets, or of all."""
    from pyspark.sql import functions as F

    parts = []
    for side, ours in ((left, True), (right, False)):
        rows = side.frame
        if buckets.share <= MOST_SHARE:
            rows = buckets.inside(_with_bucket(side))
        parts.append(rows.selectExpr(*_named_key(side), *summands(side, ours=ours)))
    sums = parts[0].unionAll(parts[1]).groupBy(*KEY).agg(*(F.sum(name).alias(name) for name in SUMS))
    return sums.where(" OR ".join(["left_count <> 1", "right_count <> 1", *(f"{name} <> 0" for name in SUMS[2:])]))


def _repeated_outside(buckets: Buckets, left: Side) -> int:
    """The keys of settled buckets that stand several times: on both sides as often, so that one side tells."""
    if buckets.share == 1:
        return 0
    rows = buckets.outside(_with_bucket(left)) if buckets.rows else left.frame
    return rows.selectExpr(*_named_key(left)).groupBy(*KEY).count().where("count > 1").count()


def _with_bucket(side: Side) -> DataFrame:
    return side.frame.selectExpr("*", f"{number(side)} AS {BUCKET}")


def _with_key(side: Side) -> DataFrame:
    return side.frame.selectExpr("*", f"{number(side)} AS {BUCKET}", *_named_key(side))


def _named_key(side: Side) -> list[str]:
    return [f"{sql} AS {name}" for sql, name in zip(side.key, KEY, strict=True)]
