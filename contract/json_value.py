"""How a record's value is read as JSON: Spark SQL from the contract's fields. Pure.

The fields stand in the document itself, or in objects within it (`Document`); docs/quarantine.md tells each rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.contract.fields import is_decimal, spark_type
from plumbline.contract.lineage import CORRUPT, ONLY, PARSED, RECORDS, TEXT, VALUE

if TYPE_CHECKING:
    from plumbline.contract.model import Source

PARSE_OPTIONS = {
    "columnNameOfCorruptRecord": CORRUPT,
    "allowSingleQuotes": "false",
    "enableDateTimeParsingFallback": "false",
}
"""Options of from_json."""

_BOMB = "[eE][+-]?[0-9]{5,}"
"""A number with such an exponent is millions of digits long as a decimal, and hours of work."""


@dataclass(frozen=True)
class Document:
    """Where a document has a source's fields: the paths of the objects that hold them, `()` for itself; of several the
    first that is there. `typed` is the document's type in Spark SQL around the type of such an object, `around` a
    document around such an object."""

    places: tuple[tuple[str, ...], ...]
    typed: Callable[[str], str]
    around: Callable[[Mapping[str, Any]], Mapping[str, Any]]

    def fields(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """The object with the fields; empty where there is none."""
        for place in self.places:
            found: Any = value
            for name in place:
                found = found.get(name) if isinstance(found, Mapping) else None
            if isinstance(found, Mapping):
                return found
        return {}


PLAIN = Document(places=((),), typed=lambda fields: fields, around=lambda fields: fields)

UNREADABLE = (
    ("not_utf8", f"{TEXT} IS NULL AND NOT is_valid_utf8(CAST({VALUE} AS STRING))"),
    ("huge_number", f"{TEXT} IS NULL"),
)
"""`(reason, SQL)` of what from_json is not given, after tombstones and values too long."""


def text_sql(source: Source, document: Document = PLAIN) -> str:
    """The value in an array, NULL for what from_json must not see: too long, no UTF-8, a bomb.

    from_json reads one value and ignores what comes after it. Inside an array, trailing garbage breaks the syntax and
    a second document is a second element.
    """
    text = f"CAST({VALUE} AS STRING)"
    wrapped = f"concat('{{\"{RECORDS}\":[', {text}, ']}}')"
    bomb = _bomb(source, document, text, wrapped)
    readable = f"octet_length({VALUE}) <= {source.max_bytes} AND is_valid_utf8({text})"
    return f"CASE WHEN {readable}{f' AND NOT ({bomb})' if bomb else ''} THEN {wrapped} END"


def parsed_sql(source: Source, document: Document = PLAIN) -> str:
    """What from_json makes of it: `struct<records: array<document>, _corrupt: string>`; each field stands under its
    name and its earlier names, `_corrupt` says that something did not fit."""
    fields = ", ".join(f"`{name}`: {spark_type(source.fields[f])}" for f in source.fields for name in source.names(f))
    schema = f"`{RECORDS}` ARRAY<{document.typed(f'STRUCT<{fields}>')}>, `{CORRUPT}` STRING"
    options = ", ".join(f"'{option}', '{value}'" for option, value in PARSE_OPTIONS.items())
    return f"from_json({TEXT}, '{schema}', map({options}))"


def rules(source: Source) -> list[tuple[str, str]]:
    """`(reason, SQL)` of what is not one JSON object, after tombstones and values too long."""
    return [*UNREADABLE, ("not_json", f"{ONLY} IS NULL OR size({PARSED}.{RECORDS}) > 1")]


def last_rules(source: Source) -> list[tuple[str, str]]:
    """JSON has no infinity: Spark reads 1e999 as one."""
    numbers = [name for name, kind in source.fields.items() if kind in ("float", "double")]
    infinite = " OR ".join(f"abs(`{name}`) = double('Infinity')" for name in numbers)
    return [("huge_number", infinite or "false")]


def holds_sql(name: str, document: Document = PLAIN) -> str:
    """Whether there is anything under a field's name."""
    paths = (".".join((f"$.{RECORDS}[0]", *place, name)) for place in document.places)
    return " OR ".join(f"get_json_object({TEXT}, '{path}') IS NOT NULL" for path in paths)


def _bomb(source: Source, document: Document, text: str, wrapped: str) -> str:
    """SQL that says whether reading the decimals of `text` would take for ever; empty for a source without decimals.

    A number is one by its exponent wherever it stands in the document; text is one only in a decimal's field, where
    from_json would read it as a number. Escapes may hide an exponent, so texts with some are looked into.
    """
    names = [name for field, kind in source.fields.items() if is_decimal(kind) for name in source.names(field)]
    if not names:
        return ""
    fields = f"STRUCT<{', '.join(f'`{name}`: STRING' for name in names)}>"
    read = f"from_json({wrapped}, '{RECORDS} ARRAY<{document.typed(fields)}>', map('allowSingleQuotes', 'false'))"
    texts = ", ".join(f"{'.'.join(('r', *place))}.`{name}`" for place in document.places for name in names)
    spelled = f"exists({read}.{RECORDS}, r -> concat_ws(' ', {texts}) RLIKE '{_BOMB}')"
    number = f"{text} RLIKE '[:,\\\\[][ \\\\t\\\\r\\\\n]*-?[0-9.]+{_BOMB}'"
    return f"{text} RLIKE '{_BOMB}|u00[2-7]' AND ({number} OR coalesce({spelled}, false))"
