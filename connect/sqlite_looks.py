"""Tables of a SQLite catalog, looked up without SQLAlchemy: to import it costs more than a small diff.

Only looks: whatever writes, and whatever a look cannot tell, is a matter of PyIceberg's own catalog.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

_FILE = re.compile(r"sqlite:///(?P<path>(?!file:)[^?]+)(\?timeout=\d+)?")
_FIND = """
    SELECT metadata_location FROM iceberg_tables
    WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?
      AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)
"""
"""As `SqlCatalog.load_table` asks. A catalog of the older schema, without `iceberg_type`, fails here and is PyIceberg's
to open."""


@dataclass(frozen=True)
class SqliteLooks:
    """The tables of the catalog `name` in the SQLite file `path`; `catalog` opens PyIceberg's own when it is needed."""

    name: str
    path: Path
    properties: Mapping[str, str]
    catalog: Callable[[], Catalog]
    _parsed: dict[str, tuple[tuple[str, int, int] | None, TableMetadata]] = field(default_factory=dict)

    def table_exists(self, identifier: str) -> bool:
        """As of PyIceberg's catalog, which loads the table for it."""
        from pyiceberg.exceptions import NoSuchTableError

        try:
            self.load_table(identifier)
            return True
        except NoSuchTableError:
            return False

    def load_table(self, identifier: str) -> Table:
        """The table as it is now. Raises as the `load_table` of PyIceberg's catalog."""
        from pyiceberg.table import Table

        from plumbline.connect.local_metadata import file_io
        from plumbline.connect.staged_metadata import stage_once

        stage_once()
        try:
            location = self._location(identifier)
        except sqlite3.Error:
            # Locked, damaged, not there yet, of an older schema: PyIceberg waits, makes it, or says what it is.
            return self.catalog().load_table(identifier)
        metadata = self._metadata(identifier, location)
        return Table(
            identifier=tuple(identifier.split(".")),
            metadata=metadata,
            metadata_location=location,
            io=file_io({**self.properties, **metadata.properties}, location),
            catalog=cast("Catalog", _Later(self.catalog)),
        )

    def _location(self, identifier: str) -> str:
        from pyiceberg.exceptions import NoSuchTableError

        namespace, _, table = identifier.rpartition(".")
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as connection:
            found = connection.execute(_FIND, (self.name, namespace, table)).fetchone()
        if found is None or not found[0]:
            raise NoSuchTableError(f"Table does not exist: {identifier}")
        return str(found[0])

    def _metadata(self, identifier: str, location: str) -> TableMetadata:
        """Of each table the newest, parsed once."""
        from pyiceberg.serializers import FromInputFile

        from plumbline.connect.local_metadata import file_io, version

        known, metadata = self._parsed.get(identifier, (None, None))
        now = version(location)
        if metadata is None or now is None or known != now:
            metadata = FromInputFile.table_metadata(file_io(dict(self.properties), location).new_input(location))
            self._parsed[identifier] = (now, metadata)
        return metadata


def sqlite_looks(name: str, properties: Mapping[str, str], catalog: Callable[[], Catalog]) -> SqliteLooks | None:
    """None for a catalog of another kind, and for one that PyIceberg's configuration of this user adds to."""
    from pyiceberg.utils.config import Config

    file = _FILE.fullmatch(properties.get("uri", ""))
    if properties.get("type") != "sql" or file is None or Config().get_catalog_config(name):
        return None
    return SqliteLooks(name, Path(unquote(file["path"])), properties, catalog)


class _Later:
    """PyIceberg's catalog for a table that may never need it."""

    def __init__(self, opened: Callable[[], Catalog]) -> None:
        self._opened = opened

    def supports_server_side_planning(self) -> bool:
        """What every scan asks, and no SQL catalog does."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened(), name)
