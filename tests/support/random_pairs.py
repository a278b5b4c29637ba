"""Random pairs of small tables, the same for the same seed: every type, every class, and what other tools stumble over.

The right table is the left one with rows dropped, doubled, added and changed, in another order, at times with other
types or columns. Types are those that Parquet, Spark and DuckDB share, so any engine can take a pair.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa

from plumbline.contract.equality import Tolerance
from tests.support.plain_model import plain

Row = dict[str, Any]
BIG = 2**60  # beyond 2^53, where doubles no longer tell neighbours apart
EPOCH = dt.datetime(1970, 1, 1)


@dataclass(frozen=True)
class Pair:
    """Two tables and how to compare them. With a tolerance no key is repeated: which of several rows is near which
    is no question of equality."""

    seed: int
    left: pa.Table
    right: pa.Table
    key: tuple[str, ...]
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that both sides have, without the key."""
        both = set(self.left.column_names) & set(self.right.column_names) - set(self.key)
        return tuple(name for name in self.left.column_names if name in both)


@dataclass(frozen=True)
class Kind:
    """A type with values worth meeting, and the types in which the other side may hold the same values."""

    type: pa.DataType
    pool: Sequence[Any]
    other: tuple[pa.DataType, ...] = ()


def moments(zone: dt.tzinfo | None) -> list[dt.datetime]:
    """Around 1970, a microsecond apart, and at the far end."""
    offsets = (0, 1, -1, 86_400_000_000, 1_780_000_000_000_001, 1_780_000_000_000_002, -300_000_000_000_001)
    return [(EPOCH + dt.timedelta(microseconds=us)).replace(tzinfo=zone) for us in offsets]


US, US_UTC = pa.timestamp("us"), pa.timestamp("us", "UTC")
NAMED = pa.struct([("a", pa.int64()), ("b", pa.string())])
COUNTS = pa.map_(pa.string(), pa.int64())
DEEP = pa.list_(pa.struct([("m", pa.map_(pa.string(), pa.float64())), ("at", US)]))
KINDS = {
    "tiny": Kind(pa.int8(), [0, 1, -128, 127], (pa.int64(), pa.float64())),
    "big": Kind(pa.int64(), [0, 1, -1, BIG, BIG + 1, 2**63 - 1, -(2**63)], (pa.decimal128(38, 2),)),
    "double": Kind(
        pa.float64(), [0.0, -0.0, math.nan, math.inf, -math.inf, 1.0, 1.0 + 2**-52, float(BIG), 5e-324, 1.7e308, 0.1]
    ),
    "float": Kind(pa.float32(), [0.0, -0.0, math.nan, math.inf, 1.5, 16777216.0], (pa.float64(),)),
    "wide": Kind(pa.decimal128(38, 10), [Decimal(n) for n in ("0", "1.5", "1.5000000001", "9" * 28 + "." + "9" * 10)]),
    "money": Kind(
        pa.decimal128(10, 2), [Decimal(n) for n in ("0.00", "1.50", "1.51", "-99999999.99")], (pa.decimal128(12, 4),)
    ),
    "text": Kind(pa.string(), ["", "a", "A", "a ", "\u00e9", "e\u0301", "NULL", "0", "a\0b", "' \"; --", "\U0001f6eb"]),
    "bytes": Kind(pa.binary(), [b"", b"\0", b"\0\1", b"a"]),
    "flag": Kind(pa.bool_(), [True, False]),
    "day": Kind(pa.date32(), [dt.date(1960, 1, 1), dt.date(1970, 1, 1), dt.date(2026, 2, 28), dt.date(9999, 12, 31)]),
    "moment": Kind(US, moments(None), (US_UTC,)),
    "zoned": Kind(US_UTC, moments(dt.UTC), (US,)),
    "list": Kind(pa.list_(pa.int64()), [[], [None], [0], [0, 0], [0, None], [None, 0], [BIG]]),
    "lists": Kind(pa.list_(pa.list_(pa.int32())), [[], [[]], [None], [[1], [2, 3]], [[1, 2], [3]]]),
    "struct": Kind(
        NAMED,
        [{"a": None, "b": None}, {"a": 1, "b": ""}, {"a": BIG, "b": None}],
        (pa.struct([("b", pa.string()), ("a", pa.int64())]),),
    ),
    "map": Kind(COUNTS, [[], [("a", 1), ("b", 2)], [("b", 2), ("a", 1)], [("a", None)], [("a", 2), ("b", 1)]]),
    "deep": Kind(
        DEEP,
        [
            [],
            [None],
            [{"m": [("x", 0.0), ("y", math.nan)], "at": EPOCH}],
            [{"m": [("y", math.nan), ("x", -0.0)], "at": EPOCH}],
            [{"m": None, "at": EPOCH}],
        ],
    ),
}
AS_KEY = ("big", "text", "tiny", "double", "money", "moment", "zoned", "day", "bytes", "flag", "list", "struct")
TOLERATED = {
    "double": (Tolerance(abs=0.5), Tolerance(rel=1e-9), Tolerance(abs=1e-9, rel=0.25)),
    "money": (Tolerance(abs=0.25),),
    "big": (Tolerance(abs=1),),
    "moment": (Tolerance(round_to_ms=1), Tolerance(round_to_ms=60_000)),
}


def random_pair(seed: int) -> Pair:
    """The pair of this number. Of every 20: one is empty on the left, one on the right, one on both sides, one has
    only keys, one only one value column, one differs in nothing but order."""
    chance = random.Random(seed)
    key = {f"k{n}": kind for n, kind in enumerate(chance.sample(AS_KEY, chance.choice((1, 1, 1, 2, 3))))}
    shape = seed % 20
    width = {3: 0, 4: 1}.get(shape, chance.randint(1, 6))
    values = {f"v{n}": kind for n, kind in enumerate(chance.choices(list(KINDS), k=width))}
    tolerances = _tolerances(chance, values) if chance.random() < 0.25 else {}
    left = _rows(chance, key, values, 0 if shape in (0, 2) else chance.choice((1, 3, 8, 25)))
    if tolerances:
        left = _distinct(left, key)
    right = list(left) if shape == 5 else _changed(chance, left, key, values, tolerances)
    right = _distinct(right, key) if tolerances else right
    right = [] if shape in (1, 2) else [_respelled(chance, row) for row in chance.sample(right, len(right))]
    kinds = key | values
    return _tables(chance, seed, kinds, tuple(key), left, right, tolerances)


def _tolerances(chance: random.Random, values: dict[str, str]) -> dict[str, Tolerance]:
    return {name: chance.choice(TOLERATED[kind]) for name, kind in values.items() if kind in TOLERATED}


def _rows(chance: random.Random, key: dict[str, str], values: dict[str, str], count: int) -> list[Row]:
    return [{name: _value(chance, kind) for name, kind in (key | values).items()} for _ in range(count)]


def _value(chance: random.Random, kind: str) -> Any:
    if chance.random() < 0.15:
        return None
    if kind == "big" and chance.random() < 0.5:
        return chance.randint(0, 1000)
    return chance.choice(KINDS[kind].pool)


def _changed(
    chance: random.Random, left: list[Row], key: dict[str, str], values: dict[str, str], tolerances: Mapping[str, Any]
) -> list[Row]:
    """The rows of the other side: most as they are, some dropped, doubled, or with another value; some new ones."""
    share = chance.choice((0.05, 0.3, 1.0))
    right: list[Row] = []
    for row in left:
        fate = chance.choice(("drop", "double", "value", "value")) if chance.random() < share else "keep"
        if fate == "value" and values:
            name = chance.choice(list(values))
            near = name in tolerances and chance.random() < 0.6
            row = row | {name: _moved(chance, row[name]) if near else _value(chance, values[name])}
        right += {"drop": [], "double": [row, row]}.get(fate, [row])
    return right + _rows(chance, key, values, chance.choice((0, 0, 1, 4)))


def _moved(chance: random.Random, value: Any) -> Any:
    """A value near `value`."""
    if isinstance(value, float):
        return value + chance.choice((0.4, -0.4, 0.6, value * 1e-10 if math.isfinite(value) else 0.0))
    if isinstance(value, Decimal):
        return value + chance.choice((Decimal("0.25"), Decimal("0.26")))
    if isinstance(value, dt.datetime):
        return value + dt.timedelta(microseconds=chance.choice((1, 999, 1000, -1)))
    if isinstance(value, int):
        return value + chance.choice((1, 2)) * (-1 if value > 0 else 1)
    return value


def _distinct(rows: list[Row], key: Mapping[str, str]) -> list[Row]:
    return list({tuple(plain(row[name]) for name in key): row for row in rows}.values())


def _respelled(chance: random.Random, row: Row) -> Row:
    """The same values otherwise put: entries of maps in another order, zero with the other sign."""
    return {name: _respelled_value(chance, value) for name, value in row.items()}


def _respelled_value(chance: random.Random, value: Any) -> Any:
    if isinstance(value, float) and value == 0:
        return chance.choice((0.0, -0.0))
    if isinstance(value, list) and value and all(isinstance(entry, tuple) for entry in value):
        return chance.sample(value, len(value))
    return value


def _tables(
    chance: random.Random,
    seed: int,
    kinds: dict[str, str],
    key: tuple[str, ...],
    left: list[Row],
    right: list[Row],
    tolerances: dict[str, Tolerance],
) -> Pair:
    """The rows as Arrow tables; at times a column has another type on the right, or is on one side only."""
    ours = {name: KINDS[kind].type for name, kind in kinds.items()}
    theirs = dict(ours)
    for name, kind in kinds.items():
        if KINDS[kind].other and name not in tolerances and chance.random() < 0.2:
            wanted = chance.choice(KINDS[kind].other)
            theirs[name] = ours[name] if name in key and pa.types.is_floating(wanted) else wanted
    for side, name in ((ours, "only_left"), (theirs, "only_right")):
        if chance.random() < 0.05:
            side[name] = pa.int64()
    names = chance.sample(list(theirs), len(theirs))
    return Pair(seed, _table(left, ours), _table(right, {name: theirs[name] for name in names}), key, tolerances)


def _table(rows: list[Row], types: Mapping[str, pa.DataType]) -> pa.Table:
    return pa.table(
        [pa.array([_fitting(row.get(name), kind) for row in rows], kind) for name, kind in types.items()],
        schema=pa.schema(list(types.items())),
    )


def _fitting(value: Any, kind: pa.DataType) -> Any:
    """The same value as the Python type that Arrow wants for `kind`."""
    if value is None or not isinstance(value, (int, Decimal, dt.datetime)) or isinstance(value, bool):
        return value
    if pa.types.is_timestamp(kind):
        return value.replace(tzinfo=dt.UTC if kind.tz else None)
    if pa.types.is_decimal(kind):
        return Decimal(value)
    return float(value) if pa.types.is_floating(kind) else value
