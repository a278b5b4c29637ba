"""What counts as equal: the rules of Plumbline's one definition, a line each."""

from __future__ import annotations

import pytest

from plumbline.connect.pinned import connection
from plumbline.contract.equality import Tolerance
from plumbline.reconcile.diff.engine.compare import compare
from tests.support.rows import compare_values

BIG = "1152921504606846976"  # 2^60, beyond which doubles no longer tell neighbours apart
ABS, REL = Tolerance(abs=1e-9), Tolerance(rel=1e-9)

EQUAL = {
    "NULL is NULL": ("NULL::INT", "NULL::INT"),
    "NaN is NaN": ("'nan'::DOUBLE", "'nan'::DOUBLE"),
    "NaN of either sign is NaN": ("'nan'::DOUBLE", "-('nan'::DOUBLE)"),
    "minus zero is zero": ("-0.0::DOUBLE", "0.0::DOUBLE"),
    "minus zero is zero in a list": ("[-0.0::DOUBLE]", "[0.0::DOUBLE]"),
    "minus zero is zero in a struct": ("{'a': -0.0::DOUBLE}", "{'a': 0.0::DOUBLE}"),
    "infinity is infinity": ("'inf'::DOUBLE", "'inf'::DOUBLE"),
    "decimals of one value are equal": ("1.50::DECIMAL(20,4)", "1.5::DECIMAL(20,4)"),
    "decimals of two scales meet by value": ("1.0::DECIMAL(10,1)", "1.00::DECIMAL(10,2)"),
    "decimals too wide for one type meet by value": ("5.0::DECIMAL(38,1)", "5.00::DECIMAL(38,20)"),
    "a big integer is itself": (f"{BIG}::BIGINT", f"{BIG}::BIGINT"),
    "a decimal of no digit before its point meets a wide one": ("0.5::DECIMAL(38,38)", "0.5::DECIMAL(38,1)"),
    "a zero of no digit before its point meets a whole number": ("0::DECIMAL(38,38)", "0::INT"),
    "a zero of no digit before its point meets a double": ("0::DECIMAL(4,4)", "0.0::DOUBLE"),
    "a decimal of no digit before its point meets the double": ("-0.25::DECIMAL(4,4)", "-0.25::DOUBLE"),
    "a month is thirty days": ("INTERVAL '1 month'", "INTERVAL '30 days'"),
    "a day is twenty-four hours, also in a list": ("[INTERVAL '-1 day']", "[INTERVAL '-24 hours']"),
    "minus a month and a day is twenty-nine days less": ("INTERVAL '-1 month 1 day'", "INTERVAL '-29 days'"),
    "int 1 is double 1.0 by value": ("1::BIGINT", "1.0::DOUBLE"),
    "int 0 is double minus zero by value": ("0::BIGINT", "-0.0::DOUBLE"),
    "decimal 0.1 is double 0.1 by value": ("0.1::DECIMAL(4,1)", "0.1::DOUBLE"),
    "minus one decimal is minus one double": ("-1.0::DECIMAL(4,1)", "-1.0::DOUBLE"),
    "ints of two widths meet by value": ("7::INT", "7::BIGINT"),
    "signed and unsigned meet by value": ("7::BIGINT", "7::UBIGINT"),
    "float meets double by value": ("1.5::FLOAT", "1.5::DOUBLE"),
    "text is text": ("'straße'", "'straße'"),
    "an enum is its text": ("'a'::ENUM('a', 'b')", "'a'::ENUM('c', 'a')"),
    "an enum meets plain text": ("'a'::ENUM('a', 'b')", "'a'"),
    "bytes are bytes": ("'\\x00\\x01'::BLOB", "'\\x00\\x01'::BLOB"),
    "a zoned moment meets a plain one in UTC": ("TIMESTAMPTZ '2026-01-01 01:00+01'", "TIMESTAMP '2026-01-01'"),
    "nanoseconds are cut to microseconds": (
        "'2026-01-01 00:00:00.000001999'::TIMESTAMP_NS",
        "'2026-01-01 00:00:00.000001'::TIMESTAMP_NS",
    ),
    "nanoseconds before 1970 are cut down too": (
        "'1960-01-01 00:00:00.000001999'::TIMESTAMP_NS",
        "'1960-01-01 00:00:00.000001'::TIMESTAMP",
    ),
    "zoned nanoseconds meet zoned microseconds": (
        "'2026-01-01 01:00:00.000001999+01'::TIMESTAMPTZ_NS",
        "'2026-01-01 00:00:00.000001+00'::TIMESTAMPTZ",
    ),
    "zoned nanoseconds meet plain microseconds in UTC": (
        "'1960-01-01 01:00:00.000001999+01'::TIMESTAMPTZ_NS",
        "'1960-01-01 00:00:00.000001'::TIMESTAMP",
    ),
    "zoned nanoseconds one apart": (
        "'2026-01-01 00:00:00.000001000+00'::TIMESTAMPTZ_NS",
        "'2026-01-01 00:00:00.000001001+00'::TIMESTAMPTZ_NS",
    ),
    "infinity is infinity, zoned or not": ("'infinity'::TIMESTAMPTZ_NS", "'infinity'::TIMESTAMP"),
    "zoned nanoseconds in a list": (
        "['2026-01-01 00:00:00.000001999+00'::TIMESTAMPTZ_NS]",
        "['2026-01-01 00:00:00.000001+00'::TIMESTAMPTZ]",
    ),
    "a time of day in nanoseconds is cut down": ("'23:59:59.999999999'::TIME_NS", "'23:59:59.999999'::TIME"),
    "times of day in nanoseconds one apart": ("'10:00:00.000000001'::TIME_NS", "'10:00:00'::TIME_NS"),
    "a decimal is a double of the same digits": ("0.0000001::DECIMAL(38,20)", "1e-07::DOUBLE"),
    "a decimal of 17 digits is that double": ("0.30000000000000004::DECIMAL(38,20)", "0.30000000000000004::DOUBLE"),
    "an integer of any length is its decimal": ("'12345678901234567890'::BIGNUM", "12345678901234567890::UBIGINT"),
    "integers of any length are themselves": (f"'1{'0' * 50}'::BIGNUM", f"'1{'0' * 50}'::BIGNUM"),
    "an integer of any length is its double": ("'9007199254740992'::BIGNUM", "9007199254740992.0::DOUBLE"),
    "map order does not matter": ("MAP {'a': 1, 'b': 2}", "MAP {'b': 2, 'a': 1}"),
    "map order does not matter in a list": ("[MAP {'a': 1, 'b': 2}]", "[MAP {'b': 2, 'a': 1}]"),
    "map order does not matter in a struct": ("{'m': MAP {'a': 1, 'b': 2}}", "{'m': MAP {'b': 2, 'a': 1}}"),
    "map order does not matter in a map": ("MAP {1: MAP {'a': 1, 'b': 2}}", "MAP {1: MAP {'b': 2, 'a': 1}}"),
    "struct field order does not matter": ("{'a': 1, 'b': 'x'}", "{'b': 'x', 'a': 1}"),
    "list elements meet by value": ("[1::INT]", "[1::BIGINT]"),
    "a fixed array is a list": ("[1, 2]::INT[2]", "[1, 2]"),
    "an all-NULL column has no type": ("NULL", "NULL::VARCHAR"),
}

UNEQUAL = {
    "2^60 is not 2^60 + 1": (f"{BIG}::BIGINT", f"{BIG}::BIGINT + 1"),
    "2^60 + 1 is not double 2^60": (f"{BIG}::BIGINT + 1", f"{BIG}::DOUBLE"),
    "2^60 + 1 is not decimal 2^60": (f"{BIG}::BIGINT + 1", f"{BIG}::DECIMAL(22,2)"),
    "a decimal of more digits is no double": ("0.10000000000000000001::DECIMAL(38,20)", "0.1::DOUBLE"),
    "a decimal of 16 digits is not the nearest double": (
        "90071992547409.93::DECIMAL(38,2)",
        "90071992547409.94::DOUBLE",
    ),
    "integers of 40 digits that differ in the last": (f"'{'1' * 40}'::BIGNUM", f"'{'1' * 39}2'::BIGNUM"),
    "an integer of any length is not its neighbour": ("'9007199254740993'::BIGNUM", "9007199254740992.0::DOUBLE"),
    "times of day a microsecond apart": ("'10:00:00.000001'::TIME_NS", "'10:00:00.000002'::TIME"),
    "int 1 is not double 1.5": ("1::BIGINT", "1.5::DOUBLE"),
    "minus one is not the largest unsigned": ("-1::BIGINT", "18446744073709551615::UBIGINT"),
    "decimals differ in the last digit": ("1.5000::DECIMAL(20,4)", "1.5001::DECIMAL(20,4)"),
    "wide decimals differ in the last digit": ("5.0::DECIMAL(38,1)", "5.00000000000000000001::DECIMAL(38,20)"),
    "NULL is not NaN": ("NULL::DOUBLE", "'nan'::DOUBLE"),
    "NULL is not zero": ("NULL::INT", "0"),
    "NULL is not empty text": ("NULL::VARCHAR", "''"),
    "infinity is not minus infinity": ("'inf'::DOUBLE", "'-inf'::DOUBLE"),
    "infinity is not the largest double": ("'inf'::DOUBLE", "1.7976931348623157e308::DOUBLE"),
    "infinity is not an integer": ("'inf'::DOUBLE", "7"),
    "infinity is not a decimal": ("7::DECIMAL(9,2)", "'-inf'::DOUBLE"),
    "a microsecond matters": ("TIMESTAMP '2026-01-01 00:00:00.000001'", "TIMESTAMP '2026-01-01 00:00:00.000002'"),
    "the zone is applied": ("TIMESTAMPTZ '2026-01-01 00:00+01'", "TIMESTAMP '2026-01-01'"),
    "text is not normalised": ("'\u00e9'", "'e\u0301'"),
    "text is not folded": ("'a'", "'A'"),
    "trailing blanks count": ("'a'", "'a '"),
    "a byte matters": ("'\\x00'::BLOB", "'\\x01'::BLOB"),
    "an empty list is not NULL": ("[]::INT[]", "NULL::INT[]"),
    "an empty list is not a list of NULL": ("[]::INT[]", "[NULL]::INT[]"),
    "a list of zero is not a list of two zeros": ("[[0]]", "[[0, 0]]"),
    "the bounds of inner lists count": ("[[1], [2, 3]]", "[[1, 2], [3]]"),
    "an inner NULL list is not an empty one": ("[[]]::INT[][]", "[NULL]::INT[][]"),
    "the place of NULL in a list counts": ("['p', NULL]", "[NULL, 'p']"),
    "NULL in a list is not the text NULL": ("[NULL]::VARCHAR[]", "['NULL']"),
    "list order counts": ("[1, 2]", "[2, 1]"),
    "a NULL struct is not a struct of NULLs": ("NULL::STRUCT(a INT)", "{'a': NULL}::STRUCT(a INT)"),
    "a deep field counts": ("{'a': {'b': [1]}}", "{'a': {'b': [2]}}"),
    "a map value counts": ("MAP {'a': 1.0}", "MAP {'a': 2.0}"),
    "a map key counts": ("MAP {'a': 1}", "MAP {'b': 1}"),
    "a NULL map is not an empty one": ("NULL::MAP(INT, INT)", "MAP {}::MAP(INT, INT)"),
}  # fmt: skip

WITHIN = {
    "a difference below abs": (ABS, "1.0::DOUBLE", "1.0000000005::DOUBLE"),
    "a difference of zero and less than abs": (ABS, "0.0::DOUBLE", "-5e-10::DOUBLE"),
    "a difference at a cell's edge of the grid": (ABS, "0.49999999999::DOUBLE", "0.50000000001::DOUBLE"),
    "a difference below rel": (REL, "1e12::DOUBLE", "1e12::DOUBLE + 500"),
    "rel is symmetric": (REL, "1e12::DOUBLE + 500", "1e12::DOUBLE"),
    "abs and rel add up": (Tolerance(abs=1.0, rel=0.1), "10.0::DOUBLE", "12.2::DOUBLE"),
    "both NaN": (ABS, "'nan'::DOUBLE", "'nan'::DOUBLE"),
    "both infinite": (REL, "'inf'::DOUBLE", "'inf'::DOUBLE"),
    "integers within abs": (Tolerance(abs=1), f"{BIG}::BIGINT", f"{BIG}::BIGINT + 1"),
    "decimals within abs": (Tolerance(abs=0.01), "1.00::DECIMAL(10,2)", "1.01::DECIMAL(10,2)"),
    "decimals of two types within abs": (Tolerance(abs=0.01), "1.00::DECIMAL(18,2)", "1.01::DECIMAL(19,2)"),
    "a decimal and an int within abs": (Tolerance(abs=0.1), "1000000000000000.1::DECIMAL(18,1)", "1000000000000000"),
    "the widest decimals within abs": (Tolerance(abs=0.01), "1.00::DECIMAL(38,18)", "1.01::DECIMAL(38,18)"),
    "the ends of decimal within a huge abs": (
        Tolerance(abs=1e39),
        f"{'9' * 38}::DECIMAL(38,0)",
        f"-{'9' * 38}::DECIMAL(38,0)",
    ),
    "an int and a double within abs": (Tolerance(abs=0.5), "1::INT", "1.5::DOUBLE"),
    "the ends of bigint within a huge abs": (Tolerance(abs=1e20), "9223372036854775807", "-9223372036854775807"),
    "moments of one millisecond": (
        Tolerance(round_to_ms=1),
        "TIMESTAMP '2026-01-01 00:00:00.0011'",
        "TIMESTAMP '2026-01-01 00:00:00.0019'",
    ),
    "moments of one millisecond before 1970": (
        Tolerance(round_to_ms=1),
        "TIMESTAMP '1960-01-01 00:00:00.0011'",
        "TIMESTAMP '1960-01-01 00:00:00.0019'",
    ),
    "an ignored column": (Tolerance(ignore=True), "1", "2"),
}  # fmt: skip

BEYOND = {
    "a difference above abs": (ABS, "1.0::DOUBLE", "1.000000002::DOUBLE"),
    "a difference above rel": (REL, "1e12::DOUBLE", "1e12::DOUBLE + 3000"),
    "decimals further apart than a double can tell": (
        Tolerance(abs=1e-7),
        f"{'9' * 32}.999999::DECIMAL(38,6)",
        f"{'9' * 32}.999998::DECIMAL(38,6)",
    ),
    "a NULL": (Tolerance(abs=1e300), "0.0::DOUBLE", "NULL::DOUBLE"),
    "a NaN": (Tolerance(abs=1e300, rel=1.0), "0.0::DOUBLE", "'nan'::DOUBLE"),
    "infinities of two signs": (Tolerance(rel=1.0), "'inf'::DOUBLE", "'-inf'::DOUBLE"),
    "an infinity and a large number": (Tolerance(rel=1.0), "'inf'::DOUBLE", "1e308::DOUBLE"),
    "an overflowing difference": (ABS, "1.7e308::DOUBLE", "-1.7e308::DOUBLE"),
    "integers beyond abs": (Tolerance(abs=1), f"{BIG}::BIGINT", f"{BIG}::BIGINT + 2"),
    "moments of two milliseconds": (
        Tolerance(round_to_ms=1),
        "TIMESTAMP '2026-01-01 00:00:00.0019'",
        "TIMESTAMP '2026-01-01 00:00:00.002'",
    ),
    "moments around a cell before 1970": (
        Tolerance(round_to_ms=1),
        "TIMESTAMP '1960-01-01 00:00:00.0009'",
        "TIMESTAMP '1960-01-01 00:00:00.0011'",
    ),
    "moments around 1970": (
        Tolerance(round_to_ms=1),
        "TIMESTAMP '1969-12-31 23:59:59.9995'",
        "TIMESTAMP '1970-01-01 00:00:00.0005'",
    ),
    "a moment and NULL": (Tolerance(round_to_ms=1), "TIMESTAMP '2026-01-01'", "NULL::TIMESTAMP"),
}  # fmt: skip


@pytest.mark.parametrize(("left", "right"), EQUAL.values(), ids=EQUAL)
def test_equal(left: str, right: str) -> None:
    found = compare_values(left, right)
    assert found.counts["match"] == 1
    assert found.columns == {}
    assert found.compared == ("v",)


@pytest.mark.parametrize(("left", "right"), UNEQUAL.values(), ids=UNEQUAL)
def test_unequal(left: str, right: str) -> None:
    found = compare_values(left, right)
    assert found.counts["mismatch"] == 1
    assert found.columns == {"v": 1}


@pytest.mark.parametrize(("tolerance", "left", "right"), WITHIN.values(), ids=WITHIN)
def test_within_tolerance(tolerance: Tolerance, left: str, right: str) -> None:
    assert compare_values(left, right).counts["match"] == ("nan" in left or "inf" in left)
    assert compare_values(left, right, tolerance).counts["match"] == 1
    assert compare_values(right, left, tolerance).counts["match"] == 1


@pytest.mark.parametrize(("tolerance", "left", "right"), BEYOND.values(), ids=BEYOND)
def test_beyond_tolerance(tolerance: Tolerance, left: str, right: str) -> None:
    assert compare_values(left, right, tolerance).columns == {"v": 1}
    assert compare_values(right, left, tolerance).columns == {"v": 1}


ONE_HASH = {
    "a wide decimal of nothing and of a cent less": ("0::DECIMAL(20,2)", "-0.01::DECIMAL(20,2)"),
    "the widest decimal of nothing and of one less": ("0::DECIMAL(38,0)", "-1::DECIMAL(38,0)"),
    "a hugeint of two equal halves": ("0::HUGEINT", "5::HUGEINT * 18446744073709551616 + 5"),
    "a hugeint with its halves changed over": (f"{2**64 * 3 + 7}::HUGEINT", f"{2**64 * 7 + 3}::HUGEINT"),
    "an unsigned zero and minus one": ("0::UBIGINT", "-1::TINYINT"),
    "decimals of two scales": ("0::DECIMAL(18,2)", "-0.001::DECIMAL(18,3)"),
    "an id with its halves changed over": (
        "'00000000-0000-0001-0000-000000000002'::UUID",
        "'80000000-0000-0002-8000-000000000001'::UUID",
    ),
    "months and days changed over": ("INTERVAL '1 month 2 days'", "INTERVAL '2 months 1 day'"),
    "as many months as days, and none": ("INTERVAL '3 months 3 days'", "INTERVAL '0 days'"),
}


@pytest.mark.parametrize(("left", "right"), ONE_HASH.values(), ids=ONE_HASH)
def test_values_of_one_hash_in_duckdb_are_told_apart(left: str, right: str) -> None:
    """DuckDB hashes 16 bytes as the XOR of their halves. As a value, as a key, and among the rows of a key."""
    assert compare_values(left, right).columns == {"v": 1}
    con = connection()
    con.execute(f"CREATE VIEW ours AS SELECT 1 AS k, {left} AS v")
    con.execute(f"CREATE VIEW theirs AS SELECT 1 AS k, {right} AS v")
    con.execute("CREATE VIEW several AS FROM ours UNION ALL FROM ours")
    con.execute("CREATE VIEW others AS FROM ours UNION ALL FROM theirs")
    as_key = compare(con, "ours", "theirs", ["v"])
    assert (as_key.counts["missing"], as_key.counts["extra"]) == (1, 1)
    assert not compare(con, "ours", "theirs", None).clean
    assert compare(con, "several", "others", ["k"]).counts["duplicate"] == 1
