"""The first pass: every row falls into a bucket by its key, and of a bucket only counts and sums of digests travel.

Spark adds them up before anything is shuffled. Where all rows of a bucket pair off, both its sums are 0. Where they do
not, both are 0 with a chance of about 2^-128, times the square of the largest power of two in k for k equal copies of a
row. No difference is read off from sums: rows of buckets that are not settled are compared value by value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from plumbline.reconcile.diff.spark.digests import Side

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BUCKET = "plumbline_bucket"
BITS = 18
"""Of 262,144 buckets a quarter has a difference at 75,000 differing keys, and what one task sends of them is 10 MB."""
SUMS = ("left_count", "right_count", "plumbline_r1", "plumbline_r2")


@dataclass(frozen=True)
class Buckets:
    """`unsettled` are the numbers of the buckets that may hold a difference, `rows` the rows of both sides in them;
    `left_rows` and `right_rows` are those of the tables."""

    left_rows: int
    right_rows: int
    unsettled: pa.Array
    rows: int

    @property
    def share(self) -> float:
        """Of all rows, those in unsettled buckets."""
        return self.rows / max(1, self.left_rows + self.right_rows)

    def inside(self, frame: DataFrame) -> DataFrame:
        """Of a frame with the column BUCKET, the rows in unsettled buckets."""
        return self._joined(frame, "left_semi")

    def outside(self, frame: DataFrame) -> DataFrame:
        return self._joined(frame, "left_anti")

    def _joined(self, frame: DataFrame, how: str) -> DataFrame:
        from pyspark.sql import functions as F

        numbers = frame.sparkSession.createDataFrame(pa.table({BUCKET: self.unsettled}))
        return frame.join(F.broadcast(numbers), BUCKET, how)


def number(side: Side) -> str:
    """SQL of the number of a row's bucket."""
    return f"({side.key[0]} & {(1 << BITS) - 1}L)"


def buckets_of(left: Side, right: Side) -> Buckets:
    """Scan both sides once."""
    from pyspark.sql import functions as F

    both = _rows(left, ours=True).unionAll(_rows(right, ours=False))
    sums = both.groupBy(BUCKET).agg(*(F.sum(name).alias(name) for name in SUMS)).toArrow()
    ours, theirs, *digests = (sums[name] for name in SUMS)
    differ = pc.not_equal(ours, theirs)
    for digest in digests:
        differ = pc.or_(differ, pc.not_equal(digest, 0))
    unsettled = sums.filter(differ)
    rows = [pc.sum(column).as_py() or 0 for column in (ours, theirs, *(unsettled[name] for name in SUMS[:2]))]
    return Buckets(rows[0], rows[1], unsettled[BUCKET].combine_chunks(), rows[2] + rows[3])


def _rows(side: Side, *, ours: bool) -> DataFrame:
    return side.frame.selectExpr(f"{number(side)} AS {BUCKET}", *summands(side, ours=ours))


def summands(side: Side, *, ours: bool) -> list[str]:
    """SQL of what a row of a side adds to the sums. They are modulo 2^64: Spark's long sums wrap unless in ANSI mode
    (`candidates.SETTINGS`)."""
    sign = "" if ours else "-"
    return [
        f"{int(ours)}L AS {SUMS[0]}",
        f"{int(not ours)}L AS {SUMS[1]}",
        *(f"{sign}{sql} AS {name}" for sql, name in zip(side.row, SUMS[2:], strict=True)),
    ]
