"""CSV files as one side. The form of each file is fixed before its rows are read, the types by all rows of all files.

Left alone, DuckDB takes the form that fits most of a file and skips what comes before: of a file with one wide line at
its end nothing else is left. Its types round numbers, and decide day and month of `01/02/2024` by the other rows.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa

from plumbline.connect.sql_quoting import ident, literal_path, text
from plumbline.contract.errors import SetupError, UsageError
from plumbline.reconcile.diff.engine.canonical import MAX_DECIMAL
from plumbline.reconcile.diff.engine.case_names import folded, of_files
from plumbline.reconcile.diff.engine.folder_keys import FolderKey, key_columns, lacking_keys
from plumbline.reconcile.diff.engine.number_text import is_double, of_plain
from plumbline.reconcile.diff.engine.paths import Files
from plumbline.reconcile.diff.engine.side_view import SideView, describe

_DELIMITERS = ",;\t|"
_QUOTE = '"'
_HEADER_BYTES = 1 << 20
_WHOLE = ("BIGINT", "HUGEINT", "BIGNUM")
_DAY = r"\d{4}-\d{1,2}-\d{1,2}"
_FORMS = {
    "DATE": rf"\s*{_DAY}\s*",
    "TIMESTAMP": rf"\s*{_DAY}([ T]\d{{1,2}}:\d\d(:\d\d(\.\d+)?)?)?\s*",
    "TIMESTAMP WITH TIME ZONE": rf"\s*{_DAY}[ T]\d{{1,2}}:\d\d(:\d\d(\.\d+)?)?.*",
    "BOOLEAN": r"(?i)\s*(true|false|t|f)\s*",
    **dict.fromkeys(_WHOLE, r"\s*[-+]?[0-9]+\s*"),
}
"""The spellings that are of a type; a column with any other one stays text. A day is written year first, the only
spelling that is the same everywhere. DuckDB also takes `yes` for a truth value and `0x1F` for a number: names, maybe.
"""


@dataclass(frozen=True)
class Form:
    """How a file is written: its delimiter, its escape inside quotes, whether it has a header, and its columns."""

    delimiter: str
    escape: str
    header: bool
    names: tuple[str, ...]

    def rows(self, paths: Sequence[str]) -> str:
        """SQL of the rows of files of this form, every value as the text that it is."""
        listed = ", ".join(text(literal_path(path)) for path in paths)
        columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in self.names)
        return (
            f"read_csv([{listed}], auto_detect = false, header = {self.header}, delim = {text(self.delimiter)}, "
            f"quote = {text(_QUOTE)}, escape = {text(self.escape)}, columns = {{{columns}}}, "
            "hive_partitioning = false, allow_quoted_nulls = false)"
        )


def open_csv(con: duckdb.DuckDBPyConnection, files: Files, view: str) -> SideView:
    """The files as the view `view`. Raises what DuckDB says of a line that does not fit its file's header."""
    found = [_sniffed(con, path) for path in files.paths]
    named, clashes = of_files([form.names for form, _ in found])
    found = [_renamed(form, types, names) for (form, types), names in zip(found, named, strict=True)]
    keys = lacking_keys(files, [form.names for form, _ in found])
    texts = ident(f"{view} as text")
    con.execute(f"CREATE OR REPLACE VIEW {texts} AS {_texts(files, [form for form, _ in found], keys)}")
    names = dict.fromkeys(name for form, _ in found for name in form.names)
    chosen = _types(con, texts, {name: _candidate(con, name, files.paths, found) for name in names})
    columns = [*(f"{sql} AS {ident(name)}" for name, (sql, _) in chosen.items()), *map(ident, keys)]
    con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS SELECT {', '.join(columns)} FROM {texts}")
    [(some,)] = con.execute(f"SELECT count(*) FROM (FROM {texts} LIMIT 1)").fetchall()
    digits = frozenset(name for name, (_, kind) in chosen.items() if kind == "digits")
    return replace(describe(con, view), untyped=not some, digits=digits, clashes=clashes)


def _renamed(form: Form, types: Mapping[str, str], names: Sequence[str]) -> tuple[Form, dict[str, str]]:
    return replace(form, names=tuple(names)), dict(zip(names, types.values(), strict=True))


def _texts(files: Files, forms: Sequence[Form], keys: Mapping[str, FolderKey]) -> str:
    """SQL of all rows as text, columns matched by name."""
    by_form: dict[Form, list[int]] = defaultdict(list)
    for place, form in enumerate(forms):
        by_form[form].append(place)
    return " UNION ALL BY NAME ".join(
        f"SELECT *{key_columns(keys, places, form.names)} FROM {form.rows([files.paths[n] for n in places])}"
        for form, places in by_form.items()
    )


def _sniffed(con: duckdb.DuckDBPyConnection, path: str) -> tuple[Form, dict[str, str]]:
    """The form of a file, and the types that DuckDB takes from all of its rows."""
    header, delimiter = _header(path)
    if not header:
        raise UsageError(
            f"{path!r} is empty: it has not even a header", next_step="leave it out, or write it with its header"
        )
    sniff = f"{text(literal_path(path))}, delim = {text(delimiter)}, quote = {text(_QUOTE)}, skip = 0, comment = ''"
    try:
        [(escape, has_header, columns)] = con.execute(
            f'SELECT "Escape", "HasHeader", "Columns" FROM sniff_csv({sniff}, null_padding = false, sample_size = -1)'
        ).fetchall()
    except duckdb.Error as error:
        names = tuple(f"column{n}" for n in range(len(header) or 1))
        try:
            con.execute(f"SELECT count(*) FROM {Form(delimiter, _QUOTE, True, names).rows([path])}").fetchall()
        except duckdb.Error as told:
            raise _of_mixed_ends(path, told) from error
        raise
    names = tuple(column["name"] for column in columns)
    if has_header and len(header) == len(names):
        spelled = tuple(map(_spelled, names, header))
        names = spelled if len(set(spelled)) == len(spelled) else names
    form = Form(delimiter, _QUOTE if escape == "(empty)" else escape, has_header, names)
    return form, {name: column["type"] for name, column in zip(names, columns, strict=True)}


def _of_mixed_ends(path: str, error: duckdb.Error) -> Exception:
    """The error, told where DuckDB names a state of its own only."""
    if "state machine" not in str(error):
        return error
    return SetupError(
        f"the lines of {path!r} do not all end alike (LF, CR LF, CR)", next_step="write it with one end of line"
    )


def _spelled(name: str, header: str) -> str:
    """The name as the header has it, where DuckDB gave another one to what differs in case only: V_1 for V."""
    return header.strip() if folded(name).startswith(f"{folded(header.strip())}_") and header.strip() else name


def _header(path: str) -> tuple[list[str], str]:
    """The fields of the first line, and the delimiter that makes the most of it."""
    with pa.input_stream(path, compression="detect") as stream:
        begin = stream.read(_HEADER_BYTES)
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError(f"{path!r} is UTF-16", next_step="write it as UTF-8")
    rows = begin.decode("utf-8-sig", "replace")
    lines = [_first_line(rows, delimiter) for delimiter in _DELIMITERS]
    return max(zip(lines, _DELIMITERS, strict=True), key=lambda found: len(found[0]))


def _first_line(rows: str, delimiter: str) -> list[str]:
    try:
        return next(filter(None, csv.reader(io.StringIO(rows, newline=""), delimiter=delimiter)), [])
    except csv.Error:  # a field longer than Python takes, of a line that another delimiter divides
        return [rows]


def _candidate(
    con: duckdb.DuckDBPyConnection, name: str, paths: Sequence[str], found: Sequence[tuple[Form, Mapping[str, str]]]
) -> str:
    """The type of a column by those of the files; a file without any value in it has no say."""
    told = [(types[name], path, form) for path, (form, types) in zip(paths, found, strict=True) if name in types]
    kinds = {kind for kind, _, _ in told}
    if len(kinds) > 1 and "VARCHAR" in kinds:
        kinds = {kind for kind, path, form in told if kind != "VARCHAR" or _has_value(con, name, path, form)}
    if len(kinds) > 1 and kinds <= {*_WHOLE, "DOUBLE"}:
        return "DOUBLE" if "DOUBLE" in kinds else max(kinds, key=_WHOLE.index)
    return kinds.pop() if len(kinds) == 1 else "VARCHAR"


def _has_value(con: duckdb.DuckDBPyConnection, name: str, path: str, form: Form) -> bool:
    rows = f"SELECT 1 FROM {form.rows([path])} WHERE nullif({ident(name)}, '') IS NOT NULL LIMIT 1"
    return bool(con.execute(rows).fetchall())


def _types(con: duckdb.DuckDBPyConnection, texts: str, candidates: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Column to the SQL of its values, and their type: `digits` for text of digits.

    One more look at all rows, for what DuckDB's candidates do not tell.
    """
    values = {name: _value(name, kind) for name, kind in candidates.items()}
    looks = {name: _look(values[name], kind) for name, kind in candidates.items()}
    [row] = con.execute(f"SELECT {', '.join(looks.values())} FROM {texts}").fetchall()
    return {name: _chosen(name, candidates[name], seen) for (name, _), seen in zip(looks.items(), row, strict=True)}


def _value(name: str, kind: str) -> str:
    """SQL of a column's text. A quoted `""` is the empty text, of which a number or time has none."""
    return ident(name) if kind == "VARCHAR" else f"nullif({ident(name)}, '')"


def _look(column: str, kind: str) -> str:
    """SQL of what must be known of a column beside its candidate; a struct for numbers with a point."""
    if kind == "DOUBLE":
        plain = f"regexp_full_match({column}, '\\s*[-+]?[0-9]*\\.?[0-9]*\\s*')"
        part = f"length(split_part(trim({column}), '.', 2))"
        whole = f"length(ltrim(split_part(ltrim(trim({column}), '+-'), '.', 1), '0'))"
        return f"(bool_and({is_double(column)}), bool_and({plain}), max({whole}), max({part}))"
    if kind in _FORMS:
        return f"bool_and(regexp_full_match({column}, {text(_FORMS[kind])}))"
    return f"count({column})"


def _chosen(name: str, kind: str, seen: Any) -> tuple[str, str]:
    column = _value(name, kind)
    if kind == "DOUBLE":
        exact, plain, whole, part = seen
        if exact:
            return f"{column}::DOUBLE", kind
        if not plain:
            return ident(name), "VARCHAR"
        width, scale = max(1, whole + part), part
        if width <= MAX_DECIMAL:
            return f"{column}::DECIMAL({width},{scale})", "DECIMAL"
        return of_plain(column), "digits"
    if kind in _FORMS and not seen:
        return ident(name), "VARCHAR"
    if kind == "VARCHAR":
        return (column if seen else "NULL"), kind
    return f"{column}::{kind}", kind
