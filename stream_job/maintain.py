"""Table maintenance that a streaming job survives: small files joined, deleted rows and their files, old snapshots and
orphan files removed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from plumbline.connect.file_formats import refuse_other_format
from plumbline.connect.rows_below import rows_named
from plumbline.contract.aggregate import keeps_rows, rows_table
from plumbline.contract.errors import PlumblineError, SetupError
from plumbline.contract.model import Contract
from plumbline.stream_job import expiry, orphans, spark_internals
from plumbline.stream_job.backoff import Backoff
from plumbline.stream_job.compaction import Compacted, Files, compact, files_of
from plumbline.stream_job.failures import judge

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.stream_job.document_types import MaintainDocument, MaintainedTable

Say = Callable[[str], None]
T = TypeVar("T")

NAMESPACE = "plumbline"
IDS_AT_ONCE = 5_000
ATTEMPTS = 6
VIEW = "plumbline_orphans"
SHARED = "gc.enabled is false"


@dataclass(frozen=True)
class Limits:
    """What is old: snapshots, and files that no snapshot knows."""

    snapshots: timedelta = timedelta(days=7)
    orphans: timedelta = timedelta(days=3)


def maintain(
    contract: Contract,
    home: Home,
    limits: Limits,
    pinned: Collection[int],
    *,
    execute: bool = False,
    say: Say = lambda message: None,
    spark: SparkSession | None = None,
) -> MaintainDocument:
    """Maintain the stream table, both archives, the joined rows beside the batch table and the tables in `plumbline`;
    without `execute` only say what for.

    Safe beside a running stream: snapshots are expired by id, never the newest of a living query nor one between it
    and the head, never one in `pinned`; a lost race is tried again.

    Returns `{"contract", "executed", "tables": [{"table", "files", "small_files", "rewritten_files", "delete_files",
    "removed_delete_files", "snapshots", "expire", "kept", "orphans"}]}`. Raises SetupError when no such table exists,
    UnreachableError without a catalog.
    """
    from plumbline.connect.lake import Lake
    from plumbline.connect.spark import session

    lake = Lake.open(home, contract.catalog)
    tables = tables_of(lake, contract)
    if not tables:
        raise SetupError(
            f"no table of {contract.contract} exists yet",
            where=contract.output.stream_table,
            next_step="run the job that writes them first",
        )
    live = live_queries(home)
    spark = spark or session(home, lake, app=f"plumbline-maintain-{contract.contract}")
    done = []
    for name in tables:
        say(f"maintain: {name}")
        rows = keeps_rows(contract) and name == rows_table(contract)
        work = _Work(spark, lake, name, limits, live, pinned, say, contract if rows else None)
        done.append(work.all(execute=execute))
    return {"contract": contract.contract, "executed": execute, "tables": done}


def tables_of(lake: Lake, contract: Contract) -> list[str]:
    """The tables that are maintained: the stream's, the joined rows beside the batch table, the archives', and all of
    the namespace `plumbline`.

    The batch table is left alone: what the reference covers is read from its snapshots. So is the table of a team's
    own streaming job, and what another tool archives.
    """
    mine = [contract.output.stream_table] if contract.job is None else []
    rows = [rows_table(contract)] if keeps_rows(contract) else []
    wanted = [*mine, *rows, *(s.archive for s in contract.sources.values() if s.archive_columns is None)]
    there = lake.tables()
    return [name for name in wanted if name in there] + [name for name in there if name.startswith(f"{NAMESPACE}.")]


def rows_needed(lake: Lake, contract: Contract) -> set[int]:
    """The snapshot of the joined rows that the newest batch run names, whatever its age, and all after it: a run
    at work has written its rows, and names their snapshot last. All, where none is named."""
    from pyiceberg.table.snapshots import ancestors_of

    rows, named = lake.load(rows_table(contract)), _named_rows(lake, contract)
    found: set[int] = set()
    for one in ancestors_of(rows.current_snapshot(), rows.metadata):
        found.add(one.snapshot_id)
        if one.snapshot_id == named:
            return found
    return {one.snapshot_id for one in rows.metadata.snapshots}


def _named_rows(lake: Lake, contract: Contract) -> int | None:
    if not lake.exists(contract.output.batch_table):
        return None
    batch = lake.load(contract.output.batch_table)
    return rows_named(batch, batch.metadata.current_snapshot_id)


def live_queries(home: Home) -> set[str]:
    """The ids of all streaming queries whose checkpoints are in this home."""
    found = set()
    for metadata in home.checkpoints.glob("*/*/metadata"):
        try:
            found.add(str(json.loads(metadata.read_text())["id"]))
        except (ValueError, KeyError, OSError):
            continue
    return found


@dataclass(frozen=True)
class _Work:
    """The maintenance of one table. `below`: the contract of whose batch table this one holds the joined rows; their
    files are left as the batch runs wrote them."""

    spark: SparkSession
    lake: Lake
    name: str
    limits: Limits
    live: Collection[str]
    pinned: Collection[int]
    say: Say
    below: Contract | None = None

    def all(self, *, execute: bool) -> MaintainedTable:
        """Rewrite, then expire what that made superfluous too, then remove what nothing refers to."""
        table = self.lake.load(self.name)
        files = files_of(table)
        compacted = Compacted()
        if not self.below and (files.small or files.deletes):
            refuse_other_format(table, "a rewrite of its small files")
            compacted = self._compact(files) if execute else compacted
        # The owner of such a table has said that its files are not its own alone: Iceberg deletes none of them either.
        shared = self.lake.load(self.name).metadata.properties.get("gc.enabled", "true").lower() == "false"
        planned = self._patiently(self._expire) if execute and not shared else self._plan()
        if shared:
            planned = expiry.Expiry((), {SHARED: sum(planned.kept.values()) + len(planned.expire)})
        return {
            "table": self.name,
            "files": files.total,
            "small_files": 0 if self.below else files.small,
            "rewritten_files": compacted.rewritten,
            "delete_files": len(files.deletes),
            "removed_delete_files": compacted.removed,
            "snapshots": sum(planned.kept.values()) + len(planned.expire),
            "expire": len(planned.expire),
            "kept": dict(planned.kept),
            "orphans": 0 if shared else self._patiently(lambda: self._orphans(execute=execute)),
        }

    def _compact(self, files: Files) -> Compacted:
        def look() -> Files:
            return files_of(self.lake.load(self.name))

        done = compact(self.name, files, look, lambda procedure: self._patiently(lambda: self._call(procedure)))
        if done.held_back:
            self.say(
                f"maintain: {self.name}: {done.held_back:,} of {len(files.deletes):,} files of deletes stay: other "
                "commits changed their rows meanwhile; the next run tries it again"
            )
        return done

    def _plan(self) -> expiry.Expiry:
        now_ms = time.time_ns() // 1_000_000
        versions, head, refs = expiry.versions_of(self.lake.load(self.name))
        older_than_ms = now_ms - self.limits.snapshots // timedelta(milliseconds=1)
        needed = rows_needed(self.lake, self.below) if self.below else set()
        pinned = {*self.pinned, *needed}
        return expiry.plan(
            versions, head, refs, live=self.live, pinned=pinned, older_than_ms=older_than_ms, now_ms=now_ms
        )

    def _expire(self) -> expiry.Expiry:
        """Expire by id; no rule of age of Iceberg's may add to them."""
        planned = self._plan()
        aged = [name for name, ref in self.lake.load(self.name).metadata.refs.items() if ref.max_snapshot_age_ms]
        if aged and planned.expire:
            raise SetupError(
                f"branch {aged[0]} of {self.name} has a retention of its own, by which Iceberg would expire more",
                next_step=f"ALTER TABLE ... CREATE OR REPLACE BRANCH {aged[0]} without SNAPSHOT RETENTION",
            )
        for start in range(0, len(planned.expire), IDS_AT_ONCE):
            ids = ", ".join(f"{snapshot}L" for snapshot in planned.expire[start : start + IDS_AT_ONCE])
            ages = "older_than => TIMESTAMP '1970-01-02 00:00:00', retain_last => 1000000000"
            self._call(f"expire_snapshots(table => '{self.name}', {ages}, snapshot_ids => array({ids}))")
        return planned

    def _orphans(self, *, execute: bool) -> int:
        """Files of this table that no snapshot knows: by Iceberg's own search, and then only those that are this
        table's for certain (see `orphans`)."""
        before, location = datetime.now(UTC) - self.limits.orphans, self.lake.load(self.name).location()
        if orphans.all_younger(location, before):
            return 0
        arguments = f"table => '{self.name}', older_than => TIMESTAMP '{before:%Y-%m-%d %H:%M:%S}'"
        listing = ", prefix_listing => true" if orphans.on_object_store(location) else ""
        there = [row[0] for row in self._call(f"remove_orphan_files({arguments}, dry_run => true{listing})")]
        places = {name: self.lake.load(name).location() for name in self.lake.tables()} if there else {}
        mine = orphans.removable(there, self.name, places)
        if mine and execute:
            # Iceberg compares the files of this view with the table's once more and deletes what is still an orphan.
            rows = [(file, datetime(1970, 1, 2, tzinfo=UTC)) for file in mine]
            self.spark.createDataFrame(rows, "file_path string, last_modified timestamp").createOrReplaceTempView(VIEW)
            self._call(f"remove_orphan_files({arguments}, file_list_view => '{VIEW}')")
        return len(mine)

    def _call(self, procedure: str) -> list[Any]:
        return list(self.spark.sql(f"CALL lake.system.{procedure}").collect())

    def _patiently(self, action: Callable[[], T]) -> T:
        """Do it again after a lost race or a short loss of the catalog."""
        backoff = Backoff()
        while True:
            try:
                return action()
            except PlumblineError:
                raise
            except Exception as error:
                failure = judge(spark_internals.causes_behind(error))
                if not failure.passing or backoff.attempts + 1 >= ATTEMPTS:
                    raise failure.error(f"the maintenance of {self.name}") from error
                time.sleep(backoff.wait(time.monotonic()))
