"""A value as one SQL value such that two values with the same one are equal by Plumbline's equality.

The reverse need not hold: equal values of types that meet in no simple common form may get two. Their rows are then
compared by the exact engine, and found equal.

Scalars of one type keep it, or take a common one: on both sides the SQL is of one type, so that digests of its values
need no marks of types. What is nested becomes a text. No scalar's text contains the structural characters `[`, `]`,
`,` and `!` (NULL), none is empty: so lists of texts are unambiguous, whatever is nested in what.
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
TEXTS = ("StringType", "VarcharType", "CharType")
MOMENTS = ("DateType", "TimestampType", "TimestampNTZType")
_EXACT_DOUBLES = "9.2e18"
MAX_DECIMAL = 38


def plain(value: str) -> str:
    return value


def written(value: str) -> str:
    return f"CAST({value} AS STRING)"


@dataclass(frozen=True)
class Encoding:
    """SQL of a value on each side, given SQL of the plain value; NULL for NULL. `as_text` makes the text of that."""

    left: Form
    right: Form
    as_text: Form = written

    def form(self, side: str) -> Form:
        return self.left if side == "left" else self.right

    def text(self, side: str) -> Form:
        return lambda value: self.as_text(self.form(side)(value))


def parts_of(left: Any, right: Any, tolerance: Tolerance | None = None) -> list[Encoding]:
    """What of two columns is compared, one after the other: a struct's fields, beside whether it is there, else one."""
    if not _kind(left) == _kind(right) == "StructType":
        return [encoding_of(left, right, tolerance)]
    inner = [
        Encoding(_field(name, part.left), _field(name, part.right), part.as_text)
        for name, (ours, theirs) in _shared(left, right).items()
        for part in parts_of(ours, theirs)
    ]
    return [_both(lambda value: f"CASE WHEN {value} IS NOT NULL THEN 1L END"), *inner]


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


def _kind(of: Any) -> str:
    return type(of).__name__


def _both(form: Form, as_text: Form = written) -> Encoding:
    return Encoding(form, form, as_text)


def _piece(text: str) -> str:
    return f"coalesce({text}, '!')"


def _scalars(left: Any, right: Any) -> Encoding:
    kinds = {_kind(left), _kind(right)}
    if kinds <= {*INTEGERS}:
        return _both(plain if left == right else lambda value: f"CAST({value} AS BIGINT)")
    if left == right and kinds <= {"DecimalType", "BooleanType"}:
        return _both(plain)
    if kinds <= {*FLOATS}:
        return _both(lambda value: _double(f"{value}::DOUBLE"))
    if kinds <= {*INTEGERS, "DecimalType"}:
        return _decimals(left, right)
    if kinds <= {*INTEGERS, *FLOATS}:
        return Encoding(_number(left), _number(right))
    if kinds <= {*TEXTS}:
        return _texts(left, right)
    if kinds == {"BinaryType"}:
        return _both(plain, lambda value: f"concat('b', base64({value}))")
    if kinds <= {*MOMENTS}:
        return _both(plain, lambda value: written(_micros(value))) if left == right else _both(_micros)
    return Encoding(_apart("l"), _apart("r"))


def _texts(left: Any, right: Any) -> Encoding:
    """Bytes decide, whatever a collation makes equal."""
    collated = any(getattr(kind, "collation", "UTF8_BINARY") != "UTF8_BINARY" for kind in (left, right))
    form = (lambda value: f"CAST({value} AS BINARY)") if collated else plain
    return _both(form, lambda value: f"concat('s', base64(CAST({value} AS BINARY)))")


def _double(value: str) -> str:
    """Zero is one whatever its sign, and so is NaN."""
    return f"CASE WHEN isnan({value}) THEN DOUBLE('NaN') WHEN {value} = 0 THEN 0D ELSE {value} END"


def _number(kind: Any) -> Form:
    """An integer, or a double that is one as such, beyond which doubles stay themselves."""
    if _kind(kind) in INTEGERS:
        return written

    def form(value: str) -> str:
        whole = f"{value} = floor({value}) AND abs({value}) < {_EXACT_DOUBLES}"
        other = written(_double(f"{value}::DOUBLE"))
        return f"CASE WHEN {whole} THEN CAST(CAST({value} AS BIGINT) AS STRING) ELSE concat('d', {other}) END"

    return form


def _decimals(left: Any, right: Any) -> Encoding:
    """Exact numbers as the decimal type that holds every value of both, if 38 digits suffice."""
    shapes = [(kind.precision, kind.scale) if _kind(kind) == "DecimalType" else (19, 0) for kind in (left, right)]
    scale = max(scale for _, scale in shapes)
    width = max(precision - own for precision, own in shapes) + scale
    if width > MAX_DECIMAL:
        return Encoding(_apart("l"), _apart("r"))
    return _both(lambda value: f"CAST({value} AS DECIMAL({width},{scale}))")


def _micros(value: str) -> str:
    """Microseconds in UTC, as which the session's zone takes moments without one."""
    return f"unix_micros(CAST({value} AS TIMESTAMP))"


def _cut(grid_us: int) -> Form:
    def form(value: str) -> str:
        return f"({_micros(value)} - pmod({_micros(value)}, {grid_us}))"

    return form


def _apart(mark: str) -> Form:
    """No two values of the two sides get one text: the exact engine decides about every row."""
    return lambda value: f"CASE WHEN {value} IS NOT NULL THEN '{mark}' END"


def _lists(element: Encoding, depth: int) -> Encoding:
    def listed(form: Form) -> Form:
        name = f"e{depth}"
        return lambda value: f"concat('[', array_join(transform({value}, {name} -> {_piece(form(name))}), ','), ']')"

    return Encoding(listed(element.text("left")), listed(element.text("right")), plain)


def _maps(left: Any, right: Any, depth: int) -> Encoding:
    keys = encoding_of(left.keyType, right.keyType, depth=depth + 1)
    values = encoding_of(left.valueType, right.valueType, depth=depth + 1)

    def entries(key: Form, item: Form) -> Form:
        name = f"e{depth}"
        pair = f"concat('[', {_piece(key(f'{name}.key'))}, ',', {_piece(item(f'{name}.value'))}, ']')"
        return lambda value: (
            f"concat('[', array_join(array_sort(transform(map_entries({value}), {name} -> {pair})), ','), ']')"
        )

    ours, theirs = (entries(keys.text(side), values.text(side)) for side in ("left", "right"))
    return Encoding(ours, theirs, plain)


def _structs(left: Any, right: Any, depth: int) -> Encoding:
    fields = {name: encoding_of(*kinds, depth=depth + 1) for name, kinds in _shared(left, right).items()}

    def packed(side: str) -> Form:
        def form(value: str) -> str:
            texts = ", ".join(_piece(_field(name, rule.text(side))(value)) for name, rule in fields.items())
            return f"CASE WHEN {value} IS NOT NULL THEN concat('[', concat_ws(',', {texts}), ']') END"

        return form

    return Encoding(packed("left"), packed("right"), plain)


def _shared(left: Any, right: Any) -> dict[str, tuple[Any, Any]]:
    """The types of the fields that both structs have, in the left one's order."""
    theirs = {field.name: field.dataType for field in right.fields}
    return {field.name: (field.dataType, theirs[field.name]) for field in left.fields if field.name in theirs}


def _field(name: str, form: Form) -> Form:
    return lambda value: form(f"{value}.{backticked(name)}")
