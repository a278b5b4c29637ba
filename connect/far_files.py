"""Data files that are not on this machine, which DuckDB reads in place through PyIceberg's FileIO.

DuckDB's wheel reaches no object store by itself, and its extension for that is another download for each release. It
takes a file system of fsspec's, though, reads only the column chunks that a query needs through it, and spills nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from fsspec.spec import AbstractFileSystem

if TYPE_CHECKING:
    import datetime as dt

    import duckdb
    from pyiceberg.io import FileIO, InputStream
    from pyiceberg.table import Table

PROTOCOL = "plumbline-far"
_MOST_STREAMS = 256
"""So many are kept open. A store's need nothing of the system, those of a FileIO over a mounted folder a descriptor."""


class FarFile:
    """A file open for reading, by all threads of a query at once.

    DuckDB moves the one file object and then reads from it, from several threads (duckdb-python 2.0.1,
    `PythonFilesystem::Read`): of a file with one position one thread would get what another has asked for, and sums
    would be wrong without an error. So each thread has a position of its own here.
    """

    def __init__(self, stream: InputStream, location: str, size: int) -> None:
        self._stream, self._own, self._lock = stream, threading.local(), threading.Lock()
        self._location, self._size = location, size

    def seek(self, offset: int) -> int:
        self._own.position = offset
        return offset

    def tell(self) -> int:
        return int(getattr(self._own, "position", 0))

    def read(self, size: int) -> bytes:
        """Raises OSError where less comes than the file holds."""
        start = self.tell()
        data = self._read_at(size, start)
        self._own.position = start + len(data)
        if len(data) < min(size, self._size - start):
            raise OSError(f"{self._location} gave {len(data)} of {size} bytes at {start}")
        return data

    def close(self) -> None:
        """Arrow's streams are kept for the next query."""
        if not _is_arrows(self._stream):
            self._stream.close()

    def _read_at(self, size: int, start: int) -> bytes:
        if _is_arrows(self._stream):
            return bytes(self._stream.read_at(size, start))  # type: ignore[attr-defined]
        with self._lock:
            self._stream.seek(start)
            return self._stream.read(size)


def _is_arrows(stream: InputStream) -> bool:
    """Whether it is made for several threads."""
    return hasattr(stream, "read_at")


class FarFiles(AbstractFileSystem):  # type: ignore[misc]
    """The files of tables, each asked of its table's own FileIO, whose credentials may be for that table only."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._tables: dict[str, FileIO] = {}
        self._sizes: dict[str, int] = {}
        self._streams: dict[str, tuple[FileIO, InputStream]] = {}
        self._keeping = threading.Lock()

    def path(self, table: Table, location: str, size: int) -> str:
        """What DuckDB is to be told for a file of the table, of so many bytes."""
        own = quote(table.location(), safe="")
        path = f"{PROTOCOL}://{own}/{quote(location)}"
        self._tables[own], self._sizes[path] = table.io, size
        return path

    def open(self, path: str, mode: str = "rb", **_: Any) -> FarFile:
        """Raises FileNotFoundError, which names the file, where it is gone."""
        io, location = self._place(path)
        return FarFile(self._stream(path, io, location), location, self.size(path))

    def size(self, path: str) -> int:
        return self._sizes[path]

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path]

    def isfile(self, path: str) -> bool:
        io, location = self._place(path)
        return bool(io.new_input(location).exists())

    def modified(self, path: str) -> dt.datetime:
        """Never: a file of Iceberg's is not written a second time (spec, "Overview")."""
        import datetime as dt

        return dt.datetime.fromtimestamp(0, dt.UTC)

    def _place(self, path: str) -> tuple[FileIO, str]:
        own, _, location = path.removeprefix(f"{PROTOCOL}://").partition("/")
        return self._tables[own], unquote(location)

    def _stream(self, path: str, io: FileIO, location: str) -> InputStream:
        """Opened once for all queries where it can be read from many places: a store is asked for it each time."""
        kept = self._streams.get(path)
        if kept is not None and kept[0] is io:  # another one may have newer credentials
            return kept[1]
        try:
            stream = io.new_input(location).open()
        except FileNotFoundError:
            raise FileNotFoundError(f"{location} is gone") from None
        if _is_arrows(stream):
            with self._keeping:
                self._streams[path] = io, stream
                if len(self._streams) > _MOST_STREAMS:
                    self._streams.pop(next(iter(self._streams)))
        return stream


FILES = FarFiles()


def reach(con: duckdb.DuckDBPyConnection) -> None:
    """Let the connection read files that FILES names: whole column chunks at a time, and the footer of a file once."""
    if not con.filesystem_is_registered(PROTOCOL):
        con.register_filesystem(FILES)
        con.execute("SET disable_parquet_prefetching = false; SET parquet_metadata_cache = true")
