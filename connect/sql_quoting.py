"""The one place that quotes names and texts for DuckDB."""

from __future__ import annotations


def ident(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """`value` as a SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def column(name: str, of: str = "") -> str:
    """A quoted column, or the field of a struct or alias `of` when that is given."""
    return f"{of}.{ident(name)}" if of else ident(name)
