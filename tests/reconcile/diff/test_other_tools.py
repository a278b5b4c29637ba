"""Cases that other tools answer in another way, from their own tests, documents and code, each with our answer."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

import plumbline
from plumbline.contract.equality import Tolerance

BIG = 2**60
NAN, INF = math.nan, math.inf
Columns = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """Two tables as columns, what is asked beside the key `k`, and the classes or schema findings that we report."""

    left: Columns
    right: Columns
    found: dict[str, int]
    asked: dict[str, Any] = field(default_factory=dict)
    schema: tuple[str, ...] = ()


def one(left: Any, right: Any, found: dict[str, int], **asked: Any) -> Case:
    """One row on each side, of one key and one type."""
    values = pa.array([left, right])
    return Case({"k": [1], "v": values.slice(0, 1)}, {"k": [1], "v": values.slice(1)}, found, asked)


MISMATCH, MATCH = {"mismatch": 1}, {"match": 1}
MOMENT = dt.datetime(2026, 1, 1, 0, 0, 0, 1)
CASES = {
    "datacompy: integers become floats, so 2^60 and 2^60 + 1 agree": one(BIG, BIG + 1, MISMATCH),
    "datacompy: the same beside a NULL": Case(
        {"k": [1, 2], "v": [BIG, None]}, {"k": [1, 2], "v": [BIG + 1, None]}, {"match": 1, "mismatch": 1}
    ),
    "datacompy: a key twice on one side is an extra row": Case(
        {"k": [1], "v": [1]}, {"k": [1, 1], "v": [1, 1]}, {"duplicate": 1}
    ),
    "datacompy: rows of a repeated key are paired in order of appearance": Case(
        {"k": [1, 1], "v": [1, 2]}, {"k": [1, 1], "v": [2, 1]}, {"match": 2}
    ),
    "datacompy: NULL and NaN agree": one(None, NAN, MISMATCH),
    "datacompy: the text '1' and the number 1 differ": Case(
        {"k": [1], "v": ["1"]}, {"k": [1], "v": [1]}, MATCH, schema=("incomparable",)
    ),
    "datacompy: a date as text and a moment agree": Case(
        {"k": [1], "v": ["2026-01-01"]}, {"k": [1], "v": [dt.datetime(2026, 1, 1)]}, MATCH, schema=("incomparable",)
    ),
    "datacompy: rel_tol is of the right side only": one(
        10.0, 11.05, MATCH, tolerances={"v": Tolerance(rel=0.1)}
    ),
    "datacompy: the same the other way round": one(11.05, 10.0, MATCH, tolerances={"v": Tolerance(rel=0.1)}),
    "datacompy: ignore_spaces and ignore_case are for all columns or none": Case(
        {"k": [1], "v": ["A "], "w": ["A "]}, {"k": [1], "v": ["a"], "w": ["a"]}, MISMATCH,
        {"tolerances": {"v": Tolerance(fold=("case", "space"))}},
    ),
    "reladiff, data-diff: rows with a NULL key are left out": Case(
        {"k": [None, 2], "v": [1, 2]}, {"k": [None, 2], "v": [9, 2]}, {"match": 1, "mismatch": 1}
    ),
    "reladiff, data-diff: NULL and the text <null> have one checksum": one(None, "<null>", MISMATCH),
    "reladiff, data-diff: columns are joined with | before they are hashed": Case(
        {"k": [1], "v": ["a|b"], "w": ["c"]}, {"k": [1], "v": ["a"], "w": ["b|c"]}, MISMATCH
    ),
    "reladiff, data-diff: moments are rounded to the coarser side's precision": Case(
        {"k": [1], "v": pa.array([MOMENT], pa.timestamp("us"))},
        {"k": [1], "v": pa.array([MOMENT.replace(microsecond=0)], pa.timestamp("ms"))},
        MISMATCH, schema=("type",),
    ),
    "reladiff, data-diff: a repeated key stops or confuses the search": Case(
        {"k": [1, 1, 2], "v": [1, 1, 2]}, {"k": [1, 2, 2], "v": [1, 2, 2]}, {"duplicate": 2}
    ),
    "spark-extension: a key n times left and m times right gives n times m rows": Case(
        {"k": [1] * 30, "v": [1] * 30}, {"k": [1] * 40, "v": [1] * 40}, {"duplicate": 1}
    ),
    "spark-extension: a relative epsilon of 1.0 forgives NaN": one(
        1.0, NAN, MISMATCH, tolerances={"v": Tolerance(rel=1.0)}
    ),
    "spark-extension: maps cannot be compared": Case(
        {"k": [1], "v": pa.array([[("a", 1), ("b", 2)]], pa.map_(pa.string(), pa.int8()))},
        {"k": [1], "v": pa.array([[("b", 2), ("a", 1)]], pa.map_(pa.string(), pa.int8()))},
        MATCH,
    ),
    "datacompy: -infinity and infinity are apart, and near nothing": one(
        INF, -INF, MISMATCH, tolerances={"v": Tolerance(rel=0.5)}
    ),
    "datacompy: a decimal and a float of one value agree": Case(
        {"k": [1], "v": [Decimal("1.5")]}, {"k": [1], "v": [1.5]}, MATCH, schema=("type",)
    ),
    "datacompy: a decimal and a float agree within the tolerance": Case(
        {"k": [1], "v": [Decimal("1.5")]}, {"k": [1], "v": [1.6]}, MATCH,
        {"tolerances": {"v": Tolerance(abs=0.2)}}, schema=("type",),
    ),
    "datacompy: categories and texts agree": Case(
        {"k": [1], "v": pa.array(["a"]).dictionary_encode()}, {"k": [1], "v": ["a"]}, MATCH
    ),
    "datacompy: spaces are folded in the key with all columns": Case(
        {"k": ["a "], "v": [1]}, {"k": ["a"], "v": [1]}, {"missing": 1, "extra": 1}
    ),
    "datacompy: case is not folded in the key": Case(
        {"k": ["a "], "v": [1]}, {"k": ["A"], "v": [1]}, {"missing": 1, "extra": 1}
    ),
    "datacompy: a list in another order is another list": one([1, 2], [2, 1], MISMATCH),
    "datacompy: a list may hold NULL": one([1, None], [1, None], MATCH),
    "datacompy: a column of one side only leaves the rows equal": Case(
        {"k": [1], "v": [1], "w": [1]}, {"k": [1], "v": [1]}, MATCH, schema=("only_left",)
    ),
    "spark-extension: two sides of other types stop it": Case(
        {"k": [1], "v": pa.array([1], pa.int32())}, {"k": [1], "v": pa.array([1], pa.int64())}, MATCH, schema=("type",)
    ),
    "spark-extension: a column of one side only stops it": Case(
        {"k": [1], "v": [1]}, {"k": [1], "v": [1], "w": [1]}, MATCH, schema=("only_right",)
    ),
    "spark-extension: a value column that is named diff stops some of its modes": Case(
        {"k": [1], "diff": [1]}, {"k": [1], "diff": [2]}, MISMATCH
    ),
    "spark-extension: a key column that is named diff stops it": Case(
        {"diff": [1], "v": [1]}, {"diff": [1], "v": [2]}, MISMATCH, {"key": "diff"}
    ),
    "spark-extension: NULL keys are equal": Case(
        {"k": [None, 1], "v": [1, 1]}, {"k": [None, 1], "v": [2, 1]}, {"match": 1, "mismatch": 1}
    ),
    "spark-extension: without a key a changed row is deleted and inserted": Case(
        {"k": [1], "v": [1]}, {"k": [1], "v": [2]}, {"missing": 1, "extra": 1}, {"key": None}
    ),
    "spark-extension: the end of an epsilon belongs to it, unless asked otherwise": one(
        1.0, 1.5, MATCH, tolerances={"v": Tolerance(abs=0.5)}
    ),
    "Great Expectations: the comparison of two tables looks at 200 rows": Case(
        {"k": list(range(300)), "v": [0] * 300}, {"k": list(range(300)), "v": [0] * 299 + [1]},
        {"match": 299, "mismatch": 1},
    ),
    "Griffin: accuracy counts source rows without a target row, not the reverse": Case(
        {"k": [1], "v": [1]}, {"k": [1, 2], "v": [1, 1]}, {"match": 1, "extra": 1}
    ),
    "dbt audit_helper, EXCEPT: sets do not know how often": Case(
        {"k": [1, 1], "v": [1, 1]}, {"k": [1], "v": [1]}, {"duplicate": 1}, {"key": None}
    ),
    "SQLMesh: floats are compared to three decimals": one(1.0001, 1.0002, MISMATCH),
    "SQLMesh, full joins on =: a NULL key is on one side only, twice": Case(
        {"k": pa.array([None], pa.int64()), "v": [1]}, {"k": pa.array([None], pa.int64()), "v": [1]}, MATCH
    ),
    "full joins with <>: NULL against a value is no difference": one(None, 1, MISMATCH),
    "Lakebridge: text is trimmed before it is hashed": one("a ", "a", MISMATCH),
    "Lakebridge: NULL and the text _null_recon_ have one hash": one(None, "_null_recon_", MISMATCH),
    "checksums by XOR: rows that occur twice cancel": Case(
        {"k": [1, 2, 2], "v": [1, 2, 2]}, {"k": [1, 3, 3], "v": [1, 3, 3]}, {"match": 1, "missing": 1, "extra": 1}
    ),
    "checksums by sum: values swapped between two rows cancel": Case(
        {"k": [1, 2], "v": [10, 20]}, {"k": [1, 2], "v": [20, 10]}, {"mismatch": 2}
    ),
    "checksums of text: -0.0 and 0.0 are spelled differently": one(-0.0, 0.0, MATCH),
    "subtraction: infinity minus infinity is NaN, not zero": one(INF, INF, MATCH, tolerances={"v": Tolerance(abs=1)}),
    "subtraction: infinity is near no number": one(INF, 1.0, MISMATCH, tolerances={"v": Tolerance(rel=1.0)}),
    "pandas: an empty side has no types": Case(
        {"k": pa.array([], pa.null()), "v": pa.array([], pa.null())}, {"k": ["a"], "v": [1]}, {"extra": 1},
        schema=("type", "type"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_our_answer(case: Case) -> None:
    found = plumbline.diff(pa.table(case.left), pa.table(case.right), **{"key": "k", **case.asked})
    assert {name: count for name, count in found.summary["counts"].items() if count} == case.found
    assert tuple(finding["finding"] for finding in found.summary["schema"]) == case.schema
    found.close()
