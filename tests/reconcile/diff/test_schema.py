"""Schemas that differ, and requests that cannot be met."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from plumbline.connect.pinned import connection
from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.compare import compare
from plumbline.reconcile.diff.engine.rules import Rules
from tests.support.rows import compare_values

FINDINGS = {
    "an int and a double": ("1::INT", "1::DOUBLE", "type", "INTEGER", "DOUBLE"),
    "two widths of int": ("1::INT", "1::BIGINT", "type", "INTEGER", "BIGINT"),
    "with and without zone": (
        "TIMESTAMPTZ '2026-01-01 00:00Z'",
        "TIMESTAMP '2026-01-01'",
        "time_zone",
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMP",
    ),
    "two scales of decimal": ("1::DECIMAL(9,1)", "1::DECIMAL(9,2)", "decimal_scale", "DECIMAL(9,1)", "DECIMAL(9,2)"),
    "a deep type": ("[1::INT]", "[1::BIGINT]", "type", "INTEGER[]", "BIGINT[]"),
    "text and a number": ("'1'", "1", "incomparable", "VARCHAR", "INTEGER"),
    "a list and a struct": ("[1]", "{'a': 1}", "incomparable", "INTEGER[]", "STRUCT(a INTEGER)"),
    "a field on one side": (
        "{'a': 1, 'b': 2}", "{'a': 1}", "fields", "STRUCT(a INTEGER, b INTEGER)", "STRUCT(a INTEGER)",
    ),
    "a deep field on one side": (
        "[MAP {1: {'a': 1}}]", "[MAP {1: {'a': 1, 'b': 2}}]", "fields",
        "MAP(INTEGER, STRUCT(a INTEGER))[]", "MAP(INTEGER, STRUCT(a INTEGER, b INTEGER))[]",
    ),
    "fields whose names differ in case only": (
        "{'A': 1}", "{'a': 2}", "incomparable", "STRUCT(A INTEGER)", "STRUCT(a INTEGER)",
    ),
    "a deep field whose name differs in case only": (
        "[{'a': {'X': 1, 'y': 1}}]", "[{'a': {'x': 2, 'y': 1}}]", "fields",
        "STRUCT(a STRUCT(X INTEGER, y INTEGER))[]", "STRUCT(a STRUCT(x INTEGER, y INTEGER))[]",
    ),
    "a field of a map's values whose name differs in case only": (
        "MAP {1: {'A': 1, 'b': 1}}", "MAP {1: {'a': 2, 'b': 1}}", "fields",
        "MAP(INTEGER, STRUCT(A INTEGER, b INTEGER))", "MAP(INTEGER, STRUCT(a INTEGER, b INTEGER))",
    ),
    "fields in another order": (
        "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", "type",
        "STRUCT(a INTEGER, b INTEGER)", "STRUCT(b INTEGER, a INTEGER)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("left", "right", "finding", "ours", "theirs"), FINDINGS.values(), ids=FINDINGS)
def test_finding(left: str, right: str, finding: str, ours: str, theirs: str) -> None:
    found = compare_values(left, right)
    assert found.schema == ({"column": "v", "finding": finding, "left": ours, "right": theirs},)
    assert found.counts["match"] == 1
    assert found.clean == (finding not in ("incomparable", "fields"))


def test_an_enum_is_no_other_type_than_text() -> None:
    assert compare_values("'a'::ENUM('a')", "'a'").schema == ()


def test_a_column_on_one_side_is_a_finding_and_the_rest_is_compared() -> None:
    con = connection()
    con.execute("CREATE VIEW ours AS SELECT 1 AS k, 'a' AS v, 1 AS old")
    con.execute("CREATE VIEW theirs AS SELECT 1 AS k, 'b' AS v, 1 AS new")
    found = compare(con, "ours", "theirs", ["k"])
    assert [(f["column"], f["finding"], f["left"], f["right"]) for f in found.schema] == [
        ("old", "only_left", "INTEGER", None),
        ("new", "only_right", None, "INTEGER"),
    ]
    assert found.columns == {"v": 1}
    assert not found.clean


def test_ignored_and_unasked_columns_have_no_finding() -> None:
    con = connection()
    con.execute("CREATE VIEW ours AS SELECT 1 AS k, 'a' AS v, 1 AS w, 1 AS old")
    con.execute("CREATE VIEW theirs AS SELECT 1 AS k, 'b' AS v, 1.5 AS w")
    assert compare(con, "ours", "theirs", ["k"], Rules(ignore=["v", "w", "old"])).clean
    found = compare(con, "ours", "theirs", ["k"], Rules(columns=["v"]))
    assert (found.compared, found.columns, found.schema) == (("v",), {"v": 1}, ())


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a missing key column names the nearest": ({"key": ["flight_ids"]}, "did you mean 'flight_id'?"),
    "a key on one side only": ({"key": ["late"]}, "key column 'late' is missing on the right side"),
    "no key": ({"key": []}, "no key column is named"),
    "a key named twice": ({"key": ["flight_id", "flight_id"]}, "named twice: flight_id, flight_id"),
    "a key of two kinds": ({"key": ["code"]}, "cannot be compared: VARCHAR on the left, INTEGER on the right"),
    "a map as a key": ({"key": ["tags"]}, "key column 'tags' cannot be compared"),
    "a tolerance on text": ({"tolerances": {"city": Tolerance(abs=1)}}, "column 'city' is VARCHAR, not a number"),
    "a tolerance on a key": ({"tolerances": {"flight_id": Tolerance(abs=1)}}, "key column 'flight_id' has a tolerance"),
    "a tolerance on an unknown column": ({"tolerances": {"prise": Tolerance(abs=1)}}, "did you mean 'price'?"),
    "a negative tolerance": ({"tolerances": {"price": Tolerance(abs=-1)}}, "tolerance -1 of column 'price'"),
    "a NaN tolerance": ({"tolerances": {"price": Tolerance(rel=float("nan"))}}, "tolerance nan of column 'price'"),
    "rounding a number": ({"tolerances": {"price": Tolerance(round_to_ms=1)}}, "is DOUBLE, not a timestamp"),
    "an unknown ignored column": ({"ignore": ["zzz"]}, "column 'zzz' is on neither side"),
    "an unknown compared column": ({"columns": ["zzz"]}, "column 'zzz' is on neither side"),
    "too little memory": ({"memory": "10MB"}, "memory '10MB' is too little"),
    "memory without a size": ({"memory": "much"}, "'much' is not an amount of memory"),
}


@pytest.mark.parametrize(("request_", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(request_: dict[str, Any], message: str) -> None:
    request_ = dict(request_)
    con = connection()
    shared = "1 AS flight_id, 1.0::DOUBLE AS price, 'x' AS city, MAP {1: 1} AS tags, 1 AS class"
    con.execute(f"CREATE VIEW ours AS SELECT {shared}, 'a' AS code, 1 AS late")
    con.execute(f"CREATE VIEW theirs AS SELECT {shared}, 1 AS code")
    memory, key = request_.pop("memory", "512MB"), request_.pop("key", ["flight_id"])
    with pytest.raises(UsageError) as raised:
        compare(con, "ours", "theirs", key, Rules(**request_), memory=memory)
    assert message in str(raised.value)
    assert raised.value.next_step


def test_nothing_in_common(tmp_path: object) -> None:
    con: duckdb.DuckDBPyConnection = connection()
    con.execute("CREATE VIEW ours AS SELECT 1 AS a")
    con.execute("CREATE VIEW theirs AS SELECT 1 AS b")
    with pytest.raises(UsageError, match="no column in common: a against b"):
        compare(con, "ours", "theirs", ["a"])
