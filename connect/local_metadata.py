"""Metadata and manifests on the local disk, read without Arrow: to look at a table then costs no import of it."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from pyiceberg.io import PY_IO_IMPL, FileIO, InputFile, InputStream, OutputFile, load_file_io
from pyiceberg.typedef import Properties

from plumbline.connect.place import plain

_LOCAL_METADATA = re.compile(r"(file:(//)?)?/[^/?#][^?#]*\.(avro|metadata\.json|metadata\.json\.gz)")
"""PyIceberg's own takes what comes after `?` and `#` for no part of a path."""


def file_io(properties: Properties, location: str) -> FileIO:
    """PyIceberg's FileIO for a table at the location; a team's own, where its properties name one."""
    return load_file_io(properties, location) if properties.get(PY_IO_IMPL) else LocalMetadata(properties, location)


def version(location: str) -> tuple[str, int, int] | None:
    """What is another when the file at the location is; None for a file that is not local, or not there."""
    with suppress(OSError):
        if _LOCAL_METADATA.fullmatch(location):
            found = Path(plain(location)).stat()
            return location, found.st_mtime_ns, found.st_size
    return None


class LocalMetadata(FileIO):
    """Reads local metadata by itself; data files, files elsewhere, and all that is written go through PyIceberg's."""

    def __init__(self, properties: Properties, location: str) -> None:
        super().__init__(properties)
        self._location = location

    @cached_property
    def _general(self) -> FileIO:
        return load_file_io(self.properties, self._location)

    def new_input(self, location: str) -> InputFile:
        return _File(location) if _LOCAL_METADATA.fullmatch(location) else self._general.new_input(location)

    def new_output(self, location: str) -> OutputFile:
        return self._general.new_output(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        self._general.delete(location)


class _File(InputFile):
    @property
    def _path(self) -> Path:
        return Path(plain(self.location))

    def __len__(self) -> int:
        return self._path.stat().st_size

    def exists(self) -> bool:
        return self._path.exists()

    def open(self, seekable: bool = True) -> InputStream:
        return self._path.open("rb")
