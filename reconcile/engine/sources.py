"""What a user names as one side, turned into a DuckDB view: files, folders, globs, Iceberg snapshots, frames."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatch
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from connect.parquet import parquet_rows
from contract.errors import UsageError
from reconcile.engine.quoting import ident, text
from reconcile.engine.sides import PLACE, Relation, describe, first_line, readable

if TYPE_CHECKING:
    from connect.lake import Lake

_PARQUET, _CSV = "parquet", "csv"
_ENDINGS = {
    ".parquet": _PARQUET, ".pq": _PARQUET, ".parq": _PARQUET,
    ".csv": _CSV, ".tsv": _CSV, ".csv.gz": _CSV, ".tsv.gz": _CSV, ".csv.zst": _CSV,
}  # fmt: skip
_WHERE_ROWS_LIE = ("file_index", "file_row_number")  # columns that DuckDB has beside those of the files
_IDENTIFIER = re.compile(r"(?P<table>\w+(?:\.\w+)+)(?:@(?P<snapshot>[\w.\-]+))?")
_DELIMITERS = ",;\t|"
_GLOB = re.compile(r"[*?\[]")
_FORMS = "name a Parquet or CSV file, a folder or glob of them, or an Iceberg table as namespace.table@snapshot"


def open_side(con: duckdb.DuckDBPyConnection, source: Any, view: str, lake: Callable[[], Lake]) -> Relation:
    """Make `source` the view `view` of `con`; `lake` is asked for only when it names an Iceberg table.

    `source` is a path, a glob, `namespace.table` or `namespace.table@snapshot` (an id, tag or branch), a pyarrow Table,
    or a frame that Arrow can take over (pandas, polars, Spark, a DuckDB relation). Raises UsageError and SetupError for
    what cannot be read.
    """
    if not isinstance(source, (str, Path)):
        table = as_arrow(source)
        if not table.column_names:
            raise UsageError(f"a {type(source).__name__} without columns is given", next_step="give both sides columns")
        con.register(view, table)
        return describe(con, view)
    files = files_of(str(source))
    if files is None:
        return _open_iceberg(con, str(source), view, lake)
    with readable(str(source), files):
        return _open_files(con, files, view)


def as_arrow(source: Any) -> pa.Table:
    """A table or frame as a pyarrow Table; a pandas index is not a column."""
    try:
        if isinstance(source, pa.Table):
            return source
        if type(source).__module__.partition(".")[0] == "pandas":
            return pa.Table.from_pandas(source, preserve_index=False)
        if type(source).__module__.partition(".")[0] == "polars" and hasattr(source, "collect"):
            return pa.table(source.collect())  # a LazyFrame
        if hasattr(source, "toArrow"):  # Spark's: it brings all rows to this process
            return source.toArrow()
        return pa.table(source)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UsageError(
            f"{type(source).__name__} cannot be compared: {first_line(error)}",
            next_step="give a path, a pyarrow Table, a pandas, polars or Spark frame whose columns each have one type",
        ) from error


def files_of(source: str) -> list[str] | None:
    """The files that a path, folder or glob means, in order; None when it is the name of an Iceberg table."""
    path = Path(source).expanduser()
    if path.is_file():
        return [str(path)]
    if path.is_dir():
        return _files_in(path)
    if _GLOB.search(source):
        start = Path(path.anchor or ".")
        found = sorted(str(file) for file in start.glob(str(path.relative_to(path.anchor))) if file.is_file())
        if not found:
            raise UsageError(f"{source!r} matches no file", next_step="check the folder and quote the pattern")
        return _one_kind(found, source)
    if _IDENTIFIER.fullmatch(source) and not any(source.lower().endswith(ending) for ending in _ENDINGS):
        return None
    raise UsageError(f"{source!r} does not exist", next_step=_FORMS)


def takes_in(source: str, file: Path) -> bool:
    """Whether the path, folder or glob `source` means `file`, or would if it were there."""
    whole, target = Path(source).expanduser().resolve(), file.resolve()
    below = whole in target.parents and target.name.lower().endswith(tuple(_ENDINGS))
    return target == whole or below or fnmatch(str(target), str(whole))


def kind_of(file: str) -> str:
    """'parquet' or 'csv', by the ending, else by the first bytes. Raises UsageError for neither."""
    for ending, kind in _ENDINGS.items():
        if file.lower().endswith(ending):
            return kind
    with Path(file).open("rb") as opened:
        if opened.read(4) == b"PAR1":
            return _PARQUET
    raise UsageError(f"{file!r} is neither Parquet nor CSV by its ending", next_step=_FORMS)


def _files_in(folder: Path) -> list[str]:
    for format_name, mark in (("Iceberg", "metadata/*.metadata.json"), ("Delta", "_delta_log")):
        if any(folder.glob(mark)):
            raise UsageError(
                f"{str(folder)!r} is the folder of an {format_name} table: its files mix the rows of many snapshots",
                next_step="name an Iceberg table as namespace.table@snapshot, or export one snapshot to Parquet",
            )
    files = sorted(
        str(file)
        for file in folder.rglob("*")
        if file.is_file() and any(file.name.lower().endswith(ending) for ending in _ENDINGS)
    )
    if not files:
        raise UsageError(f"folder {str(folder)!r} holds no Parquet or CSV file", next_step=_FORMS)
    return _one_kind(files, str(folder))


def _one_kind(files: list[str], source: str) -> list[str]:
    if len({kind_of(file) for file in files}) > 1:
        raise UsageError(f"{source!r} mixes Parquet and CSV", next_step="name one kind with a glob: 'folder/*.parquet'")
    return files


def _open_files(con: duckdb.DuckDBPyConnection, files: list[str], view: str) -> Relation:
    if kind_of(files[0]) == _PARQUET:
        return _open_parquet(con, files, view)
    con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS {_csv(con, files)}")
    return replace(describe(con, view), untyped=not con.sql(f"FROM {ident(view)} LIMIT 1").fetchall())


def typed_like(con: duckdb.DuckDBPyConnection, side: Relation, other: Relation, names: Mapping[str, str]) -> Relation:
    """The side; where no value told its types, with those of `other`, whose column `a` is `names[a]` in the side."""
    if not side.untyped:
        return side
    kinds = {**side.columns, **{names.get(name, name): kind for name, kind in other.columns.items()}}
    columns = ", ".join(f"NULL::{kinds[name]} AS {ident(name)}" for name in side.columns)
    con.execute(f"CREATE OR REPLACE VIEW {side.sql} AS SELECT {columns} WHERE false")
    return describe(con, side.name)


def _open_parquet(con: duckdb.DuckDBPyConnection, files: list[str], view: str) -> Relation:
    """Columns are matched by name: a file that lacks one gives NULL, and none is dropped without a word.

    A column of the files that has the name of one that says where rows lie hides it: such files go without places.
    """
    rows = f"FROM {parquet_rows(files, *(['union_by_name = true'] if len(files) > 1 else []))}"
    places = ", ".join(f"{there} AS {name}" for there, name in zip(_WHERE_ROWS_LIE, PLACE, strict=True))
    con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS SELECT *, {places} {rows}")
    side = describe(con, view, tuple(files))
    if {name.lower() for name in side.columns} & {*_WHERE_ROWS_LIE}:
        con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS {rows}")
        side = describe(con, view, tuple(files))
    return side


def _csv(con: duckdb.DuckDBPyConnection, files: list[str]) -> str:
    """Types are sniffed once, from all rows, then fixed: a value in the last row can change a column's type."""
    listed = ", ".join(map(text, files))
    whole = con.sql(f"FROM read_csv([{listed}], sample_size = -1, union_by_name = true)")
    if any(delimiter in name for name in whole.columns for delimiter in _DELIMITERS):
        for file in files:
            _check_parsed(con, file)
    types = ", ".join(f"{text(name)}: {text(str(kind))}" for name, kind in zip(whole.columns, whole.types, strict=True))
    return f"FROM read_csv([{listed}], union_by_name = true, types = {{{types}}})"


def _check_parsed(con: duckdb.DuckDBPyConnection, file: str) -> None:
    """Of a file that it cannot parse DuckDB makes one column of whole lines: let it say which line is to blame."""
    if len(con.sql(f"FROM read_csv({text(file)}, sample_size = -1)").columns) > 1 or not file.endswith("sv"):
        return
    with Path(file).open(encoding="utf-8", errors="replace") as opened:
        header = opened.readline()
    delimiter, fields = max(((d, len(next(csv.reader([header], delimiter=d)))) for d in _DELIMITERS), key=itemgetter(1))
    if fields > 1:
        columns = ", ".join(f"'{position}': 'VARCHAR'" for position in range(fields))
        form = f"auto_detect = false, header = true, delim = {text(delimiter)}, columns = {{{columns}}}"
        con.sql(f"FROM read_csv({text(file)}, {form})").fetchall()


def _open_iceberg(con: duckdb.DuckDBPyConnection, source: str, view: str, lake: Callable[[], Lake]) -> Relation:
    from connect.pinned import scan

    table, snapshot = named_snapshot(source, lake)
    scan(con, lake(), table, snapshot, view=view)
    return describe(con, view)


def named_snapshot(source: str, lake: Callable[[], Lake]) -> tuple[str, int | None]:
    """Table and snapshot id that `namespace.table@snapshot` names; the id None is the current one.

    Raises UsageError where not even the namespace is known: a file's name was meant then.
    """
    match = _IDENTIFIER.fullmatch(source)
    assert match is not None  # files_of said so
    table = match["table"]
    if not lake().exists(table) and _namespace(table) not in map(_namespace, lake().tables()):
        raise UsageError(f"{source!r} is neither a file here nor a table of the lake", next_step=_FORMS)
    return table, _snapshot_id(lake(), table, match["snapshot"])


def _namespace(table: str) -> str:
    return table.rpartition(".")[0]


def _snapshot_id(lake: Lake, table: str, named: str | None) -> int | None:
    """The id that a user names: itself, a tag or a branch; None for the current snapshot."""
    if named is None or named.isdecimal():
        return None if named is None else int(named)
    refs = lake.load(table).metadata.refs
    if named not in refs:
        raise UsageError(
            f"{named!r} is no snapshot, tag or branch of {table}",
            where=table,
            next_step=f"use a snapshot id or one of {', '.join(sorted(refs)) or 'no names'}",
        )
    return int(refs[named].snapshot_id)
