"""PyIceberg's catalog of a `catalog:` block, opened."""

from __future__ import annotations

import logging
import re
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from plumbline.connect import catalog_block
from plumbline.connect.catalog_answers import may_pass, opening_error, punctual
from plumbline.connect.object_store import patient
from plumbline.connect.residuals import compare_null_as_sql
from plumbline.connect.sqlite_looks import SqliteLooks, sqlite_looks
from plumbline.connect.staged_metadata import stage_once

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

_MADE_MEANWHILE = re.compile(r"already exists|pg_type_typname_nsp_index|pg_class_relname_nsp_index")
"""SQLite, MySQL and PostgreSQL say the first; PostgreSQL the others, its own keys, in the same race."""


def open_catalog(name: str, block: Mapping[str, str]) -> Catalog:
    """The catalog under this name. Raises PlumblineError for what the block causes, and what may pass as it is."""
    from pyiceberg.catalog import load_catalog

    compare_null_as_sql()
    stage_once()
    logging.getLogger("pyiceberg.catalog").addFilter(_tells_news)
    properties = patient(punctual(catalog_block.pyiceberg_properties(block)))
    try:
        catalog = _beside_others(lambda: load_catalog(name, **properties))
    except Exception as error:
        if may_pass(error):
            raise
        raise opening_error(error, block) from None
    if engine := getattr(catalog, "engine", None):
        # The last connection to go makes SQLite's write-ahead log a part of the file: also where a process ends without
        # a last collection of its garbage.
        weakref.finalize(catalog, engine.dispose)
    return catalog


def _beside_others(opened: Callable[[], Catalog]) -> Catalog:
    """The catalog; opened again where another process made a table of it at the same moment.

    PyIceberg looks for the catalog's own tables, then creates what it has not seen. It has two, and each is made once:
    the third attempt finds them.
    """
    for _ in range(2):
        try:
            return opened()
        except Exception as error:
            if not _MADE_MEANWHILE.search(str(error)):
                raise
    return opened()


def quick_looks(name: str, block: Mapping[str, str], catalog: Callable[[], Catalog]) -> SqliteLooks | None:
    """What finds a SQLite catalog's tables faster than PyIceberg, which `catalog` opens; None for other catalogs."""
    compare_null_as_sql()
    return sqlite_looks(name, patient(catalog_block.pyiceberg_properties(block)), catalog)


def other_names(catalog: Catalog, identifier: str) -> list[str]:
    """Under which names of catalogs an SQL database holds a table; one database may keep several catalogs."""
    engine = getattr(catalog, "engine", None)
    if engine is None:
        return []
    from pyiceberg.catalog.sql import IcebergTables
    from sqlalchemy import select

    space, _, name = identifier.rpartition(".")
    there = IcebergTables.table_namespace == space, IcebergTables.table_name == name
    with engine.connect() as connection:
        return sorted(connection.execute(select(IcebergTables.catalog_name).where(*there)).scalars())


def _tells_news(record: logging.LogRecord) -> bool:
    """Whether a line of PyIceberg's log is worth reading.

    After a commit beside another one it also deletes old metadata files that the other has deleted already.
    """
    return not record.getMessage().startswith("Failed to delete metadata file")
