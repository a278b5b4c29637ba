"""Which tables and files are written and read here: Parquet, and by PyIceberg format versions 1 and 2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

DEFAULT_FORMAT = "write.format.default"
AS_PARQUET = {"write-format": "parquet"}
"""Option of Spark's Iceberg writer that goes before the table's `write.format.default`."""

NEWEST_WRITTEN = 2


def writable(table: Table) -> bool:
    """Whether PyIceberg commits to tables of this format version; up to 0.12 it does not write version 3."""
    return bool(table.metadata.format_version <= NEWEST_WRITTEN)


def refuse_unwritable(table: Table, what: str) -> None:
    """Raise SetupError for a table that PyIceberg cannot commit to; `what` says what it was to do."""
    if not writable(table):
        raise SetupError(
            f"{what} is a commit by PyIceberg, which writes format versions 1 and {NEWEST_WRITTEN}; "
            f"{'.'.join(table.name())} is of version {table.metadata.format_version}",
            where=f"table {'.'.join(table.name())}",
            next_step="a table cannot go back to an older version: copy its rows into a new one of version "
            f"{NEWEST_WRITTEN} (CREATE TABLE ... AS SELECT) and name that in the contract",
        )


def refuse_other_format(table: Table, what: str) -> None:
    """Raise SetupError for a table whose `write.format.default` would make files that are not read here."""
    found = table.properties.get(DEFAULT_FORMAT, "parquet")
    if found.lower() != "parquet":
        name = ".".join(table.name())
        raise SetupError(
            f"{name} has {DEFAULT_FORMAT} = {found}: {what} would make files that are not read",
            where=f"table {name}",
            next_step=f"ALTER TABLE {name} SET TBLPROPERTIES ('{DEFAULT_FORMAT}'='parquet')",
        )


def refuse_unread_files(files: Iterable[DataFile], identifier: str) -> None:
    """Raise SetupError when data or delete files of a scan are not Parquet."""
    for file in files:
        kind = str(file.file_format.value).upper()
        if kind not in ("PARQUET", "PUFFIN"):  # deletion vectors of version 3
            raise SetupError(
                f"{identifier} holds files of {kind}; only Parquet is read",
                where=file.file_path,
                next_step=f"ALTER TABLE {identifier} SET TBLPROPERTIES ('{DEFAULT_FORMAT}'='parquet'), then CALL "
                f"system.rewrite_data_files(table => '{identifier}', options => map('rewrite-all', 'true'))",
            )
