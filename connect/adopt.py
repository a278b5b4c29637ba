"""Making a copied or moved home a home of its own: the paths in its catalog and its tables' metadata are exchanged.

In place and safe to repeat: a file that names the new place already stays as it is, the catalog comes after the files,
the note of the place last. Data files name nobody and are not touched; nothing outside the home is either. Files of
deletion vectors name data files in their footers, by which PyIceberg finds the rows that are deleted.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumbline.connect import place
from plumbline.connect.avro_paths import exchange_paths
from plumbline.connect.home import Home
from plumbline.contract.errors import SetupError

JSON_FILES, AVRO_FILES, PUFFIN_FILES = ("*.metadata.json", "*.metadata.json.gz"), ("*.avro",), "*.puffin"
OF_PROCESSES = ("broker/running.json", "broker/owners/*", "checkpoints/*/lock")
"""What names processes that work in the original."""


@dataclass(frozen=True)
class Adoption:
    """What adopting a home does: files of metadata to exchange, tables that stay where they are, in other places."""

    was: Path
    files: int
    tables: tuple[str, ...]
    elsewhere: tuple[str, ...]


def adopt(home: Home, *, execute: bool) -> Adoption | None:
    """Make the home one of its own; without `execute` only say what for. None where it is one already.

    Raises SetupError for what cannot be exchanged, before anything is changed: a damaged file that a table needs, a
    codec of another kind, delete files that name data files inside them.
    """
    was = place.made_at(home)
    if was is None or (was.exists() and home.root.exists() and was.samefile(home.root)) or was == home.root:
        return None
    work = _Work(home, was)
    files, tables = work.files(), work.tables()
    for file in files:
        work.exchanged(file)
    adoption = Adoption(
        was,
        len(files),
        tuple(name for name, location in tables if work.is_mine(location)),
        tuple(name for name, location in tables if not work.is_mine(location)),
    )
    if execute:
        for file in files:
            work.rewrite(file)
        work.rewrite_catalog()
        for pattern in OF_PROCESSES:
            for path in home.root.glob(pattern):
                path.unlink()
        place.note(home, again=True)
    return adoption


class _Work:
    """One adoption. Deletion vectors come before the manifests that name their sizes, these before their lists."""

    def __init__(self, home: Home, was: Path) -> None:
        self.home, self.old, self.new = home, f"{was}/lake", str(home.lake)
        self.lengths: dict[str, int] = {}

    def exchange(self, text: str) -> str:
        """A location in the old lake as it is called in the new one; any other text as it is."""
        path = place.plain(text)
        return f"file://{self.new}{path.removeprefix(self.old)}" if path.startswith(f"{self.old}/") else text

    def is_mine(self, location: str) -> bool:
        """Whether a table's metadata lies in this home, or did in the original."""
        return place.plain(location).startswith((f"{self.old}/", f"{self.new}/"))

    def files(self) -> list[Path]:
        """All metadata of the warehouse: deletion vectors, manifests, lists of manifests, tables."""
        warehouse = self.home.lake / "warehouse"
        puffin = sorted(warehouse.rglob(PUFFIN_FILES))
        avro = [path for pattern in AVRO_FILES for path in warehouse.rglob(pattern) if path.parent.name == "metadata"]
        told = [path for pattern in JSON_FILES for path in warehouse.rglob(pattern) if path.parent.name == "metadata"]
        return puffin + sorted(avro, key=lambda path: (path.name.startswith("snap-"), str(path))) + sorted(told)

    def exchanged(self, file: Path) -> bytes:
        """The new content of a file of metadata."""
        content = file.read_bytes()
        try:
            if file.suffix == ".avro":
                return self._manifest(file, content)
            if file.suffix == ".puffin":
                return self._vectors(file, content)
            body = json.loads(gzip.decompress(content) if file.suffix == ".gz" or ".gz." in file.name else content)
        except (ValueError, OSError, EOFError) as error:
            raise SetupError(
                f"a file of a table's metadata cannot be rewritten: {error}",
                where=str(file),
                next_step="if no table needs it (a kill may leave such a file), move it away and repeat the command",
            ) from None
        text = json.dumps(self._walked(body)).encode()
        return gzip.compress(text, mtime=0) if content[:2] == b"\x1f\x8b" else text

    def _manifest(self, file: Path, content: bytes) -> bytes:
        made = exchange_paths(content, self.exchange, ("content", "file_format"), self.lengths)
        if not file.name.startswith("snap-"):
            for record in made.seen:
                if record.get("content") == 1 and str(record.get("file_format", "")).upper() != "PUFFIN":
                    raise SetupError(
                        "a table has position deletes, whose files name data files by the original's paths",
                        where=str(file),
                        next_step="in the original: rewrite_position_delete_files or a rewrite of the data; copy again",
                    )
            self.lengths[f"file://{file}"] = len(made.content)
        return made.content

    def _vectors(self, file: Path, content: bytes) -> bytes:
        """A Puffin file with other paths in its footer (Puffin spec: blobs, "PFA1", JSON, its size, flags, "PFA1")."""
        if content[-4:] != b"PFA1" or content[-8] & 1:
            raise ValueError("no Puffin file with a footer that can be read")
        start = len(content) - 12 - int.from_bytes(content[-12:-8], "little")
        footer = json.loads(content[start:-12])
        if (walked := self._walked(footer)) != footer:
            told = json.dumps(walked).encode()
            content = content[:start] + told + len(told).to_bytes(4, "little") + content[-8:]
        self.lengths[f"file://{file}"] = len(content)
        return content

    def _walked(self, body: Any) -> Any:
        if isinstance(body, str):
            return self.exchange(body)
        if isinstance(body, list):
            return [self._walked(one) for one in body]
        return {key: self._walked(value) for key, value in body.items()} if isinstance(body, dict) else body

    def rewrite(self, file: Path) -> None:
        """Exchange one file, whole or not at all, with its times; a hard link to the original's file ends here.

        Hadoop's file system writes a checksum beside each file of Spark's, and refuses to read one that became another.
        """
        content = self.exchanged(file)
        if content == file.read_bytes():
            return
        draft = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        draft.write_bytes(content)
        shutil.copystat(file, draft)
        file.with_name(f".{file.name}.crc").unlink(missing_ok=True)
        draft.replace(file)

    def tables(self) -> list[tuple[str, str]]:
        """(name, location of the metadata) of each table in the catalog."""
        if not (self.home.lake / "catalog.db").is_file():
            return []
        with self._catalog() as connection:
            sql = "SELECT table_namespace || '.' || table_name, metadata_location FROM iceberg_tables"
            return sorted((str(name), str(location)) for name, location in connection.execute(sql))

    def rewrite_catalog(self) -> None:
        """Exchange the locations in the catalog, all or none."""
        if not self.tables():
            return
        columns = (
            *(("iceberg_tables", name) for name in ("metadata_location", "previous_metadata_location")),
            ("iceberg_namespace_properties", "property_value"),
        )
        with self._catalog() as connection, connection:
            for table, column in columns:
                sql = f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL"
                found = [(self.exchange(text), row) for row, text in connection.execute(sql).fetchall()]
                connection.executemany(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", found)

    def _catalog(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.home.lake / "catalog.db", timeout=30))


def checkpoints(home: Home) -> Iterator[str]:
    """The contracts whose streaming jobs have state in the home: the original has it too."""
    yield from sorted(path.parent.name for path in home.checkpoints.glob("*/join"))
