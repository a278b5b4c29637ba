"""Tolerances on whole numbers and decimals, alone or beside floats: the model is Python's Fraction."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.connect.pinned import connection
from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.compare import compare
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.diff.tolerances import parse_tolerances
from tests.support.rows import compare_values, differing

INTEGERS = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "UBIGINT": (0, 2**64 - 1),
    "HUGEINT": (-(2**127), 2**127 - 1),
    "UHUGEINT": (0, 2**128 - 1),
    "BIGNUM": (-(10**60), 10**60),
}
DECIMALS = [(4, 1), (18, 2), (18, 18), (37, 6), (38, 0), (38, 2), (38, 38)]
TYPES = [*INTEGERS, *(f"DECIMAL({width},{scale})" for width, scale in DECIMALS), "DOUBLE", "FLOAT"]
EDGES = [0, 1, 2**24, 2**53 - 1, 2**53, 2**53 + 1, 2**60, 2**63 - 1, 10**18, 10**37, 2**126]
STEPS = ["0", "1", "2", "0.5", "0.1", "0.01", "0.000001", "1e-18", "1e-38", "3", "1000", "1e20"]
SIZES = [None, 0.1, 0.01, 0.5, 1.0, 1e-6, 1e20, 1e39, 2**53 + 1, Decimal("0.30000000000000000000000000001")]
LEAST = "0." + "1".zfill(38)
SHARES = [None, None, 0.1, 1e-6, 1e-16, 1.0, 3.0, Decimal("1.0000000000000000001e-9"), 1e25]


def spelled(kind: str, number: Fraction) -> str | None:
    """The number nearest below in the type, as text; None where the type has none."""
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        return str(math.floor(number)) if low <= number <= high else None
    if kind in ("DOUBLE", "FLOAT"):
        return repr(float(number))
    width, scale = map(int, kind[8:-1].split(","))
    units = math.floor(number * 10**scale)
    return f"{Decimal(f'{units}e-{scale}'):f}" if abs(units) < 10**width else None


def meant(kind: str, value: int | float | Decimal | str) -> Fraction:
    """What a value of DuckDB's says: a float is its shortest digits, a whole one below 1e38 itself."""
    if isinstance(value, float) and not (value.is_integer() and abs(value) < 1e38):
        return Fraction(repr(value))
    return Fraction(value)


def within(a: Fraction, b: Fraction, tolerance: Tolerance) -> bool:
    size, share = (Fraction(str(part or 0)) for part in (tolerance.abs, tolerance.rel))
    return abs(a - b) <= size + share * max(abs(a), abs(b))


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[Fraction, Fraction]:
    start = Fraction(draw(st.sampled_from(EDGES))) * draw(st.sampled_from([1, -1]))
    start += draw(st.sampled_from([0, 0, 1, -1, Fraction(1, 10), Fraction(7, 1000)]))
    step = Fraction(draw(st.sampled_from(STEPS))) * draw(st.integers(-2, 2))
    return start, -start if draw(st.integers(0, 9)) == 0 else start + step


@settings(max_examples=30, deadline=None)
@given(
    ours=st.sampled_from(TYPES),
    theirs=st.sampled_from(TYPES),
    pairs=st.lists(neighbours(), min_size=1, max_size=25),
    tolerance=st.builds(Tolerance, abs=st.sampled_from(SIZES), rel=st.sampled_from(SHARES)),
)
def test_exact_numbers_are_held_to_a_tolerance_exactly(
    ours: str, theirs: str, pairs: list[tuple[Fraction, Fraction]], tolerance: Tolerance
) -> None:
    if {ours, theirs} <= {"DOUBLE", "FLOAT"}:
        ours = "BIGINT"  # two floats have arithmetic of their own
    written = [(spelled(ours, a), spelled(theirs, b)) for a, b in pairs]
    written = [(a, b) for a, b in written if a is not None and b is not None] or [("0", "0")]
    con = connection()
    for name, kind, column in (("ours", ours, 0), ("theirs", theirs, 1)):
        rows = ", ".join(f"({key}, '{pair[column]}'::{kind})" for key, pair in enumerate(written))
        con.execute(f"CREATE TABLE {name} AS FROM (VALUES {rows}) t(k, v)")
    compare(con, "ours", "theirs", ["k"], Rules(tolerances={"v": tolerance}))
    found = differing(con)
    held = con.execute("SELECT k, o.v, t.v FROM ours o JOIN theirs t USING (k)").fetchall()
    values = {key: (meant(ours, a), meant(theirs, b)) for key, a, b in held}
    assert found == {key: "mismatch" for key, (a, b) in values.items() if not within(a, b, tolerance)}
    con.close()


FORGIVEN = {
    "the ends of bigint": (2**64 - 1, "9223372036854775807", "(-9223372036854775808)::BIGINT"),
    "neighbours beyond 2^53": (1, "9007199254740992", "9007199254740993"),
    "a bigint and the double below it": (1, "9007199254740993", "9007199254740992::DOUBLE"),
    "the ends of hugeint": (2**128 - 1, f"{2**127 - 1}", f"'-{2**127}'::HUGEINT"),
    "ubigint and bigint": (2**63, "9223372036854775808::UBIGINT", "0::BIGINT"),
    "the widest decimals": (Decimal("2e-38"), f"'{LEAST}'::DECIMAL(38,38)", f"'-{LEAST}'::DECIMAL(38,38)"),
    "a tenth and three tenths, as decimal and double": (0.2, "0.1::DECIMAL(4,1)", "0.3::DOUBLE"),
    "more digits than any type has": (1, f"'{10**50}'::BIGNUM", f"'{10**50 + 1}'::BIGNUM"),
    "decimals that no one type holds": (
        Decimal(f"{'9' * 38}.5"), f"'{'9' * 38}'::DECIMAL(38,0)", "'-0.5'::DECIMAL(38,38)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("size", "left", "right"), FORGIVEN.values(), ids=FORGIVEN)
def test_a_difference_of_the_tolerance_is_within_and_a_hair_more_is_not(
    size: int | float | Decimal, left: str, right: str
) -> None:
    exactly = Tolerance(abs=Decimal(str(size)))
    less = replace(exactly, abs=Context(prec=100).subtract(Decimal(str(size)), Decimal("1e-39")))
    assert compare_values(left, right, exactly).counts["match"] == 1
    assert compare_values(right, left, exactly).counts["match"] == 1
    assert compare_values(left, right, less).columns == {"v": 1}
    assert compare_values(right, left, less).columns == {"v": 1}


def test_a_share_of_numbers_beyond_2_53_is_taken_of_all_their_digits() -> None:
    """1e-16 of 2^60 is 115.29...: a double of the difference, the share or the numbers would blur the edge."""
    rule = Tolerance(rel=Decimal("1e-16"))
    big = 2**60
    assert compare_values(f"{big}", f"{big - 115}", rule).counts["match"] == 1
    assert compare_values(f"{big}", f"{big - 116}", rule).columns == {"v": 1}


@pytest.mark.parametrize("value", ["'inf'::DOUBLE", "'-inf'::DOUBLE", "'nan'::DOUBLE", "NULL::DOUBLE"])
def test_beside_a_whole_number_no_tolerance_forgives_what_is_no_number(value: str) -> None:
    for rule in (Tolerance(abs=1e300), Tolerance(rel=1.0), Tolerance(abs=1.0, rel=2.0)):
        assert compare_values("1::BIGINT", value, rule).columns == {"v": 1}
        assert compare_values(value, "1::BIGINT", rule).columns == {"v": 1}


def test_a_column_without_any_value_takes_a_tolerance() -> None:
    assert compare_values("NULL", "NULL::BIGINT", Tolerance(abs=1)).counts["match"] == 1
    assert compare_values("NULL", "1::BIGINT", Tolerance(abs=1)).columns == {"v": 1}
    assert compare_values("NULL", "NULL", Tolerance(abs=1)).counts["match"] == 1


def test_a_size_is_kept_as_it_is_written() -> None:
    read = parse_tolerances(["a=abs:9007199254740993", "b=rel:0.1234567890123456789", "c=abs:0.1"])
    assert read["a"].abs == 2**53 + 1
    assert read["b"].rel == Decimal("0.1234567890123456789")
    assert read["c"] == Tolerance(abs=0.1)


@pytest.mark.parametrize("size", [Decimal("1e400"), -1, Decimal("sNaN"), 10**400])
def test_what_is_no_size_is_refused(size: Decimal | int) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        compare_values("1", "2", Tolerance(abs=size))


@pytest.mark.parametrize("size", ["one", "snan", "1e"])
def test_what_is_no_number_is_refused(size: str) -> None:
    with pytest.raises(UsageError, match="is not a number"):
        parse_tolerances([f"v=abs:{size}"])
