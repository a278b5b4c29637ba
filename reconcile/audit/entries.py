"""The files of a table's snapshots, and from which commit to which each of them was there: from the manifests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plumbline.connect.delete_files import DeleteFile, delete_files, values_of
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from plumbline.reconcile.audit.columns import Coordinates

DATA, POSITIONS, EQUALITY = 0, 1, 2
"""Iceberg's `content` of a file (spec, "Manifests")."""


@dataclass(frozen=True)
class Entry:
    """One live entry of a manifest. `adder` is the snapshot that added the file, `sequence` its data sequence number,
    `ids` are the columns by whose values it deletes.

    One path may have several entries: a writer may have added a file twice, and then each reader reads it twice.
    `low` and `high` bound its offsets, None where the writer noted no bound.
    """

    path: str
    adder: int | None
    sequence: int
    content: int
    kind: str
    rows: int = field(compare=False)
    low: int | None = field(default=None, compare=False)
    high: int | None = field(default=None, compare=False)
    spec_id: int = field(default=0, compare=False)
    partition: Any = field(default=None, compare=False, repr=False)
    ids: tuple[int, ...] = field(default=(), compare=False)
    file: Any = field(default=None, compare=False, repr=False)
    deletes: DeleteFile | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Life:
    """An entry, and the commits between which it was there: indexes into the history's chain, `died` not included."""

    entry: Entry
    born: int
    died: int | None = None


@dataclass(frozen=True)
class History:
    """The snapshots from the oldest that is known to the audited one, each the parent of the next, and all files.

    `whole`: the oldest has no parent, so that nothing was before.
    """

    chain: tuple[Snapshot, ...]
    data: tuple[Life, ...]
    deletes: tuple[Life, ...]
    whole: bool


class Manifests:
    """Reads each manifest of a table once."""

    def __init__(self, table: Table, coordinates: Coordinates) -> None:
        self.table, self._offset = table, coordinates.offset
        self._read: dict[str, tuple[Entry, ...]] = {}

    def live(self, snapshot: Snapshot) -> list[Entry]:
        """The entries of a snapshot, data and delete files. Raises SetupError for other formats than Parquet."""
        found = [entry for manifest in self._listed(snapshot).values() for entry in self.entries(manifest)]
        _refuse_unread(found, ".".join(self.table.name()))
        return found

    def entries(self, manifest: ManifestFile) -> tuple[Entry, ...]:
        """The manifest's live entries."""
        from pyiceberg.manifest import ManifestContent

        if manifest.manifest_path not in self._read:
            if manifest.content == ManifestContent.DELETES:
                found = tuple(map(_of_deletes, delete_files(self.table.io, [manifest])))
            else:
                found = tuple(map(self._entry, manifest.fetch_manifest_entry(self.table.io, discard_deleted=True)))
            self._read[manifest.manifest_path] = found
        return self._read[manifest.manifest_path]

    def history(self, snapshot: Snapshot) -> History:
        """What led to the snapshot. Snapshots that are no ancestors of it, such as those rolled back, do not count."""
        chain, whole = ancestors(self.table, snapshot)
        begun: dict[Entry, list[int]] = {}
        lives: list[Life] = []
        before: dict[str, ManifestFile] = {}
        for number, one in enumerate(chain):
            now = self._listed(one)
            change = Counter(e for path in now.keys() - before.keys() for e in self.entries(now[path]))
            change.subtract(e for path in before.keys() - now.keys() for e in self.entries(before[path]))
            for entry, by in change.items():
                if by > 0:
                    begun.setdefault(entry, []).extend([number] * by)
                for _ in range(-by):
                    lives.append(Life(entry, begun[entry].pop(), number))
            before = now
        lives += [Life(entry, born) for entry, births in begun.items() for born in births]
        data = tuple(life for life in lives if life.entry.content == DATA)
        return History(chain, data, tuple(life for life in lives if life.entry.content != DATA), whole)

    def _listed(self, snapshot: Snapshot) -> dict[str, ManifestFile]:
        name = ".".join(self.table.name())
        try:
            return {manifest.manifest_path: manifest for manifest in snapshot.manifests(self.table.io)}
        except (FileNotFoundError, ValueError) as error:
            raise SetupError(
                f"snapshot {snapshot.snapshot_id} of {name} is unreadable: {error}",
                where=name,
                next_step="bring back its metadata files, or audit another snapshot",
            ) from None

    def _entry(self, read: Any) -> Entry:
        file = read.data_file
        return Entry(
            file.file_path,
            read.snapshot_id,
            int(read.sequence_number or 0),
            int(file.content or 0),
            str(file.file_format.value).upper(),
            int(file.record_count),
            self._bound(file.lower_bounds),
            self._bound(file.upper_bounds),
            int(file.spec_id or 0),
            values_of(file.partition),
            file=file,
        )

    def _bound(self, bounds: dict[int, bytes] | None) -> int | None:
        """A whole number (Iceberg spec, "Binary single-value serialization"); a column may have grown from int."""
        raw = (bounds or {}).get(self._offset.ids[-1])
        return None if raw is None or len(raw) not in (4, 8) else int.from_bytes(raw, "little", signed=True)


def _of_deletes(file: DeleteFile) -> Entry:
    content = EQUALITY if file.ids else POSITIONS
    return Entry(
        file.path, file.added_by, file.sequence, content, file.kind, file.rows, None, None, file.spec_id,
        file.partition, file.ids, file.data_file, file,
    )  # fmt: skip


def ancestors(table: Table, snapshot: Snapshot) -> tuple[tuple[Snapshot, ...], bool]:
    """The known snapshots up to this one, oldest first, and whether the oldest is the first that there ever was."""
    chain: list[Snapshot] = []
    one: Snapshot | None = snapshot
    while one is not None:
        chain.append(one)
        parent = one.parent_snapshot_id
        one = None if parent is None else table.snapshot_by_id(parent)
    return tuple(reversed(chain)), chain[-1].parent_snapshot_id is None


def _refuse_unread(entries: Iterable[Entry], table: str) -> None:
    for entry in entries:
        if entry.kind not in ("PARQUET", "PUFFIN"):
            raise SetupError(
                f"{table} holds files of {entry.kind}; only Parquet is read",
                where=entry.path,
                next_step=f"write them again as Parquet: ALTER TABLE {table} SET TBLPROPERTIES "
                "('write.format.default'='parquet'), then CALL system.rewrite_data_files",
            )
