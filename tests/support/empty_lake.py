"""Empty tables for small worlds: made once by the real catalog, then copied, at a tenth of the CPU.

A table without rows is a line of the catalog and one JSON file. Both name the folder they were made in; a copy names
its own.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import uuid
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake


@dataclass(frozen=True)
class _Made:
    """The lake folder that was made: where, its catalog's file, and its metadata files by their path in it."""

    place: str
    catalog: bytes
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class EmptyLake:
    """Table to its schema and to what partitions it, as `Lake.ensure_table` takes them."""

    tables: Mapping[str, tuple[pa.Schema, tuple[str, str] | None]]

    def lay(self, home: Home, wanted: Collection[str]) -> None:
        """Lay the wanted tables into a home that has no lake yet; nothing into one that has."""
        if home.lake.exists():
            return
        made, place = self._made, str(home.lake)
        home.lake.mkdir(parents=True)
        (home.lake / "catalog.db").write_bytes(made.catalog)
        with closing(sqlite3.connect(home.lake / "catalog.db")) as catalog, catalog:
            moved = "UPDATE iceberg_tables SET metadata_location = replace(metadata_location, ?, ?)"
            catalog.execute(moved, (made.place, place))
            for name in self.tables.keys() - set(wanted):
                catalog.execute("DELETE FROM iceberg_tables WHERE table_namespace || '.' || table_name = ?", (name,))
        for path, text in made.metadata.items():
            (home.lake / path).parent.mkdir(parents=True)
            own = json.loads(text.replace(made.place, place)) | {"table-uuid": str(uuid.uuid4())}
            (home.lake / path).write_text(json.dumps(own), encoding="utf-8")

    @cached_property
    def _made(self) -> _Made:
        with tempfile.TemporaryDirectory() as folder:
            home = Home(Path(folder), Path(folder) / "jars")
            lake = Lake.open(home)
            for name, (schema, partition_by) in self.tables.items():
                lake.ensure_table(name, schema, partition_by)
            lake.dispose()
            files = {str(path.relative_to(home.lake)): path for path in home.lake.rglob("*.metadata.json")}
            metadata = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
            return _Made(str(home.lake), (home.lake / "catalog.db").read_bytes(), metadata)
