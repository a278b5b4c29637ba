"""Parquet files as one side. Files whose numbers have several types are never brought to one that rounds them.

Left alone, DuckDB takes a bigint beside a double for a double, an int beside a float for a float, of two decimals the
smaller scale, and a decimal of more than 38 digits for a double. Arrow's durations are bare integers to it, whatever
their unit, which only the schema of Arrow beside that of Parquet tells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.connect.parquet import believed, misleads, parquet_rows, unfiltered
from plumbline.connect.sql_quoting import ident
from plumbline.contract.errors import SetupError, UsageError
from plumbline.reconcile.diff.engine.canonical import MAX_DECIMAL, Form, by_value, cast, same
from plumbline.reconcile.diff.engine.case_names import clashing_fields, of_files
from plumbline.reconcile.diff.engine.durations import in_intervals, is_timed
from plumbline.reconcile.diff.engine.folder_keys import FILE_INDEX, key_columns, lacking_keys
from plumbline.reconcile.diff.engine.julian_calendar import refuse_julian
from plumbline.reconcile.diff.engine.mixed_types import Mixed, mixed, unwrapped
from plumbline.reconcile.diff.engine.number_text import of_plain
from plumbline.reconcile.diff.engine.paths import Files
from plumbline.reconcile.diff.engine.side_view import PLACE, SideView, describe

_WHERE_ROWS_LIE = (FILE_INDEX, "file_row_number")  # columns that DuckDB has beside those of the files
DIGITS = "digits"
_INTERVAL = "interval"
_EXACT_IN_DOUBLE = 15
"""Decimals of so many digits stay distinct as doubles, and each double says the digits of its decimal again."""


def open_parquet(con: duckdb.DuckDBPyConnection, files: Files, view: str) -> SideView:
    """Columns are matched by name: a file that lacks one gives NULL, and none is dropped without a word.

    A column of the files that has the name of one that says where rows lie hides it: such files go without places, and
    so do files of several number types.
    """
    notes = [notes_of(path) for path in files.paths]
    schemas = [each.schema.to_arrow_schema() for each in notes]
    for path, schema in zip(files.paths, schemas, strict=True):
        refuse_julian(path, schema)
    named, clashes = of_files([schema.names for schema in schemas])
    schemas = [_renamed(schema, names) for schema, names in zip(schemas, named, strict=True)]
    forms = _forms(files, schemas)
    keys = lacking_keys(files, [schema.names for schema in schemas])
    copied = frozenset(n for n, path in enumerate(files.paths) if clashes or misleads(path, notes[n]))
    if forms or copied:
        groups = _groups(con, files, schemas, notes, forms, view, copied)
        parts = (f"SELECT {columns}{key_columns(keys, places, [])} FROM {sql}" for columns, sql, places in groups)
        con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS {' UNION ALL BY NAME '.join(parts)}")
        digits = frozenset(name for name, form in forms.items() if form == DIGITS)
        return replace(describe(con, view, files.paths), digits=digits, clashes=clashes)
    union = ["union_by_name = true"] if len(files.paths) > 1 else []
    own = {name.lower() for schema in schemas for name in schema.names}
    folders = key_columns(keys, range(len(files.paths)), own)
    hidden = own & {*_WHERE_ROWS_LIE}
    places = "" if hidden else "".join(f", {own} AS {ours}" for own, ours in zip(_WHERE_ROWS_LIE, PLACE, strict=True))
    doubtful = _listed({name: unfiltered(ident(name)) for name in _doubtful(schemas, notes)})
    rows = f"SELECT *{doubtful}{folders}{places} FROM {parquet_rows(files.paths, *union)}"
    con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS {rows}")
    return describe(con, view, files.paths)


def notes_of(path: str) -> pq.FileMetaData:
    """What a file says of itself. Raises SetupError when it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return pq.read_metadata(file)
    except pa.ArrowException as error:
        raise SetupError(
            f"{path!r} cannot be read: {str(error).splitlines()[0]}",
            where=path,
            next_step="check that it exists, is complete and stays there",
        ) from error


def _renamed(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])


def _forms(files: Files, schemas: Sequence[pa.Schema]) -> dict[str, str | Mixed]:
    """Column to the form in which its values meet exactly, where DuckDB would choose another: a type of DuckDB, DIGITS,
    _INTERVAL for what holds durations, or a field for each kind of value."""
    kinds: dict[str, dict[pa.DataType, list[str]]] = {}
    for path, schema in zip(files.paths, schemas, strict=True):
        for field in schema:
            kinds.setdefault(field.name, {}).setdefault(unwrapped(field.type), []).append(path)
    found = ((name, _form(name, of)) for name, of in kinds.items())
    return {name: form for name, form in found if form is not None}


def _form(name: str, found: dict[pa.DataType, list[str]]) -> str | Mixed | None:
    if any(map(is_timed, found)):
        _check_timed(name, found)
        return _INTERVAL
    numbers = [kind for kind in found if _is_number(kind)]
    _check_nested(name, {kind: paths for kind, paths in found.items() if kind not in numbers})
    number = _common(numbers) if numbers else None
    return mixed(name, found, number) or number


def _common(kinds: Sequence[pa.DataType]) -> str | None:
    wide = any(pa.types.is_decimal256(kind) and kind.precision > MAX_DECIMAL for kind in kinds)
    if len(kinds) == 1 and not wide:
        return None
    floats = [kind for kind in kinds if pa.types.is_floating(kind)]
    if len(floats) == len(kinds):
        return None
    if wide:
        return DIGITS
    whole, scale = (max(map(measure, set(kinds) - set(floats))) for measure in (_whole, _scale))
    if floats:
        return "DOUBLE" if whole + scale <= _EXACT_IN_DOUBLE else DIGITS
    if whole + scale > MAX_DECIMAL:
        return DIGITS
    return f"DECIMAL({whole + scale},{scale})" if any(map(pa.types.is_decimal, kinds)) else None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _whole(kind: Any) -> int:
    """Digits before the point."""
    return kind.precision - kind.scale if pa.types.is_decimal(kind) else {8: 3, 16: 5, 32: 10, 64: 20}[kind.bit_width]


def _scale(kind: Any) -> int:
    return int(kind.scale) if pa.types.is_decimal(kind) else 0


def _check_timed(name: str, found: dict[pa.DataType, list[str]]) -> None:
    """Refuse a column that is a duration, or holds one, in some files and a bare number in others."""
    other = next((paths[0] for kind, paths in found.items() if not is_timed(kind) and not pa.types.is_null(kind)), None)
    if other is not None:
        timed = next(paths[0] for kind, paths in found.items() if is_timed(kind))
        raise UsageError(
            f"column {name!r} holds durations in one file and not in another",
            where=f"{timed}, {other}",
            next_step="write the column with one type, write the files without it, or compare them one by one",
        )


def _check_nested(name: str, found: dict[pa.DataType, list[str]]) -> None:
    """Refuse what lies in a list, map or struct and would be rounded: there no text can take its place. And fields that
    DuckDB would take for each other's."""
    if len(found) > 1 and any(map(clashing_fields, found)):
        raise UsageError(
            f"column {name!r} has fields whose names differ in case only, and not the same type in all files",
            where=", ".join([path for path, *_ in found.values()][:2]),
            next_step="rename them, write the files without the column, or compare them one by one",
        )
    leaves = {path: dict(_numbers_in(kind)) for kind, (path, *_) in found.items()}
    for path, one in leaves.items():
        if any(_common([kind]) for kind in one.values()):
            raise _refused(name, path, path)
    for (path, one), (other_path, other) in combinations(leaves.items(), 2):
        if any(_common([one[leaf], other[leaf]]) for leaf in one.keys() & other.keys() if one[leaf] != other[leaf]):
            raise _refused(name, path, other_path)


def _numbers_in(kind: Any, path: str = "") -> Iterator[tuple[str, pa.DataType]]:
    kind = unwrapped(kind)
    if _is_number(kind):
        yield path, kind
    elif pa.types.is_nested(kind):
        if pa.types.is_map(kind):
            parts = [("key", kind.key_type), ("item", kind.item_type)]
        else:
            named = pa.types.is_struct(kind)
            fields = [kind.field(n) for n in range(kind.num_fields)]
            parts = [(field.name if named else "", field.type) for field in fields]
        for name, part in parts:
            yield from _numbers_in(part, f"{path}.{name}")


def _refused(name: str, path: str, other: str) -> UsageError:
    return UsageError(
        f"column {name!r} holds numbers inside lists, maps or structs that have no common type without rounding",
        where=path if path == other else f"{path}, {other}",
        next_step="cast the column in the files, write them without it, or compare them one by one",
    )


def _groups(
    con: duckdb.DuckDBPyConnection,
    files: Files,
    schemas: Sequence[pa.Schema],
    notes: Sequence[pq.FileMetaData],
    forms: dict[str, str | Mixed],
    view: str,
    copied: Collection[int],
) -> Iterator[tuple[str, str, list[int]]]:
    """SQL of the columns and of the rows of the files that hold the columns of `forms` in one type each, and those
    files' numbers. Of those whose numbers are `copied` DuckDB reads nothing itself."""
    alike: dict[tuple[tuple[Any, ...], bool], list[int]] = {}
    for place, schema in enumerate(schemas):
        held = tuple(unwrapped(schema.field(name).type) if name in schema.names else None for name in forms)
        alike.setdefault((held, place in copied), []).append(place)
    for (held, to_copy), places in alike.items():
        paths = [files.paths[n] for n in places]
        kinds = {name: kind for name, kind in zip(forms, held, strict=True) if kind is not None}
        wide = [name for name, kind in kinds.items() if _is_number(kind) and _common([kind]) == DIGITS]
        if wide or to_copy:
            for n in places:
                rows = _copied(con, files.paths[n], schemas[n].names, wide, f"{view} {n} rows")
                done = {name for name, form in forms.items() if form == _INTERVAL or (name in wide and form == DIGITS)}
                yield _replaced(con, rows, {n: form for n, form in forms.items() if n not in done}, kinds), rows, [n]
            continue
        rows = parquet_rows(paths, *(["union_by_name = true"] if len(paths) > 1 else []))
        doubtful = _doubtful([schemas[n] for n in places], [notes[n] for n in places])
        yield _replaced(con, rows, forms, kinds, doubtful), rows, places


def _replaced(
    con: duckdb.DuckDBPyConnection,
    rows: str,
    forms: dict[str, str | Mixed],
    written: dict[str, pa.DataType],
    doubtful: Iterable[str] = (),
) -> str:
    """SQL of all columns of `rows`, those of `forms` in their common form. `written` has their types in the files.
    Nothing of a file is skipped for what it says of the `doubtful` ones."""
    found = con.sql(f"FROM {rows}")
    kinds = dict(zip(found.columns, found.types, strict=True))
    columns = {name: unfiltered(ident(name)) for name in doubtful if name in kinds}
    columns |= {
        name: _to(form, kinds[name], written[name])(columns.get(name, ident(name)))
        for name, form in forms.items()
        if name in kinds
    }
    return f"*{_listed(columns)}"


def _listed(columns: Mapping[str, str]) -> str:
    listed = ", ".join(f"{sql} AS {ident(name)}" for name, sql in columns.items())
    return f" REPLACE ({listed})" if listed else ""


def _doubtful(schemas: Iterable[pa.Schema], notes: Iterable[pq.FileMetaData]) -> list[str]:
    """The columns of which files may say what is wrong: all of a writer that is not known, else those that hold floats,
    also inside lists and structs.

    parquet-go 0.32.0 notes a minimum that is too large beside a NaN; and in a Bloom filter of half floats DuckDB 2.0.1
    looks for the four bytes of a float, where it holds the two of the file.
    """
    return list(
        dict.fromkeys(
            field.name
            for schema, each in zip(schemas, notes, strict=True)
            for field in schema
            if not believed(each) or any(pa.types.is_floating(kind) for _, kind in _numbers_in(field.type))
        )
    )


def _to(form: str | Mixed | None, kind: Any, written: pa.DataType) -> Form:
    """The form of values that DuckDB reads as `kind`, of a file that has them as `written`."""
    if isinstance(form, Mixed):
        return form.packed(written, _to(form.numbers if _is_number(written) else None, kind, written))
    if form == _INTERVAL:
        return in_intervals(written)
    return by_value(kind) if form == DIGITS else cast(form) if form else same


def _copied(con: duckdb.DuckDBPyConnection, path: str, names: Sequence[str], wide: Sequence[str], table: str) -> str:
    """SQL of the rows of a file, copied under these names of its columns, with the `wide` ones as text of their digits.

    Only Arrow reads decimals of more than 38 digits, and names that differ in case only; its readers can be read once.
    """
    with Path(path).open("rb") as file:
        opened = pq.ParquetFile(file)
        texts = pa.schema(
            [
                field.with_type(pa.string()) if field.name in wide else field
                for field in _renamed(opened.schema_arrow, names)
            ]
        )
        batches = (_as_text(batch, texts, wide) for batch in opened.iter_batches(8192))
        con.register("plumbline_reader", pa.RecordBatchReader.from_batches(texts, batches))
        try:
            con.execute(f"CREATE OR REPLACE TABLE {ident(table)} AS FROM plumbline_reader")
        finally:
            con.unregister("plumbline_reader")
    new = ", ".join(f"{of_plain(ident(name))} AS {ident(name)}" for name in wide)
    return f"(SELECT * REPLACE ({new}) FROM {ident(table)})" if wide else ident(table)


def _as_text(batch: pa.RecordBatch, texts: pa.Schema, wide: Sequence[str]) -> pa.RecordBatch:
    """Arrow's own cast writes small decimals with an exponent."""
    columns = [
        pa.array([None if value is None else format(value, "f") for value in column.to_pylist()], pa.string())
        if name in wide
        else column
        for name, column in zip(texts.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=texts)
