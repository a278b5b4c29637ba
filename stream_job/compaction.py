"""What a compaction of a table finds and does: small files are joined, and files with deleted rows written anew without
them, after which their files of deletes go.

A commit that deletes rows of a file while it is written anew makes that void: Iceberg lets the rewrite go
(`MergingSnapshotProducer.validateNoNewDeletesForDataFiles`), the table stays as it is, and it is tried again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.connect.delete_files import DeleteFile, delete_files
from plumbline.connect.manifests import is_of_deletes, manifests_of
from plumbline.connect.table_plan import applied, plan_files

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

MIN_FILES = 5
"""Fewer small files in one partition are left as they are: Iceberg's own default."""

TARGET_BYTES = 512 * 1024 * 1024
SMALL = 0.75
"""Iceberg's rewrite takes files below this share of the target size."""

TRIES = 4
JOINED = {"min-input-files": str(MIN_FILES), "partial-progress.enabled": "true"}
WITHOUT_DELETED = {"delete-file-threshold": "1", "remove-dangling-deletes": "true"}

Call = Callable[[str], list[Any]]
Deletes = tuple[str, int | None]
"""A file of deletes: its path, and where in it, as one Puffin file holds several deletion vectors."""


@dataclass(frozen=True)
class Files:
    """The files of a table's newest snapshot. `small` are the data files that are joined: small, and at least MIN_FILES
    in one partition. `touched` are the paths of data files with deleted rows, and what deletes them."""

    total: int
    small: int
    deletes: frozenset[Deletes]
    touched: Mapping[str, Collection[Deletes]]

    def held_back(self, now: Files) -> frozenset[Deletes]:
        """The files of deletes of before that could not go: they are there, or their data files are, with deleted rows,
        whatever file says so now."""
        same = (one for path in self.touched.keys() & now.touched.keys() for one in self.touched[path])
        return frozenset(same) | (self.deletes & now.deletes)


@dataclass(frozen=True)
class Compacted:
    """Data files that were written anew, and files of deletes that are gone, or were held back by other commits."""

    rewritten: int = 0
    removed: int = 0
    held_back: int = 0


def files_of(table: Table) -> Files:
    """The files of the newest snapshot. Raises SetupError for files of deletes of another format than Parquet."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return Files(0, 0, frozenset(), {})
    found = delete_files(table.io, filter(is_of_deletes, manifests_of(snapshot, table.io)))
    deletes = frozenset(map(_named, found))
    planned = plan_files(table.scan(), ".".join(table.name())) if deletes else []
    touched = {one.file.file_path: tuple(map(_named, applied([one]))) for one in planned if one.touched}
    total, small = _counted((one.file for one in planned) if deletes else _data_files(table))
    return Files(total, small, deletes, touched)


def compact(name: str, before: Files, look: Callable[[], Files], call: Call) -> Compacted:
    """Join the small files of a table, and write those with deleted rows anew; `call` runs a procedure of Iceberg's.

    What a commit of another writer has made void is tried again, TRIES times in all.
    """
    options = JOINED | (WITHOUT_DELETED if before.deletes else {})
    procedure = f"rewrite_data_files(table => '{name}', options => map({_spelled(options)}))"
    rewritten, held = 0, before.deletes
    for _ in range(TRIES):
        rewritten += int(call(procedure)[0]["rewritten_data_files_count"])
        held = before.held_back(look()) if held else held
        if not held:
            break
    return Compacted(rewritten, len(before.deletes) - len(held), len(held))


def _counted(files: Iterable[DataFile]) -> tuple[int, int]:
    small: Counter[str] = Counter()
    total = 0
    for file in files:
        total += 1
        if file.file_size_in_bytes < SMALL * TARGET_BYTES:
            small[str(file.partition)] += 1
    return total, sum(count for count in small.values() if count >= MIN_FILES)


def _data_files(table: Table) -> Iterator[DataFile]:
    for task in table.scan().plan_files():
        yield task.file


def _named(file: DeleteFile) -> Deletes:
    return file.path, file.offset


def _spelled(options: Mapping[str, str]) -> str:
    return ", ".join(f"'{name}', '{value}'" for name, value in options.items())
