"""The form in which two values of possibly different types are compared.

A rule turns each side's value into a canonical one such that `IS NOT DISTINCT FROM` between the canonical values is
Plumbline's equality: maps become sorted lists of entries, enums text, moments microseconds in UTC, and numbers of
different kinds the wider exact type, or decimal text where no common type holds both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from plumbline.connect.sql_quoting import column, ident
from plumbline.reconcile.diff.engine.number_text import of_decimal, of_double, written

Form = Callable[[str], str]

_SIGNED = ("tinyint", "smallint", "integer", "bigint")
_SMALL_UNSIGNED = ("utinyint", "usmallint", "uinteger")
_DIGITS = {
    "tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "hugeint": 39,
    "utinyint": 3, "usmallint": 5, "uinteger": 10, "ubigint": 20, "uhugeint": 39, "bignum": 4_300,
}  # fmt: skip
_INTEGERS = frozenset(_DIGITS)
_FLOATS = frozenset({"float", "double"})
_TEXTS = frozenset({"varchar", "enum", "uuid"})
ZONED = frozenset({"timestamp with time zone", "timestamptz_ns"})
_MOMENTS = frozenset({"date", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"}) | ZONED
_TIMES = frozenset({"time", "time_ns"})
_NESTED = frozenset({"list", "array", "struct", "map"})
MAX_DECIMAL = 38
_NARROW_DECIMAL = 18  # up to so many digits a decimal has 8 bytes


@dataclass(frozen=True)
class Rule:
    """SQL of the canonical value of each side, given the SQL of the plain value."""

    left: Form
    right: Form
    nested: bool = False

    def form(self, side: str) -> Form:
        return self.left if side == "left" else self.right


def same(value: str) -> str:
    return value


def cast(to: str) -> Form:
    return lambda value: f"{value}::{to}"


def rule_for(left: Any, right: Any, depth: int = 0) -> Rule | None:
    """The rule for values of the DuckDB types `left` and `right`; None when they cannot be compared by value."""
    kinds = {left.id, right.id}
    if kinds & _NESTED:
        return _nested(left, right, depth)
    if left == right:
        return _same_type(left)
    if "null" in kinds:
        return _against_null(left, right, depth)
    if kinds <= _INTEGERS | _FLOATS | {"decimal"}:
        return _numbers(left, right)
    if kinds <= _TEXTS:
        return Rule(cast("VARCHAR"), cast("VARCHAR"))
    if kinds <= _MOMENTS:
        return Rule(_moment(left), _moment(right))
    if kinds <= _TIMES:
        return Rule(_time_of_day(left), _time_of_day(right))
    return None


def is_float(kind: Any) -> bool:
    return kind.id in _FLOATS


def is_number(kind: Any) -> bool:
    return kind.id in _INTEGERS | _FLOATS or kind.id == "decimal"


def is_integer(kind: Any) -> bool:
    return kind.id in _INTEGERS - {"bignum"}


def digits_after_point(kind: Any) -> int:
    """Of an integer or decimal type."""
    return _shape(kind)[1]


def is_text(kind: Any) -> bool:
    return kind.id in _TEXTS


def is_list(kind: Any) -> bool:
    return kind.id in ("list", "array")


def is_moment(kind: Any) -> bool:
    return kind.id in _MOMENTS and kind.id != "date"


def is_wide(left: Any, right: Any) -> bool:
    """Whether the canonical values may be of 16 bytes: of those DuckDB's hash() takes the XOR of two halves, so that -1
    and 0 have one hash."""
    if {left.id, right.id} & {"hugeint", "uhugeint", "uuid", "interval"}:
        return True
    if left != right:
        return bool({left.id, right.id} & {"decimal", "ubigint"})
    return bool(left.id == "decimal" and int(left.children[0][1]) > _NARROW_DECIMAL)


def _same_type(kind: Any) -> Rule:
    if kind.id == "enum":
        return Rule(cast("VARCHAR"), cast("VARCHAR"))
    if kind.id == "interval":
        return Rule(_length, _length)
    if kind.id in ("timestamp_ns", "timestamptz_ns"):
        return Rule(_moment(kind), _moment(kind))
    if kind.id == "time_ns":
        return Rule(_time_of_day(kind), _time_of_day(kind))
    return Rule(same, same)


def _against_null(left: Any, right: Any, depth: int) -> Rule | None:
    """A column without any value has no type of its own: it takes the other side's."""
    kind = right if left.id == "null" else left
    return rule_for(kind, kind, depth)


def _moment(kind: Any) -> Form:
    """A moment as a timestamp without zone in UTC, to the microsecond; one without zone is taken as UTC."""
    if kind.id == "timestamp with time zone":
        return lambda value: f"timezone('UTC', {value})"
    return _floored if kind.id in ("timestamp_ns", "timestamptz_ns") else cast("TIMESTAMP")


def _time_of_day(kind: Any) -> Form:
    """A time of day to the microsecond, cut down: a plain cast would round, and 23:59:59.9999999 be 24:00."""
    return lambda value: f"make_timestamp(epoch_ns({value}) // 1000)::TIME" if kind.id == "time_ns" else value


def _length(value: str) -> str:
    """An interval in microseconds, as DuckDB and PostgreSQL order them: a month has 30 days, a day 24 hours."""
    months = f"(extract(year FROM {value})::HUGEINT * 12 + extract(month FROM {value}))"
    hours = f"(({months} * 30 + extract(day FROM {value})) * 24 + extract(hour FROM {value}))"
    return f"({hours} * 60 + extract(minute FROM {value})) * 60000000 + extract(microseconds FROM {value})"


def _floored(value: str) -> str:
    """Nanoseconds cut down to microseconds, also before 1970: a plain cast would round."""
    ns = f"epoch_ns({value})"
    cut = f"make_timestamp(({ns} - ({ns} % 1000 + 1000) % 1000) // 1000)"
    unzoned = f"{value}::TIMESTAMP_NS"  # isfinite() knows no other; a zone makes no difference to it
    return f"CASE WHEN isfinite({unzoned}) THEN {cut} ELSE {unzoned}::TIMESTAMP END"


def _numbers(left: Any, right: Any) -> Rule:
    if is_float(left) and is_float(right):
        return Rule(cast("DOUBLE"), cast("DOUBLE"))
    if is_float(left) or is_float(right) or "bignum" in (left.id, right.id):
        return Rule(by_value(left), by_value(right))
    common = _common_integer(left, right) or common_decimal(left, right)
    return Rule(cast(common), cast(common)) if common else Rule(_digits(left), _digits(right))


def _common_integer(left: Any, right: Any) -> str | None:
    kinds = {left.id, right.id}
    if kinds <= {*_SIGNED, *_SMALL_UNSIGNED}:
        return "BIGINT"
    if kinds <= _INTEGERS - {"hugeint", "uhugeint"}:
        return "DECIMAL(20,0)"  # not HUGEINT, which Parquet cannot hold
    return None


def common_decimal(left: Any, right: Any) -> str | None:
    """The decimal type that holds every value of both, if 38 digits suffice."""
    (whole_left, scale_left), (whole_right, scale_right) = _shape(left), _shape(right)
    scale = max(scale_left, scale_right)
    width = max(whole_left, whole_right) + scale
    return f"DECIMAL({width},{scale})" if width <= MAX_DECIMAL else None


def _shape(kind: Any) -> tuple[int, int]:
    """Digits before and after the point."""
    if kind.id != "decimal":
        return _DIGITS[kind.id], 0
    precision, scale = (int(value) for _, value in kind.children)
    return precision - scale, scale


def _digits(kind: Any) -> Form:
    """An exact number as text without trailing zeros, where no common type is wide enough."""
    if kind.id == "decimal" and _shape(kind)[1]:
        return lambda value: f"rtrim(rtrim({written(value)}, '0'), '.')"
    return cast("VARCHAR")


def by_value(kind: Any) -> Form:
    """A number as text of its digits, so that an exact one meets a double without being rounded to one."""
    if is_float(kind):
        return of_double
    return of_decimal if kind.id == "decimal" and _shape(kind)[1] else cast("VARCHAR")


def _nested(left: Any, right: Any, depth: int) -> Rule | None:
    if is_list(left) and is_list(right):
        return _lists(left, right, depth)
    if left.id == right.id == "map":
        return _maps(left, right, depth)
    if left.id == right.id == "struct":
        return _structs(left, right, depth)
    return _against_null(left, right, depth) if "null" in (left.id, right.id) else None


def _lists(left: Any, right: Any, depth: int) -> Rule | None:
    element = rule_for(left.children[0][1], right.children[0][1], depth + 1)
    if element is None:
        return None
    one_shape = left.id == right.id
    return Rule(_each(left, element.left, depth, one_shape), _each(right, element.right, depth, one_shape), nested=True)


def _each(kind: Any, form: Form, depth: int, one_shape: bool) -> Form:
    if form is same:
        return same if one_shape else cast(f"{kind.children[0][1]}[]")
    name = f"e{depth}"
    return lambda value: f"list_transform({value}, lambda {name}: {form(name)})"


def _maps(left: Any, right: Any, depth: int) -> Rule | None:
    """A map as its entries in order of the keys; a NULL map stays NULL."""
    (_, left_key), (_, left_value) = left.children
    (_, right_key), (_, right_value) = right.children
    keys, values = rule_for(left_key, right_key, depth + 1), rule_for(left_value, right_value, depth + 1)
    if keys is None or values is None:
        return None

    def entries(key: Form, item: Form) -> Form:
        name = f"e{depth}"
        pair = f"{{'key': {key(name + '.key')}, 'value': {item(name + '.value')}}}"
        return lambda value: (
            f"CASE WHEN {value} IS NOT NULL "
            f"THEN list_sort(list_transform(map_entries({value}), lambda {name}: {pair})) END"
        )

    return Rule(entries(keys.left, values.left), entries(keys.right, values.right), nested=True)


def _structs(left: Any, right: Any, depth: int) -> Rule | None:
    """A struct by the fields that both sides have; NULL stays apart from a struct of NULLs."""
    ours, theirs = dict(left.children), dict(right.children)
    rules = {name: rule_for(ours[name], theirs[name], depth) for name in ours if name in theirs}
    known = {name: rule for name, rule in rules.items() if rule is not None}
    if not known or len(known) < len(rules):
        return None
    plain = list(ours) == list(theirs) and all(r.left is same and r.right is same for r in known.values())
    if plain:
        return Rule(same, same, nested=True)

    def packed(side: str) -> Form:
        def form(value: str) -> str:
            fields = (f"{ident(name)} := {rule.form(side)(column(name, value))}" for name, rule in known.items())
            return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"

        return form

    return Rule(packed("left"), packed("right"), nested=True)
