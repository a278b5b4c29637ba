"""What a path stands for: the files that a name, folder or glob means, and the columns that its folders' names hold.

A name that exists is that file or folder, whatever characters it has. Of a folder or glob, names that begin with `.` or
`_` hold no data (Spark's `HadoopFSUtils.shouldFilterOutPathName`), and a folder of a table format is refused, above and
below too: which of its files count is written elsewhere. `key=value` folders are columns where they lie below what was
named, as in Hive, and not where they lead to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.folder_keys import FolderKey, folder_keys
from plumbline.reconcile.diff.engine.side_view import readable

_PARQUET, _CSV = "parquet", "csv"
_ENDINGS = {
    ".parquet": _PARQUET, ".pq": _PARQUET, ".parq": _PARQUET,
    ".csv": _CSV, ".tsv": _CSV, ".csv.gz": _CSV, ".tsv.gz": _CSV, ".csv.zst": _CSV,
}  # fmt: skip
_PACKED = re.compile(r"\.(csv|tsv|parquet|pq|parq)\.(gz|bz2|xz|zst|lz4|snappy|zip|br)$", re.IGNORECASE)
_GLOB = re.compile(r"[*?\[]")
_TABLES = {
    "an Iceberg table": "metadata/*.metadata.json",
    "a Delta table": "_delta_log",
    "a Hudi table": ".hoodie",
    "a Paimon table": "schema/schema-0",
    "a Spark stream's file sink": "_spark_metadata",
}
"""What the folder of a table has in it: its log, which says which files count."""
FORMS = "name a Parquet or CSV file, a folder or glob of them, or an Iceberg table as namespace.table@snapshot"


@dataclass(frozen=True)
class Files:
    """The files of one side, in order, all of one kind, and what the names of their folders say of each."""

    paths: tuple[str, ...]
    keys: Mapping[str, FolderKey] = field(default_factory=dict)
    root: str = "."

    @property
    def kind(self) -> str:
        return kind_of(self.paths[0])


def files_of(source: str) -> Files | None:
    """The files that a path, folder or glob means; None where no file has the name and it is not a glob.

    Raises UsageError for folders that hold no plain data, SetupError for what cannot be looked into.
    """
    path = _path(source)
    with readable(source):
        if not _there(path):
            return _files(source, *_matching(source)) if _GLOB.search(source) else None
        return _files(source, path, _in_folder(source, path)) if path.is_dir() else Files((str(path),))


def takes_in(source: str, file: Path) -> bool:
    """Whether the path, folder or glob `source` means `file`, or would if it were there."""
    path = _path(source)
    whole, target = path.resolve(), file.resolve()
    below = whole in target.parents and target.name.lower().endswith(tuple(_ENDINGS))
    return target == whole or below or (not _there(path) and fnmatch(str(target), str(whole)))


def kind_of(file: str) -> str:
    """'parquet' or 'csv', by the ending, else by the first bytes. Raises UsageError for neither."""
    kind = _known(file)
    if kind is None:
        raise UsageError(f"{file!r} is neither Parquet nor CSV by its extension", next_step=FORMS)
    return kind


def has_ending(name: str) -> bool:
    """Whether the name is one of a file that can be read."""
    return name.lower().endswith(tuple(_ENDINGS))


def _path(source: str) -> Path:
    if not _there(Path(source)):
        with suppress(RuntimeError):  # no user of that name
            return Path(source).expanduser()
    return Path(source)


def _there(path: Path) -> bool:
    with suppress(OSError, ValueError):  # a name that no file can have
        return path.exists()
    return False


def _files(source: str, root: Path, found: Sequence[Path]) -> Files:
    if not found:
        raise UsageError(f"{source!r} holds no Parquet or CSV file", next_step=FORMS)
    paths = sorted(map(str, found))
    if len({kind_of(path) for path in paths}) > 1:
        raise UsageError(f"{source!r} mixes Parquet and CSV", next_step="name one kind with a glob: 'folder/*.parquet'")
    below = [Path(path).relative_to(root).parts[:-1] for path in paths]
    return Files(tuple(paths), folder_keys(source, below), str(root))


def _in_folder(source: str, folder: Path) -> list[Path]:
    for place in (folder, *folder.resolve().parents):
        _check_plain(source, place)
    found = []
    for file in _walk(source, folder):
        if _PACKED.search(file.name) and not has_ending(file.name):
            raise UsageError(
                f"{str(file)!r} is packed in a way that cannot be read", next_step="decompress it, or use gzip"
            )
        if _known(str(file)):
            found.append(file)
    return found


def _walk(source: str, folder: Path) -> Iterator[Path]:
    """All files below that are not hidden, links followed unless they lead back up.

    A folder that cannot be listed is an error.
    """

    def stop(error: OSError) -> None:
        raise error

    for where, folders, files in os.walk(folder, followlinks=True, onerror=stop):
        here = Path(where)
        if here != folder:
            _check_plain(source, here)
        above = {os.path.realpath(place) for place in here.parents if place.is_relative_to(folder)}
        if os.path.realpath(here) in above:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not hidden(name))
        yield from (here / name for name in files if not hidden(name))


def _matching(source: str) -> tuple[Path, list[Path]]:
    """Where the fixed part of a glob ends, and the files that it matches."""
    path = _path(source)
    root, rest = Path(path.anchor or "."), [*path.relative_to(path.anchor).parts]
    while rest and (not _GLOB.search(rest[0]) or _there(root / rest[0])):
        root /= rest.pop(0)
    asked = [name for name in rest if hidden(name)]
    try:
        matched = [file for file in root.glob("/".join(rest)) if file.is_file()] if rest else []
    except (ValueError, NotImplementedError) as error:
        raise UsageError(
            f"{source!r} is not a pattern: {error}", next_step="write for example 'folder/*.parquet'"
        ) from None
    found = [file for file in matched if not _passed_over(file.relative_to(root).parts, asked)]
    if not found:
        raise UsageError(f"{source!r} matches no file", next_step="check the folder and quote the pattern")
    for place in {parent for file in found for parent in file.resolve().parents}:
        _check_plain(source, place)
    return root, found


def _passed_over(names: Sequence[str], asked: Sequence[str]) -> bool:
    """Whether some name is hidden and no part of the glob asks for such names."""
    return any(hidden(name) and not any(fnmatch(name, part) for part in asked) for name in names)


def hidden(name: str) -> bool:
    """Whether the name is that of a file or folder that holds no data."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _known(file: str) -> str | None:
    for ending, kind in _ENDINGS.items():
        if file.lower().endswith(ending):
            return kind
    if Path(file).is_file():
        with Path(file).open("rb") as opened:
            if opened.read(4) == b"PAR1":
                return _PARQUET
    return None


def _check_plain(source: str, folder: Path) -> None:
    for table, mark in _TABLES.items():
        if any(folder.glob(mark)):
            how = "is" if _path(source).resolve() == folder.resolve() else "reaches into"
            raise UsageError(
                f"{source!r} {how} the folder of {table}: its files mix the rows of many snapshots",
                where=str(folder),
                next_step="name an Iceberg table as namespace.table@snapshot, or export one snapshot to Parquet",
            )
