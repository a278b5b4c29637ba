"""Files of deletes in an Iceberg table: what their manifests say of them, and the positions that they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile, ManifestEntry, ManifestFile
    from pyiceberg.typedef import Record

AT_ONCE = 1 << 18
PATH_ID = 2147483546
"""Reserved field id of `file_path` (Iceberg spec, "Reserved Field IDs")."""
_REFERENCED, _OFFSET, _SIZE = "referenced_data_file", "content_offset", "content_size_in_bytes"


@dataclass(frozen=True)
class DeleteFile:
    """One live delete file. `ids` are the columns of equality deletes, none for deleted positions.

    `of` is the one data file whose positions it deletes, where that is told; else their paths lie from `low` to `high`,
    as far as these are told. A deletion vector is `size` bytes from `offset` of a Puffin file. `added_by` is the
    snapshot that added the file.
    """

    path: str
    kind: str
    sequence: int
    rows: int
    spec_id: int
    partition: tuple[Any, ...]
    ids: tuple[int, ...]
    of: str | None
    low: str | None
    high: str | None
    offset: int | None
    size: int | None
    added_by: int | None = field(compare=False)
    data_file: DataFile = field(compare=False, repr=False)

    @property
    def is_vector(self) -> bool:
        """Whether it is a deletion vector (format version 3)."""
        return self.kind == "PUFFIN"

    def may_name(self, path: str) -> bool:
        """Whether positions of that data file may be in it. Bounds may be cut short, the upper one without being
        raised."""
        if self.of is not None:
            return self.of == path
        below = self.low is not None and path < self.low
        above = self.high is not None and path[: len(self.high)] > self.high
        return not (below or above)


def delete_files(io: FileIO, manifests: Iterable[ManifestFile]) -> Iterator[DeleteFile]:
    """The live delete files of manifests of deletes."""
    from pyiceberg.manifest import ManifestEntryStatus

    for manifest in manifests:
        for entry in _entries(io, manifest):
            if entry.status != ManifestEntryStatus.DELETED:
                yield _delete_file(entry, manifest)


def _entries(io: FileIO, manifest: ManifestFile) -> list[ManifestEntry]:
    """The entries with the fields of version 3, which PyIceberg's own reading leaves out up to 0.12."""
    from pyiceberg.avro.file import AvroFile
    from pyiceberg.manifest import (
        MANIFEST_ENTRY_SCHEMAS,
        DataFile,
        DataFileContent,
        FileFormat,
        ManifestEntry,
        ManifestEntryStatus,
    )

    with AvroFile[ManifestEntry](
        io.new_input(manifest.manifest_path),
        MANIFEST_ENTRY_SCHEMAS[3],
        read_types={-1: ManifestEntry, 2: DataFile},
        read_enums={0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent},
    ) as reader:
        return list(reader)


def _delete_file(entry: ManifestEntry, manifest: ManifestFile) -> DeleteFile:
    from pyiceberg.manifest import DATA_FILE_TYPE, DataFileContent

    file = entry.data_file
    file.spec_id = manifest.partition_spec_id
    told = {one.name: file[place] for place, one in enumerate(DATA_FILE_TYPE[3].fields)}
    by_value = file.content == DataFileContent.EQUALITY_DELETES
    if by_value and not file.equality_ids:
        raise SetupError(
            "a file of equality deletes names no column to delete by",
            where=file.file_path,
            next_step="the table breaks Iceberg's spec; let the tool that wrote the file write it anew",
        )
    low, high = (_path(bounds) for bounds in (file.lower_bounds, file.upper_bounds))
    sequence = manifest.sequence_number if entry.sequence_number is None else entry.sequence_number
    return DeleteFile(
        file.file_path,
        str(file.file_format.value).upper(),
        int(sequence or 0),
        int(file.record_count),
        int(file.spec_id or 0),
        values_of(file.partition),
        tuple(sorted(int(one) for one in file.equality_ids or ())) if by_value else (),
        None if by_value else told[_REFERENCED],
        low,
        high,
        told[_OFFSET],
        told[_SIZE],
        manifest.added_snapshot_id if entry.snapshot_id is None else int(entry.snapshot_id),
        file,
    )


def values_of(partition: Record) -> tuple[Any, ...]:
    """The values of a partition."""
    return tuple(partition[place] for place in range(len(partition)))


def _path(bounds: dict[int, bytes] | None) -> str | None:
    raw = (bounds or {}).get(PATH_ID)
    return None if raw is None else raw.decode("utf-8", "ignore")


def positions(io: FileIO, file: DeleteFile) -> Iterator[tuple[list[str], pa.Array]]:
    """(paths of data files, deleted positions in them), of one length, piece by piece."""
    if file.is_vector:
        path, found = vector(io, file)
        yield [path] * len(found), found
        return
    import pyarrow.parquet as pq

    with io.new_input(file.path).open() as stream:
        for batch in pq.ParquetFile(stream).iter_batches(AT_ONCE, columns=["file_path", "pos"]):
            yield batch.column("file_path").to_pylist(), batch.column("pos")


def vector(io: FileIO, file: DeleteFile) -> tuple[str, pa.Array]:
    """The data file of a deletion vector, and its positions (Puffin spec, `deletion-vector-v1`).

    Where the manifest tells its place, nothing else of the Puffin file counts: it may hold vectors that newer ones have
    replaced. Raises ValueError for what is no such vector.
    """
    import pyarrow as pa
    from pyiceberg.table.deletion_vector import DeletionVector, deletion_vectors_from_puffin_file
    from pyiceberg.table.puffin import PuffinFile

    if file.offset is None or file.size is None or file.of is None:
        with io.new_input(file.path).open() as stream:
            [whole] = deletion_vectors_from_puffin_file(PuffinFile(stream.read()))
        return whole.referenced_data_file, whole.to_vector().combine_chunks().cast(pa.int64())
    with io.new_input(file.path).open() as stream:
        stream.seek(file.offset)
        blob = stream.read(file.size)
    length = int.from_bytes(blob[:4], "big")
    if blob[4:8] != b"\xd1\xd3\x39\x64" or length + 8 != len(blob):
        raise ValueError(f"no deletion vector at byte {file.offset} of {file.path}")
    bitmaps = DeletionVector._deserialize_bitmap(blob[8 : 4 + length])
    found = DeletionVector._bitmaps_to_chunked_array(bitmaps)
    return file.of, found.combine_chunks().cast(pa.int64()) if found.num_chunks else pa.array([], pa.int64())
