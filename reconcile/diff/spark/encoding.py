"""A value as Spark SQL text such that two values with the same text are equal by Plumbline's equality.

The reverse need not hold: equal values of types that meet in no simple common form may get two texts. Their rows are
then compared by the exact engine, and found equal.

No scalar's text contains the structural characters `[`, `]`, `,` and `!` (NULL), none is empty: so lists of texts are
unambiguous, whatever is nested in what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from plumbline.connect.sql_quoting import backticked
from plumbline.contract.equality import Tolerance
from plumbline.reconcile.diff.engine.tolerance_sql import grid

Form = Callable[[str], str]
INTEGERS = ("ByteType", "ShortType", "IntegerType", "LongType")
FLOATS = ("FloatType", "DoubleType")
MOMENTS = ("DateType", "TimestampType", "TimestampNTZType")
_EXACT_DOUBLES = "9.2e18"
MAX_DECIMAL = 38


@dataclass(frozen=True)
class Encoding:
    """The text of a value on each side, given SQL of the plain value; NULL for NULL."""

    left: Form
    right: Form

    def form(self, side: str) -> Form:
        return self.left if side == "left" else self.right


def encoding_of(left: Any, right: Any, tolerance: Tolerance | None = None, depth: int = 0) -> Encoding:
    """The encoding of two columns of the Spark types `left` and `right`."""
    if tolerance and tolerance.round_to_ms:
        return _both(_cut(max(1, round(tolerance.round_to_ms * 1000))))
    if tolerance and _kind(left) in FLOATS and _kind(right) in FLOATS:
        return _both(lambda value: _double(grid(f"{value}::DOUBLE", tolerance)))
    if _kind(left) == _kind(right) == "ArrayType":
        return _lists(encoding_of(left.elementType, right.elementType, depth=depth + 1), depth)
    if _kind(left) == _kind(right) == "MapType":
        return _maps(left, right, depth)
    if _kind(left) == _kind(right) == "StructType":
        return _structs(left, right, depth)
    return _scalars(left, right)


def text_of(forms: list[str]) -> str:
    """SQL of one text for several values, with NULLs distinct from everything else."""
    return f"concat_ws(',', {', '.join(map(_piece, forms))})" if forms else "''"


def _kind(of: Any) -> str:
    return type(of).__name__


def _both(form: Form) -> Encoding:
    return Encoding(form, form)


def _piece(text: str) -> str:
    return f"coalesce({text}, '!')"


def _scalars(left: Any, right: Any) -> Encoding:
    kinds = {_kind(left), _kind(right)}
    if kinds <= {*INTEGERS} or (left == right and kinds <= {"DecimalType", "BooleanType"}):
        return _both(_string)
    if kinds <= {*FLOATS}:
        # A float is its own text only beside another float: as a double it has more digits.
        return _both(_double if len(kinds) == 1 else lambda value: _double(f"{value}::DOUBLE"))
    if kinds <= {*INTEGERS, "DecimalType"}:
        return _decimals(left, right)
    if kinds <= {*INTEGERS, *FLOATS}:
        return Encoding(_number(left), _number(right))
    if kinds <= {"StringType", "VarcharType", "CharType"}:
        return _both(lambda value: f"concat('s', base64(CAST({value} AS BINARY)))")
    if kinds == {"BinaryType"}:
        return _both(lambda value: f"concat('b', base64({value}))")
    if kinds <= {*MOMENTS}:
        return _both(_micros)
    return Encoding(_apart("l"), _apart("r"))


def _string(value: str) -> str:
    return f"CAST({value} AS STRING)"


def _double(value: str) -> str:
    """Zero has one text whatever its sign, and so has NaN."""
    return f"CASE WHEN isnan({value}) THEN 'NaN' WHEN {value} = 0 THEN '0' ELSE CAST({value} AS STRING) END"


def _number(kind: Any) -> Form:
    """An integer, or a double that is one as such, beyond which doubles stay themselves."""
    if _kind(kind) in INTEGERS:
        return _string

    def form(value: str) -> str:
        whole = f"{value} = floor({value}) AND abs({value}) < {_EXACT_DOUBLES}"
        plain = _double(f"{value}::DOUBLE")
        return f"CASE WHEN {whole} THEN CAST(CAST({value} AS BIGINT) AS STRING) ELSE concat('d', {plain}) END"

    return form


def _decimals(left: Any, right: Any) -> Encoding:
    """Exact numbers as the decimal type that holds every value of both, if 38 digits suffice."""
    shapes = [(kind.precision, kind.scale) if _kind(kind) == "DecimalType" else (19, 0) for kind in (left, right)]
    scale = max(scale for _, scale in shapes)
    width = max(precision - own for precision, own in shapes) + scale
    if width > MAX_DECIMAL:
        return Encoding(_apart("l"), _apart("r"))
    return _both(lambda value: f"CAST(CAST({value} AS DECIMAL({width},{scale})) AS STRING)")


def _micros(value: str) -> str:
    """Microseconds in UTC, as which the session's zone takes moments without one."""
    return f"CAST(unix_micros(CAST({value} AS TIMESTAMP)) AS STRING)"


def _cut(grid_us: int) -> Form:
    def form(value: str) -> str:
        micros = f"unix_micros(CAST({value} AS TIMESTAMP))"
        return f"CAST({micros} - pmod({micros}, {grid_us}) AS STRING)"

    return form


def _apart(mark: str) -> Form:
    """No two values of the two sides get one text: the exact engine decides about every row."""
    return lambda value: f"CASE WHEN {value} IS NOT NULL THEN '{mark}' END"


def _lists(element: Encoding, depth: int) -> Encoding:
    def listed(form: Form) -> Form:
        name = f"e{depth}"
        return lambda value: f"concat('[', array_join(transform({value}, {name} -> {_piece(form(name))}), ','), ']')"

    return Encoding(listed(element.left), listed(element.right))


def _maps(left: Any, right: Any, depth: int) -> Encoding:
    keys = encoding_of(left.keyType, right.keyType, depth=depth + 1)
    values = encoding_of(left.valueType, right.valueType, depth=depth + 1)

    def entries(key: Form, item: Form) -> Form:
        name = f"e{depth}"
        pair = f"concat('[', {_piece(key(f'{name}.key'))}, ',', {_piece(item(f'{name}.value'))}, ']')"
        return lambda value: (
            f"concat('[', array_join(array_sort(transform(map_entries({value}), {name} -> {pair})), ','), ']')"
        )

    return Encoding(entries(keys.left, values.left), entries(keys.right, values.right))


def _structs(left: Any, right: Any, depth: int) -> Encoding:
    """A struct by the fields that both sides have, in the left one's order."""
    theirs = {field.name: field.dataType for field in right.fields}
    shared = {
        field.name: encoding_of(field.dataType, theirs[field.name], depth=depth + 1)
        for field in left.fields
        if field.name in theirs
    }

    def packed(side: str) -> Form:
        def form(value: str) -> str:
            fields = ", ".join(_piece(rule.form(side)(f"{value}.{backticked(name)}")) for name, rule in shared.items())
            return f"CASE WHEN {value} IS NOT NULL THEN concat('[', concat_ws(',', {fields}), ']') END"

        return form

    return Encoding(packed("left"), packed("right"))
