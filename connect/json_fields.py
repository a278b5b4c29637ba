"""A field of an archived record's value in DuckDB's SQL, for encodings that are JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract import formats

if TYPE_CHECKING:
    from plumbline.contract.model import Source


CERTAIN = {
    "string": ("VARCHAR",),
    "boolean": ("BOOLEAN",),
    "int": ("UBIGINT", "BIGINT"),
    "long": ("UBIGINT", "BIGINT"),
    "float": ("UBIGINT", "BIGINT", "DOUBLE"),
    "double": ("UBIGINT", "BIGINT", "DOUBLE"),
}
"""Kind of a field to the JSON types (`field_kind`) of which DuckDB reads what Spark reads."""

TEXT_OF_VALUE = "TRY(decode(value))"
"""SQL of the text that an archive's column `value` holds; NULL where that is not text."""


def readable(source: Source) -> bool:
    """Whether DuckDB can look into the source's values."""
    return formats.of(source).document is not None


def field_text(source: Source, field: str, value: str) -> str:
    """SQL of a field as text, from the value's text; NULL where that is not JSON, or does not have the field."""
    return _first(source, field, lambda path: f"TRY(json_extract_string({value}, {path}))")


def field_kind(source: Source, field: str, value: str) -> str:
    """SQL of the name of its JSON type, likewise; `NULL` of a field that is null."""
    return _first(source, field, lambda path: f"TRY(json_type({value}, {path}))")


def _first(source: Source, field: str, read: Callable[[str], str]) -> str:
    document = formats.of(source).document
    places = document.places if document is not None else ()
    found = [read(text(".".join(("$", *map(ident, (*place, field)))))) for place in places]
    return found[0] if len(found) == 1 else f"coalesce({', '.join(['NULL::VARCHAR', *found])})"
