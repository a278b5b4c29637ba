"""Rows as Python's values: those that Arrow gives, whether or not Arrow is asked, and text for a time out of reach."""

from __future__ import annotations

import datetime as dt

import pytest

from plumbline.connect.pinned import connection
from plumbline.connect.plain_rows import plain_rows

VALUES = [
    "true", "1::TINYINT", "2::UBIGINT", "18446744073709551615::UBIGINT", "1::HUGEINT", "0.1::FLOAT", "0.1::DOUBLE",
    "1.250::DECIMAL(10,3)", "12345678901234567890.123::DECIMAL(38,3)", "'é'", "'\\xff'::BLOB", "DATE '2024-02-29'",
    "TIMESTAMP '2024-01-01 00:00:00.123456'", "TIMESTAMPTZ '2024-01-01 05:00:00+05'",
    "TIMESTAMP_NS '2024-01-01 00:00:00.123456789'", "TIMESTAMPTZ_NS '2024-01-01 00:00:00.1234567+00'",
    "TIME '10:00:00.5'", "INTERVAL 1 DAY", "NULL::VARCHAR",
    "'0b7d6a16-4b1c-4c5c-8f39-0a5d2f1f6c11'::UUID", "MAP {1: 'a'}", "[1, NULL]", "['a']", "[]::DATE[]",
    "{'a': TIMESTAMPTZ '2024-01-01 00:00:00+00', 'b': [{'c': 1.5::DECIMAL(9,1)}], 'd': NULL::BLOB}",
    "{'a': 1::HUGEINT}", "'a'::ENUM('a', 'b')", "NULL::STRUCT(a INTEGER)",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_the_one_that_arrow_gives(value: str) -> None:
    con = connection()
    (ours,), (arrows,) = (take(con.sql(f"SELECT {value} AS x, 1 AS y")) for take in (plain_rows, _by_arrow))
    assert repr(ours) == repr(arrows)


FAR = {
    "DATE 'infinity'": "infinity",
    "DATE '-infinity'": "-infinity",
    "TIMESTAMP 'infinity'": "infinity",
    "TIMESTAMP '-infinity'": "-infinity",
    "TIMESTAMPTZ 'infinity'": "infinity",
    "TIMESTAMPTZ '-infinity'": "-infinity",
    "TIMESTAMP_S 'infinity'": "infinity",
    "TIMESTAMP_MS '-infinity'": "-infinity",
    "TIMESTAMP_NS 'infinity'": "infinity",
    "'infinity'::TIMESTAMPTZ_NS": "infinity",
    "[NULL, '-infinity'::TIMESTAMPTZ_NS]": [None, "-infinity"],
    "TIMESTAMP '12000-01-01'": "12000-01-01 00:00:00",
    "DATE '0044-03-15 (BC)'": "0044-03-15 (BC)",
    "[DATE 'infinity', DATE '2024-01-01']": ["infinity", dt.date(2024, 1, 1)],
    "[[TIMESTAMP '-infinity', NULL], NULL]": [["-infinity", None], None],
    "[DATE 'infinity']::DATE[1]": ["infinity"],
    "{'a': {'b': [TIMESTAMPTZ 'infinity']}, 'c': 1}": {"a": {"b": ["infinity"]}, "c": 1},
    "MAP {DATE 'infinity': TIMESTAMP '-infinity'}": [("infinity", "-infinity")],
    "MAP {1: [DATE 'infinity']}": [(1, ["infinity"])],
}


@pytest.mark.parametrize("value", FAR)
@pytest.mark.parametrize("beside", ["1", "1::HUGEINT"], ids=["from DuckDB", "from Arrow"])
def test_a_time_that_python_has_no_value_for_is_its_text(value: str, beside: str) -> None:
    assert plain_rows(connection().sql(f"SELECT {value} AS x, {beside} AS y"))[0]["x"] == FAR[value]


@pytest.mark.parametrize("value", ["TIMESTAMP '9999-12-31 23:59:59.999999'", "TIMESTAMP '0001-01-01'"])
def test_the_first_and_the_last_time_of_python_are_themselves(value: str) -> None:
    ends = {dt.datetime.max, dt.datetime.min}
    assert plain_rows(connection().sql(f"SELECT {value} AS x"))[0]["x"] in ends


def _by_arrow(found: object) -> list[dict[str, object]]:
    return found.to_arrow_table().to_pylist()  # type: ignore[attr-defined,no-any-return]


def test_no_type_of_a_time_is_unforeseen() -> None:
    con = connection()
    types = con.execute("SELECT DISTINCT type_name FROM duckdb_types() WHERE type_category = 'DATETIME'").fetchall()
    assert {("timestamptz_ns",), ("date",), ("time_ns",)} <= set(types)
    for (kind,) in types:
        for value, plain in (("NULL::{}", None), ("[NULL::{}]", [None]), ("{{'a': NULL::{}}}", {"a": None})):
            assert plain_rows(con.sql(f"SELECT {value.format(kind)} AS x"))[0]["x"] == plain, kind
