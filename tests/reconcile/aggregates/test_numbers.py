"""The arithmetic that proves an aggregate's value, held to fractions and to sums in other orders."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from plumbline.contract.aggregate import Aggregate
from plumbline.contract.aggregate_calls import parse_value
from plumbline.reconcile.aggregates.gathering import gathered_sql, read
from plumbline.reconcile.aggregates.numbers import (
    Between,
    Exactly,
    Gathered,
    Untold,
    agrees,
    of_call,
    of_value,
)

SUM, MEAN, RATE = parse_value("sum(a.x)"), parse_value("avg(a.x)"), parse_value("sum(a.x) / sum(a.y)")
MOST = 2**63 - 1


def floats(numbers: list[float]) -> Gathered:
    return Gathered(len(numbers), sum(numbers), sum(map(abs, numbers)))


def added(numbers: list[float], dice: random.Random) -> float:
    """A sum in the order of a random tree, as engines with several threads add up."""
    left = list(numbers)
    while len(left) > 1:
        one, other = left.pop(dice.randrange(len(left))), left.pop(dice.randrange(len(left)))
        left.append(one + other)
    return left[0]


@pytest.mark.parametrize("seed", range(20))
def test_a_sum_in_any_order_agrees_and_one_with_another_number_does_not(seed: int) -> None:
    dice = random.Random(seed)
    numbers = [dice.uniform(-1, 1) * 10 ** dice.randrange(12) for _ in range(dice.randrange(2, 60))]
    expected = of_value(SUM, [floats(numbers)])
    mean = of_value(MEAN, [floats(numbers)])
    for _ in range(30):
        other = added(numbers, dice)
        assert agrees(expected, other)
        assert agrees(mean, other / len(numbers))
    assert isinstance(expected, Between)
    size = sum(map(abs, map(Fraction, numbers)))
    assert expected.high - expected.low <= float(size) * (len(numbers) * 4.1 + 8) * 2.0**-53
    least = float(size) * (len(numbers) * 5 + 9) * 2.0**-53
    assert not agrees(expected, added(numbers, dice) + least)
    assert not agrees(mean, (added(numbers, dice) - least) / len(numbers))
    assert not agrees(expected, None)


def test_one_number_is_its_own_sum_to_the_last_digit() -> None:
    assert of_value(SUM, [floats([0.1])]) == Exactly(0.1)
    assert not agrees(of_value(SUM, [floats([0.1])]), 0.1 + 2**-56)


@pytest.mark.parametrize(
    ("text", "gathered", "value"),
    [
        ("sum(a.x)", [Gathered(2, MOST + 5)], None),
        ("sum(a.x)", [Gathered(2, MOST)], MOST),
        ("sum(a.x)", [Gathered(2, -(2**63) - 1)], None),
        ("sum(a.x)", [Gathered(2, Decimal(MOST + 5))], Decimal(MOST + 5)),
        ("sum(a.x)", [Gathered(0, None)], None),
        ("avg(a.x)", [Gathered(3, 2**53 + 1)], float(2**53 + 1) / 3),
        ("avg(a.x)", [Gathered(2, Decimal("0.30"))], 0.15),
        ("avg(a.x)", [Gathered(0, None)], None),
        ("count(a.x)", [Gathered(0)], 0),
        ("count_distinct(a.x)", [Gathered(4)], 4),
        ("min(a.x)", [Gathered(2, "b")], "b"),
        ("max(a.x)", [Gathered(0, None)], None),
        ("count(a.x) / count(*)", [Gathered(1), Gathered(3)], 1 / 3),
        ("count(a.x) / count(a.y)", [Gathered(1), Gathered(0)], None),
        ("sum(a.x) / count(*)", [Gathered(0, None), Gathered(3)], None),
        ("sum(a.x) / count(*)", [Gathered(1, MOST + 1), Gathered(3)], None),
        ("sum(a.x) / sum(a.y)", [Gathered(1, Decimal("0.1")), Gathered(1, 3)], 0.1 / 3),
        ("sum(a.x)", [Gathered(3, 1.0, 1.0, nans=1)], nan),
        ("sum(a.x)", [Gathered(3, 1.0, 1.0, highs=1, lows=1)], nan),
        ("sum(a.x)", [Gathered(3, 1.0, 1.0, lows=1)], -inf),
        ("avg(a.x)", [Gathered(3, 1.0, 1.0, highs=2)], inf),
    ],
)
def test_values_that_hang_on_no_order(text: str, gathered: list[Gathered], value: Any) -> None:
    expected = of_value(parse_value(text), gathered)
    assert isinstance(expected, Exactly)
    assert agrees(expected, value)
    assert not agrees(expected, 7 if value is None else None)


def test_what_may_be_anything_proves_nothing() -> None:
    huge, about_zero = floats([1e308, 1e308]), floats([1.0, -1.0, 1e-20])
    assert of_value(SUM, [huge]) == Untold()
    assert of_value(RATE, [floats([1.0, 2.0]), about_zero]) == Untold()
    assert not agrees(Untold(), inf)
    assert not agrees(Untold(), None)
    assert of_call(SUM[0], floats([0.0, -0.0])) == Exactly(0.0)


def test_a_quotient_of_sums_is_as_wide_as_both_make_it() -> None:
    dice = random.Random(3)
    above, below = ([dice.uniform(1, 2) for _ in range(40)] for _ in range(2))
    expected = of_value(RATE, [floats(above), floats(below)])
    assert all(agrees(expected, added(above, dice) / added(below, dice)) for _ in range(200))
    assert not agrees(expected, sum(above) / sum(below) * (1 + 1e-12))


AGGREGATE = Aggregate(
    window="10 minutes",
    values={
        "rows": "count(*)",
        "there": "count(a.x)",
        "kinds": "count_distinct(a.x)",
        "some": "sum(a.x) where a.z",
        "prices": "sum(a.y)",
        "weights": "sum(a.w)",
        "rate": "(count(*) where a.z) / count(a.x)",
        "least": "min(a.x) where a.z",
    },
)


@pytest.mark.parametrize("seed", range(5))
def test_duckdb_gathers_what_python_does(seed: int) -> None:
    dice = random.Random(seed)
    whole = [dice.choice([None, MOST, -MOST, dice.randrange(-9, 9)]) for _ in range(30)]
    prices = [dice.choice([None, Decimal(dice.randrange(-(10**27), 10**27)) / 100]) for _ in whole]
    weights = [dice.choice([None, nan, inf, -inf, dice.uniform(-5, 5)]) for _ in whole]
    marks = [dice.choice([None, True, False]) for _ in whole]
    columns: dict[str, Any] = {
        "there$of0": pa.array([one is not None or None for one in whole], pa.bool_()),
        "some$where0": pa.array(marks, pa.bool_()),
        "prices$of0": pa.array(prices, pa.decimal128(28, 2)),
        "weights$of0": pa.array(weights, pa.float64()),
        "rate$where0": pa.array(marks, pa.bool_()),
        "least$where0": pa.array(marks, pa.bool_()),
    }
    columns |= {name: pa.array(whole, pa.int64()) for name in ("kinds$of0", "some$of0", "rate$of1", "least$of0")}
    rows = pa.table(columns)
    con = duckdb.connect()
    shown = con.from_arrow(rows)
    kinds = dict(zip(shown.columns, map(str, shown.types), strict=True))
    [row] = con.sql(f"SELECT {gathered_sql(AGGREGATE, kinds)} FROM rows").to_arrow_table().to_pylist()
    found = read(AGGREGATE, row)
    given, counting = [one for one in whole if one is not None], list(zip(whole, marks, strict=True))
    marked = [one for one, mark in counting if mark and one is not None]
    finite = [one for one in weights if one is not None and abs(one) < inf]
    assert found["rows"] == [Gathered(30)]
    assert found["there"] == [Gathered(len(given))]
    assert found["kinds"] == [Gathered(len(set(given)))]
    assert found["some"] == [Gathered(len(marked), sum(marked) if marked else None)]
    assert found["least"] == [Gathered(len(marked), min(marked, default=None))]
    assert found["rate"] == [Gathered(sum(mark is True for mark in marks)), Gathered(len(given))]
    assert found["prices"] == [Gathered(sum(one is not None for one in prices), sum(filter(None, prices)))]
    [weight] = found["weights"]
    assert (weight.counted, weight.nans) == (
        sum(one is not None for one in weights),
        sum(one != one for one in weights if one is not None),
    )
    assert (weight.highs, weight.lows) == (weights.count(inf), weights.count(-inf))
    assert weight.value == pytest.approx(sum(finite))
    assert weight.size == pytest.approx(sum(map(abs, finite)))


def test_an_infinity_beside_a_sum_that_may_overflow_is_not_told() -> None:
    """-inf + 1e308 + 1e308 is -inf, and 1e308 + 1e308 + -inf is NaN: Spark gave both for the same rows."""
    assert of_call(SUM[0], Gathered(3, inf, inf, lows=1)) == Untold()
    assert of_call(SUM[0], Gathered(3, 1.0, 1.0, lows=1)) == Exactly(-inf)
