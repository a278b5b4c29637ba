"""Sampled rows have the values that Arrow gives, whether or not Arrow is asked."""

from __future__ import annotations

import pytest

from plumbline.connect.pinned import connection
from plumbline.reconcile.diff.samples import rows_of

VALUES = [
    "true", "1::TINYINT", "2::UBIGINT", "18446744073709551615::UBIGINT", "1::HUGEINT", "0.1::FLOAT", "0.1::DOUBLE",
    "1.250::DECIMAL(10,3)", "12345678901234567890.123::DECIMAL(38,3)", "'é'", "'\\xff'::BLOB", "DATE '2024-02-29'",
    "TIMESTAMP '2024-01-01 00:00:00.123456'", "TIMESTAMPTZ '2024-01-01 05:00:00+05'",
    "TIMESTAMP_NS '2024-01-01 00:00:00.123456789'", "TIME '10:00:00.5'", "INTERVAL 1 DAY", "NULL::VARCHAR",
    "'0b7d6a16-4b1c-4c5c-8f39-0a5d2f1f6c11'::UUID", "MAP {1: 'a'}", "[1, NULL]", "['a']", "[]::DATE[]",
    "{'a': TIMESTAMPTZ '2024-01-01 00:00:00+00', 'b': [{'c': 1.5::DECIMAL(9,1)}], 'd': NULL::BLOB}",
    "{'a': 1::HUGEINT}", "'a'::ENUM('a', 'b')", "NULL::STRUCT(a INTEGER)",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_sampled_value_is_the_one_that_arrow_gives(value: str) -> None:
    con = connection()
    (ours,), (arrows,) = (take(con.sql(f"SELECT {value} AS x, 1 AS y")) for take in (rows_of, _by_arrow))
    assert repr(ours) == repr(arrows)


def _by_arrow(found: object) -> list[dict[str, object]]:
    return found.to_arrow_table().to_pylist()  # type: ignore[attr-defined,no-any-return]
