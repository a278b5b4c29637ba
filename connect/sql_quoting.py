"""The one place that quotes names, texts and paths for SQL: DuckDB's, and names for Spark's."""

from __future__ import annotations

import re


def ident(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """`value` as a SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def column(name: str, of: str = "") -> str:
    """A quoted column, or the field of a struct or alias `of` when that is given."""
    return f"{of}.{ident(name)}" if of else ident(name)


def backticked(name: str) -> str:
    """`name` as an identifier of Spark SQL."""
    return "`" + name.replace("`", "``") + "`"


def literal_path(path: object) -> str:
    """The path as DuckDB's readers must be given it: they take every path for a glob."""
    escaped = re.sub(r"[*?\[]", lambda special: f"[{special[0]}]", str(path))
    return f"./{escaped}" if escaped.startswith("~") else escaped  # else the home folder
