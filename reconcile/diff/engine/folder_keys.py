"""The columns that `key=value` folders hold, as Hive and Spark write them: one value for each file."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.errors import UsageError

if TYPE_CHECKING:
    from plumbline.reconcile.diff.engine.paths import Files

FILE_INDEX = "file_index"  # DuckDB's column beside those of the files: the number of a row's file
NULL = "__HIVE_DEFAULT_PARTITION__"
_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")


@dataclass(frozen=True)
class FolderKey:
    """The value of one key for each file, as the folders spell it (None: NULL), and the DuckDB type of all of them.

    A number with leading zeros is text: the folders `7` and `007` are two.
    """

    values: tuple[str | None, ...]

    @property
    def type(self) -> str:
        given = [value for value in self.values if value is not None]
        for name, fits in _TYPES.items():
            if given and all(map(fits, given)):
                return name
        return "VARCHAR"


def folder_keys(source: str, below: Sequence[Sequence[str]]) -> dict[str, FolderKey]:
    """The keys by the names of the folders of each file, below what was named `source`.

    Raises UsageError where some files have a key and others do not: their rows would lack a value silently.
    """
    found = [_keys(folders) for folders in below]
    names = [tuple(name for name, _ in keys) for keys in found]
    if not any(names):
        return {}
    first = names[0]
    if any(sorted(own) != sorted(first) for own in names) or len({name.lower() for name in first}) < len(first):
        some = sorted({name for own in names for name in own})
        raise UsageError(
            f"the folders below {source!r} do not have the same keys, each once: {', '.join(some)}",
            next_step="compare the folders of each form separately, with a glob",
        )
    values = [dict(keys) for keys in found]
    return {name: FolderKey(tuple(own[name] for own in values)) for name in first}


def lacking_keys(files: Files, own: Sequence[Collection[str]]) -> dict[str, FolderKey]:
    """The keys that are not columns of the files themselves, given the columns of each: those are never replaced.

    Raises UsageError where some files have such a column and others do not.
    """
    lacking = {}
    for name, key in files.keys.items():
        having = [name.lower() in {column.lower() for column in columns} for columns in own]
        if not any(having):
            lacking[name] = key
        elif not all(having):
            raise UsageError(
                f"some of the files have a column {name!r} of their own, the others get it from their folder's name",
                where=files.root,
                next_step="compare the folders of each form separately, with a glob",
            )
    return lacking


def key_columns(keys: Mapping[str, FolderKey], places: Sequence[int], own: Collection[str]) -> str:
    """SQL of the columns of `keys` in a read of the files of these numbers. Raises UsageError where a column of the
    files hides which file a row is of."""
    if keys and len(places) > 1 and FILE_INDEX in {name.lower() for name in own}:
        raise UsageError(
            f"a column has the name {FILE_INDEX!r}, which conflicts with {', '.join(keys)}",
            next_step="name the files of one folder, or give the column another name",
        )
    return "".join(f", {_of_file(key, places)} AS {ident(name)}" for name, key in keys.items())


def _of_file(key: FolderKey, places: Sequence[int]) -> str:
    values = ", ".join("NULL" if key.values[n] is None else text(str(key.values[n])) for n in places)
    if len(places) == 1:
        return f"{values}::{key.type}"
    return f"([{values}]::VARCHAR[])[{FILE_INDEX}::BIGINT + 1]::{key.type}"


def _keys(folders: Sequence[str]) -> list[tuple[str, str | None]]:
    pairs = (folder.partition("=") for folder in folders)
    return [(unquote(key), None if value == NULL else unquote(value)) for key, equals, value in pairs if key and equals]


def _is_iso(read: Callable[[str], object], length: int) -> Callable[[str], bool]:
    def fits(value: str) -> bool:
        with suppress(ValueError):
            return len(value) >= length and value[4:5] == "-" and bool(read(value))
        return False

    return fits


_TYPES: dict[str, Callable[[str], bool]] = {
    "BIGINT": lambda value: bool(_WHOLE.fullmatch(value)),
    "DATE": _is_iso(dt.date.fromisoformat, 10),
    "TIMESTAMP": _is_iso(lambda value: dt.datetime.fromisoformat(value).tzinfo is None or None, 16),
}
