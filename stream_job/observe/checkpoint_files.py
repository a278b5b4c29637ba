"""The files of a checkpoint that is not ours: in a folder, an object store or HDFS. Nothing here writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.contract.errors import SetupError, UnreachableError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

HADOOP_SCHEMES = {"s3a://": "s3://", "s3n://": "s3://"}


class CheckpointFiles:
    """What lies below `place`, a folder or a URI. Raises SetupError where its file system cannot be opened."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._files, self._root = _opened(place)

    def names(self, folder: str) -> list[str]:
        """The names of what a folder holds; none where it is not there. Raises UnreachableError."""
        from pyarrow.fs import FileSelector

        try:
            found = self._files.get_file_info(FileSelector(f"{self._root}/{folder}", allow_not_found=True))
        except OSError as error:
            raise self._unreachable(error) from None
        return [str(file.base_name) for file in found]

    def content(self, name: str) -> bytes | None:
        """What a file holds; None when it is not there. Raises UnreachableError."""
        from pyarrow.fs import FileType

        path = f"{self._root}/{name}"
        try:
            if self._files.get_file_info(path).type != FileType.File:
                return None
            with self._files.open_input_stream(path, compression=None) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: OSError) -> UnreachableError:
        return UnreachableError(
            f"the checkpoint cannot be read: {str(error).splitlines()[0]}",
            where=self.place,
            next_step="check read access to it, and the credentials in the environment",
        )


def _opened(place: str) -> tuple[FileSystem, str]:
    from pyarrow.fs import FileSystem, LocalFileSystem

    if "://" not in place and not place.startswith("file:"):
        return LocalFileSystem(), str(Path(place).expanduser().absolute())
    uri = f"file://{place.removeprefix('file:')}" if place.startswith("file:/") and "://" not in place else place
    for hadoop, plain in HADOOP_SCHEMES.items():
        uri = plain + uri.removeprefix(hadoop) if uri.startswith(hadoop) else uri
    try:
        files, root = FileSystem.from_uri(uri)
    except (OSError, ValueError) as error:
        raise SetupError(
            f"the checkpoint's file system cannot be opened: {str(error).splitlines()[0]}",
            where=place,
            next_step="write job.checkpoint as a folder, s3a://bucket/path, gs://bucket/path or hdfs://host:port/path",
        ) from None
    return files, root.rstrip("/")
