"""The Iceberg lake: one block of configuration from which Spark's catalog and PyIceberg's are both built."""

from __future__ import annotations

import difflib
import logging
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from plumbline.connect import catalog_block, place
from plumbline.connect.catalog_answers import WAITS, catalog_error, may_pass
from plumbline.connect.file_formats import refuse_unwritable
from plumbline.connect.foreign_types import loaded
from plumbline.connect.home import Home
from plumbline.connect.opened_catalog import open_catalog, other_names, quick_looks
from plumbline.connect.table_growth import grown
from plumbline.connect.table_plan import refuse_equality_deletes
from plumbline.connect.table_schema import growth
from plumbline.contract.errors import SetupError, UnreachableError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table

    from plumbline.connect.document_types import LakeDocument
    from plumbline.connect.sqlite_looks import SqliteLooks

NAME = "lake"
LOG = logging.getLogger("plumbline.lake")
PLAIN_FILES = "plumbline.connect.local_files.PlainFileIO"
APPEND_ID = "plumbline.append-id"
PATIENCE_SECONDS = 60.0
TRANSFORMS = ("day", "month", "hour", "identity")
T = TypeVar("T")
_ANSWERED: set[str] = set()
"""Addresses of catalogs that have answered this process: one that is silent now is away, and not mistyped."""


@dataclass(frozen=True)
class Lake:
    """A catalog named `lake` and its warehouse. Make it with `Lake.open`; identifiers look like `joined.flights`."""

    block: Mapping[str, str]
    _opened: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    _held: dict[str, Table] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def open(cls, home: Home, catalog: Mapping[str, str] | None = None) -> Lake:
        """The lake of the contract's `catalog:` block; None is the embedded SQLite catalog in `home.lake`.

        Raises UsageError for a block with an unknown type or without its uri, SetupError for a home that was copied or
        moved (see `plumbline.connect.place`).
        """
        place.refuse_elsewhere(home)
        if catalog is None:
            return cls(_embedded(home))
        return cls(catalog_block.checked(catalog))

    def held(self) -> Lake:
        """This lake for a job that reads pinned snapshots: `load` gives of each table what it found first.

        Loading a table parses all of its metadata, which grows with every commit. Code that writes loads it again.
        """
        return replace(self, _held={})

    def spark_conf(self) -> dict[str, str]:
        """Spark settings of the catalog `lake`, secrets included: never print them, see `describe`."""
        return catalog_block.spark_conf(NAME, self.block)

    def catalog(self) -> Catalog:
        """PyIceberg's catalog, opened once. Raises UnreachableError when it cannot be reached, SetupError when it
        refuses.
        """
        if "catalog" not in self._opened:
            self._opened["catalog"] = self.with_retries(lambda: open_catalog(NAME, self.block))
        opened: Catalog = self._opened["catalog"]
        return opened

    def describe(self) -> LakeDocument:
        """What other tools need to open the tables: PyIceberg's and Spark's settings, tables with their metadata files.

        `duckdb.metadata` is `{identifier: metadata.json location}`, as iceberg_scan takes it. Secrets are masked.
        """
        return {
            "catalog": NAME,
            "pyiceberg": catalog_block.masked(catalog_block.pyiceberg_properties(self.block)),
            "spark": catalog_block.masked(self.spark_conf(), f"spark.sql.catalog.{NAME}."),
            "duckdb": {"metadata": {name: self.load(name).metadata_location for name in self.tables()}},
        }

    def tables(self) -> list[str]:
        """All identifiers, sorted."""

        def listed() -> list[str]:
            catalog = self.catalog()
            names = [name for space in catalog.list_namespaces() for name in catalog.list_tables(space)]
            return sorted(".".join(name) for name in names)

        return self.with_retries(listed)

    def exists(self, identifier: str) -> bool:
        """Whether the table exists."""
        return loaded(identifier, lambda: self.with_retries(lambda: bool(self._looks().table_exists(identifier))))

    def load(self, identifier: str) -> Table:
        """The table as it is now (see `held`). Raises SetupError for a missing one, naming the nearest that exists."""
        if self._held is None:
            return self.load_now(identifier)
        if identifier not in self._held:
            self._held[identifier] = self.load_now(identifier)
        return self._held[identifier]

    def load_now(self, identifier: str) -> Table:
        """The table as the catalog has it, also where this lake holds an earlier look at it. Raises as `load`."""
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        try:
            return loaded(identifier, lambda: self.with_retries(lambda: self._looks().load_table(identifier)))
        except (NoSuchTableError, NoSuchNamespaceError):
            raise self._missing(identifier) from None
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno and not isinstance(error, FileNotFoundError):
                raise  # the file system's: the command line tells it
            raise self._unreadable(identifier, error) from None

    def ensure_table(
        self,
        identifier: str,
        schema: pa.Schema,
        partition_by: tuple[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> Table:
        """The table, created if missing (Iceberg v2); safe when several processes do it at once.

        `partition_by` is (transform, column): day, month, hour or identity. An existing table is returned as it is.
        """
        from pyiceberg import exceptions

        def created() -> Table:
            looks = self._looks()
            try:
                with suppress(exceptions.NoSuchTableError, exceptions.NoSuchNamespaceError):
                    return looks.load_table(identifier)
                with suppress(exceptions.TableAlreadyExistsError, exceptions.CommitFailedException):
                    _ensure_namespace(self.catalog(), identifier.rpartition(".")[0])
                    _create(self.catalog(), identifier, schema, partition_by, properties or {})
                return looks.load_table(identifier)
            except FileNotFoundError as error:
                raise self._unreadable(identifier, error) from None

        return loaded(identifier, lambda: self.with_retries(created))

    def evolve(self, identifier: str, schema: pa.Schema) -> Table:
        """The existing table, grown to take rows of `schema`: new columns at the end, wider types; nothing is dropped.

        Repeating it changes nothing; a race with another process is run again. Raises UsageError naming the column
        that cannot follow, with both types; the table is then as it was.
        """

        def evolved() -> Table:
            table = self.load_now(identifier)
            return grown(table, growth(table.schema(), schema, table.schemas()))

        return self.until_won(evolved, f"a change of {identifier}")

    def append(self, identifier: str, rows: pa.Table, snapshot_properties: Mapping[str, str] | None = None) -> None:
        """Append the rows in one commit; retried after a lost race or a lock, and never written twice."""
        mark = {**(snapshot_properties or {}), APPEND_ID: uuid.uuid4().hex}

        def appended() -> None:
            table = self.load_now(identifier)
            refuse_unwritable(table, "an append")
            if not has_append(table, mark[APPEND_ID]):
                table.append(rows, snapshot_properties=mark)

        self.until_won(appended, f"the append to {identifier}")

    def set_properties(
        self, identifier: str, properties: Mapping[str, str], when: Callable[[Table], bool] = lambda table: True
    ) -> bool:
        """Set properties of the table while `when` holds for it as it is now; run again after a lost race.

        False: it did not hold, and nothing was changed.
        """

        def changed() -> bool:
            table = self.load_now(identifier)
            refuse_unwritable(table, "a change of properties")
            if not when(table):
                return False
            with table.transaction() as transaction:
                transaction.set_properties(dict(properties))
            return True

        return self.until_won(changed, f"a change of {identifier}")

    def replace(self, identifier: str, rows: pa.Table, where: BooleanExpression) -> bool:
        """Replace the rows that satisfy the filter, in one commit. False: another commit came between, and stands."""
        from pyiceberg.exceptions import CommitFailedException, ValidationException

        def replaced() -> None:
            table = self.load_now(identifier)
            refuse_unwritable(table, "a replacement of rows")
            refuse_equality_deletes(table, "a replacement of rows")
            table.overwrite(rows, overwrite_filter=where)

        try:
            self.with_retries(replaced)
        except (CommitFailedException, ValidationException):  # the second where it touched rows of the filter
            return False
        return True

    def dispose(self) -> None:
        """Close the catalog's pooled connections: after a failed statement they keep their lock."""
        engine = getattr(self._opened.get("catalog"), "engine", None)
        if engine is not None:
            engine.dispose()

    def until_won(self, action: Callable[[], T], what: str, pause: float = 0.2) -> T:
        """Run an action that commits, with retries, and again `pause` seconds after each race that it lost.

        Raises UnreachableError, which names `what` it was, when it has lost all races of a minute.
        """
        from pyiceberg.exceptions import CommitFailedException

        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.with_retries(action)
            except CommitFailedException as error:
                if time.monotonic() > deadline:
                    raise UnreachableError(f"{what} lost every race for 60 s: {error}") from None
                time.sleep(pause)

    def with_retries(self, action: Callable[[], T]) -> T:
        """Run the action; while the catalog is locked, busy, or away after it has answered, again for a minute."""
        deadline, waits = time.monotonic() + PATIENCE_SECONDS, iter(WAITS)
        while True:
            try:
                done = action()
                _ANSWERED.add(self.block.get("uri", ""))
                return done
            except Exception as error:
                foreseen = catalog_error(error, self.block)
                if foreseen is None:
                    raise
                self.dispose()
                wait = 0.2 if _is_locked(error) and time.monotonic() < deadline else None
                if may_pass(error, answered=self.block.get("uri", "") in _ANSWERED):
                    wait = next(waits, None)
                if wait is None:
                    raise foreseen from None
                if wait > 1.0:
                    LOG.warning("%s; trying again in %.0f s", foreseen.what, wait)
            time.sleep(wait)

    def _looks(self) -> Catalog | SqliteLooks:
        """What finds tables: PyIceberg's catalog, or a quicker way to the same."""
        if "looks" not in self._opened:
            self._opened["looks"] = quick_looks(NAME, self.block, self.catalog)
        return self._opened["looks"] or self.catalog()

    def _missing(self, identifier: str) -> SetupError:
        near = difflib.get_close_matches(identifier, self.tables(), 1, 0.4)
        if others := self.with_retries(lambda: other_names(self.catalog(), identifier)):
            return SetupError(
                f"table {identifier} is in this database, but in the catalog named {' and '.join(others)}",
                where=self.place,
                next_step=f"Plumbline reads the catalog named {NAME}: let your job name its catalog so too",
            )
        return SetupError(
            f"table {identifier} does not exist",
            where=self.place,
            next_step=f"did you mean {near[0]}?" if near else "run the job that writes it first",
        )

    def _unreadable(self, identifier: str, error: Exception) -> SetupError:
        return SetupError(
            f"table {identifier} is unreadable: {error}",
            where=self.place,
            next_step="bring back the file that the catalog names, or drop the table and run the job that writes it",
        )

    @property
    def place(self) -> str:
        """The catalog's address, for messages."""
        return catalog_block.masked(dict(self.block)).get("uri", NAME)


def _embedded(home: Home) -> dict[str, str]:
    database, warehouse = home.lake / "catalog.db", home.lake / "warehouse"
    if not database.exists():
        warehouse.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            # WAL is a property of the file: set once here, Spark's and PyIceberg's connections inherit it.
            connection.execute("PRAGMA journal_mode=WAL")
    place.note(home)
    # An SQLAlchemy uri is percent-encoded; Iceberg locations are plain text: a blank would become a folder named %20.
    block = {"type": "sql", "uri": f"sqlite:///{quote(str(database))}", "warehouse": f"file://{warehouse}"}
    return block | ({"py-io-impl": PLAIN_FILES} if set("#?") & set(str(warehouse)) else {})


def _is_locked(error: Exception) -> bool:
    return "locked" in str(getattr(error, "orig", ""))


def _ensure_namespace(catalog: Catalog, namespace: str) -> None:
    from sqlalchemy.exc import IntegrityError

    # PyIceberg looks first and inserts then; a process that inserts between the two has made what is wanted.
    with suppress(IntegrityError):
        catalog.create_namespace_if_not_exists(namespace)


def _create(
    catalog: Catalog,
    identifier: str,
    schema: pa.Schema,
    partition_by: tuple[str, str] | None,
    properties: Mapping[str, str],
) -> None:
    with catalog.create_table_transaction(
        identifier, schema, properties={"format-version": "2", **properties}
    ) as change:
        if partition_by is not None:
            transform, column = partition_by
            if transform not in TRANSFORMS:
                raise UsageError(
                    f"partition_by {transform} is unknown", next_step=f"use one of {', '.join(TRANSFORMS)}"
                )
            name = column if transform == "identity" else f"{column}_{transform}"
            with change.update_spec() as spec:
                spec.add_field(column, transform, name)


def has_append(table: Table, append_id: str) -> bool:
    """Whether one of the newest commits carries this mark."""
    recent = table.metadata.snapshots[-50:]
    return any(s.summary and s.summary.additional_properties.get(APPEND_ID) == append_id for s in recent)
