"""Values as SQL text for other engines: quoted names, and literals that keep their type and every digit."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from plumbline.contract.errors import UsageError


@dataclass(frozen=True)
class Dialect:
    """How an engine quotes, and what it calls a moment with and without zone."""

    quote: str
    backslash_escapes: bool
    zoned: str
    unzoned: str

    def ident(self, name: str) -> str:
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def text(self, value: str) -> str:
        if self.backslash_escapes:
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        return "'" + value.replace("'", "''") + "'"

    def literal(self, value: Any, kind: pa.DataType) -> str:
        """The value as SQL of its type. Raises UsageError for nested types."""
        name = self.type_name(kind)
        if value is None:
            return f"CAST(NULL AS {name})" if name else "NULL"
        if isinstance(value, bytes):
            return f"unhex('{value.hex()}')"
        if isinstance(value, float) and not math.isfinite(value):
            value = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        if isinstance(value, dt.datetime):
            value = value.isoformat(" ")
        return f"CAST({self.text(str(value))} AS {name})" if name else self.text(str(value))

    def type_name(self, kind: pa.DataType) -> str:
        """The SQL type; empty for text and bytes, whose literals have it already."""
        if pa.types.is_dictionary(kind) or _is_plain(kind):
            return ""
        if pa.types.is_timestamp(kind):
            return self.zoned if kind.tz else self.unzoned
        if pa.types.is_decimal(kind):
            return f"DECIMAL({kind.precision},{kind.scale})"
        if kind not in _NAMES:
            raise UsageError(f"a repair script cannot hold values of type {kind}", next_step="leave that column out")
        return _NAMES[kind]


def _is_plain(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary)
    return any(test(kind) for test in (*tests, pa.types.is_large_binary, pa.types.is_binary_view))


_NAMES = {
    pa.bool_(): "BOOLEAN", pa.int8(): "TINYINT", pa.int16(): "SMALLINT", pa.int32(): "INT", pa.int64(): "BIGINT",
    pa.float32(): "FLOAT", pa.float64(): "DOUBLE", pa.date32(): "DATE",
}  # fmt: skip
DIALECTS = {
    "spark": Dialect("`", True, "TIMESTAMP", "TIMESTAMP_NTZ"),
    "ansi": Dialect('"', False, "TIMESTAMP WITH TIME ZONE", "TIMESTAMP"),
}
