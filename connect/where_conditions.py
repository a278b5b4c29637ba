"""A source's `where` in DuckDB's SQL, where that means the same: Spark's word decides what enters the join.

Taken are comparisons of text, whole numbers and booleans of an event in JSON with literals, joined by AND, OR and NOT.
What else there may be is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from plumbline.connect.json_fields import TEXT_OF_VALUE, field_text, readable

if TYPE_CHECKING:
    from plumbline.contract.model import Source

_KINDS = {"string": "VARCHAR", "int": "INTEGER", "long": "BIGINT", "boolean": "BOOLEAN"}
_LITERALS = {"VARCHAR": r"'[^'\\]*'", "INTEGER": r"-?\d{1,9}", "BIGINT": r"-?\d{1,18}", "BOOLEAN": r"true|false"}
_BETWEEN = re.compile(r"\s*(\(|\)|\b(?:AND|OR|NOT)\b)", re.IGNORECASE)


def condition(source: Source) -> str | None:
    """`where` as DuckDB's SQL over the column `value` of the archive; None where nobody here can say."""
    if source.where is None:
        return "true"
    if not readable(source):
        return None
    known = {f: k for f, k in source.fields.items() if f not in source.aliases}
    return translated(source.where, {f: (k, field_text(source, f, TEXT_OF_VALUE)) for f, k in known.items()})


def translated(where: str, fields: Mapping[str, tuple[str, str]]) -> str | None:
    """A condition of Spark's as DuckDB's SQL; None where nobody here can say.

    `fields`: how it names a field, to the field's type in the contract and DuckDB's SQL of the value.
    """
    sql, rest = "", where.strip()
    while rest:
        between = _BETWEEN.match(rest)
        if between is not None:
            sql, rest = f"{sql} {between[1]}", rest[between.end() :].lstrip()
            continue
        atom = next(filter(None, (_atom(name, *field, rest) for name, field in fields.items())), None)
        if atom is None:
            return None
        sql, rest = f"{sql} {atom[0]}", atom[1].lstrip()
    return f"({sql.strip()})"


def _atom(name: str, type_: str, value: str, rest: str) -> tuple[str, str] | None:
    """The comparison of one field that `rest` begins with, in DuckDB's SQL, and what follows it."""
    kind = _KINDS.get(type_)
    if kind is None:
        return None
    literal = rf"(?:{_LITERALS[kind]})"
    order = "" if kind in ("VARCHAR", "BOOLEAN") else "|<=|>=|<|>"
    form = (
        rf"`?{re.escape(name)}`?(?P<test>\s*(?:=|<>|!={order})\s*{literal}"
        rf"|\s+(?:NOT\s+)?IN\s*\(\s*{literal}(?:\s*,\s*{literal})*\s*\)|\s+IS\s+(?:NOT\s+)?NULL)(?=\s|\)|$)"
    )
    found = re.match(form, rest, re.IGNORECASE)
    if found is None or not rest.lstrip("`").startswith(name):
        return None
    return f"TRY_CAST({value} AS {kind}){found['test']}", rest[found.end() :]
