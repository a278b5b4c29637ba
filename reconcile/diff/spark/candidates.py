"""The keys that may differ, by one shuffle of digests, and their rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import backticked
from plumbline.contract.equality import Tolerance
from plumbline.reconcile.diff.spark.encoding import encoding_of, text_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KEY_DIGEST = ("plumbline_k1", "plumbline_k2")
_ROW_DIGEST = ("plumbline_r1", "plumbline_r2")
SETTINGS = {
    # Moments without a zone are UTC; names are distinguished as spelled; a sum of digests may not stop a query.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.ansi.enabled": "false",
    # What key=value folders hold comes as it is spelled.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
}


@dataclass(frozen=True)
class Candidates:
    """`keys` holds a row per key that may differ, out of all keys in Spark's cache, `cached`.

    `left_rows` and `right_rows` are those of the tables, `rows` those of the candidates on both sides, `repeated_keys`
    the keys that stand several times on some side and cannot differ.
    """

    keys: DataFrame
    cached: DataFrame
    left_rows: int
    right_rows: int
    rows: int
    repeated_keys: int


@contextmanager
def settled(spark: SparkSession) -> Iterator[None]:
    """The session with the settings that the encodings rest on; afterwards it has its own again."""
    before = {name: spark.conf.get(name) for name in SETTINGS}
    try:
        for name, value in SETTINGS.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name, own in before.items():
            spark.conf.set(name, str(own))


def find(
    left: DataFrame,
    right: DataFrame,
    key: Sequence[str],
    values: Collection[str],
    tolerances: Mapping[str, Tolerance],
) -> Candidates:
    """Group the digests of both sides by key: no row meets another, so copies of a key never multiply.

    A key is settled when both sides have as many rows and equal sums of two 64-bit digests of them. All keys stay in
    Spark's cache (memory, then disk) until they are unpersisted.
    """
    from pyspark.sql import functions as F

    both = _digests(left, right, "left", key, values, tolerances).unionAll(
        _digests(left, right, "right", key, values, tolerances)
    )
    sums = [F.sum(name).alias(name) for name in ("left_count", "right_count", *_ROW_DIGEST)]
    keys = both.groupBy(*KEY_DIGEST).agg(*sums).persist()
    alike = " AND ".join(["left_count = right_count", *(f"{name} = 0" for name in _ROW_DIGEST)])
    figures = keys.selectExpr(
        "coalesce(sum(left_count), 0)",
        "coalesce(sum(right_count), 0)",
        f"coalesce(sum(CASE WHEN NOT ({alike}) THEN left_count + right_count END), 0)",
        f"count(CASE WHEN {alike} AND left_count > 1 THEN 1 END)",
    ).first()
    assert figures is not None
    return Candidates(keys.where(f"NOT ({alike})"), keys, *map(int, figures))


def rows_of(candidates: Candidates, frame: DataFrame, key_digests: Sequence[str]) -> DataFrame:
    """The rows of one side whose keys may differ."""
    names = [f"{sql} AS {name}" for sql, name in zip(key_digests, KEY_DIGEST, strict=True)]
    keyed = frame.selectExpr("*", *names)
    return keyed.join(candidates.keys.select(*KEY_DIGEST), list(KEY_DIGEST), "left_semi")


def key_digests(left: DataFrame, right: DataFrame, side: str, key: Sequence[str]) -> list[str]:
    """SQL of the two digests of a row's key."""
    return _digest(_text(left, right, side, key, {}))


def _digests(
    left: DataFrame,
    right: DataFrame,
    side: str,
    key: Sequence[str],
    values: Collection[str],
    tolerances: Mapping[str, Tolerance],
) -> DataFrame:
    """A line per row of one side: its key's digest, how often it is there on each side, its own digest with a sign."""
    frame, ours = (left, 1) if side == "left" else (right, 0)
    sign = "" if ours else "-"
    rows = _digest(_text(left, right, side, [*key, *values], tolerances))
    named = [f"{sql} AS {name}" for sql, name in zip(key_digests(left, right, side, key), KEY_DIGEST, strict=True)]
    named += [f"{ours}L AS left_count", f"{1 - ours}L AS right_count"]
    # Decimals: a sum of longs would wrap, or stop the query.
    named += [f"CAST({sign}CAST({sql} AS DECIMAL(20,0)) AS DECIMAL(20,0)) AS {name}"
              for sql, name in zip(rows, _ROW_DIGEST, strict=True)]  # fmt: skip
    return frame.selectExpr(*named)


def _digest(text: str) -> list[str]:
    """Two 64-bit digests of a text that is never NULL: xxhash64 alone would pass over NULLs."""
    return [f"xxhash64({text})", f"xxhash64('plumbline', {text})"]


def _text(
    left: DataFrame, right: DataFrame, side: str, names: Collection[str], tolerances: Mapping[str, Tolerance]
) -> str:
    ours, theirs = ({field.name: field.dataType for field in frame.schema.fields} for frame in (left, right))
    return text_of(
        [encoding_of(ours[name], theirs[name], tolerances.get(name)).form(side)(backticked(name)) for name in names]
    )
