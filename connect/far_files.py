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


class FarFile:
    """A file open for reading, by all threads of a query at once.

    DuckDB moves the one file object and then reads from it, from several threads (duckdb-python 2.0.1,
    `PythonFilesystem::Read`): of a file with one position one thread would get what another has asked for, and sums
    would be wrong without an error. So each thread has a position of its own here.
    """

    def __init__(self, stream: InputStream) -> None:
        self._stream, self._own, self._lock = stream, threading.local(), threading.Lock()

    def seek(self, offset: int) -> int:
        self._own.position = offset
        return offset

    def tell(self) -> int:
        return int(getattr(self._own, "position", 0))

    def read(self, size: int) -> bytes:
        start = self.tell()
        data = self._read_at(size, start)
        self._own.position = start + len(data)
        return data

    def close(self) -> None:
        self._stream.close()

    def _read_at(self, size: int, start: int) -> bytes:
        if hasattr(self._stream, "read_at"):  # Arrow's, which is made for several threads
            return bytes(self._stream.read_at(size, start))
        with self._lock:
            self._stream.seek(start)
            return self._stream.read(size)


class FarFiles(AbstractFileSystem):  # type: ignore[misc]
    """The files of tables, each asked of its table's own FileIO, whose credentials may be for that table only."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._tables: dict[str, FileIO] = {}
        self._sizes: dict[str, int] = {}

    def path(self, table: Table, location: str, size: int) -> str:
        """What DuckDB is to be told for a file of the table, of so many bytes."""
        own = quote(table.location(), safe="")
        path = f"{PROTOCOL}://{own}/{quote(location)}"
        self._tables[own], self._sizes[path] = table.io, size
        return path

    def open(self, path: str, mode: str = "rb", **_: Any) -> FarFile:
        return FarFile(self._input(path).open())

    def size(self, path: str) -> int:
        return self._sizes[path]

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path]

    def isfile(self, path: str) -> bool:
        return bool(self._input(path).exists())

    def modified(self, path: str) -> dt.datetime:
        """Never: a file of Iceberg's is not written a second time (spec, "Overview")."""
        import datetime as dt

        return dt.datetime.fromtimestamp(0, dt.UTC)

    def _input(self, path: str) -> Any:
        own, _, location = path.removeprefix(f"{PROTOCOL}://").partition("/")
        return self._tables[own].new_input(unquote(location))


FILES = FarFiles()


def reach(con: duckdb.DuckDBPyConnection) -> None:
    """Let the connection read files that FILES names: whole column chunks at a time, and the footer of a file once."""
    if not con.filesystem_is_registered(PROTOCOL):
        con.register_filesystem(FILES)
        con.execute("SET disable_parquet_prefetching = false; SET parquet_metadata_cache = true")
