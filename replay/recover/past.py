"""The past of a job whose checkpoint was lost: every recorded epoch, from whatever is left of the ledger.

The ledger is kept twice, as JSON records beside the checkpoint and as the table `plumbline.epochs`; what is left of
the checkpoint's own log is a third witness. Each may be the only survivor, and they must not contradict each other.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.connect.table_names import EPOCHS
from plumbline.connect.tables import EPOCHS_SCHEMA
from plumbline.contract.errors import IncompleteError
from plumbline.contract.identity import rows_condition
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.inputs.day_ranges import Windows
from plumbline.reconcile.inputs.epoch_spans import lay_out
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.inputs import LEDGER
from plumbline.stream_job.checkpoint_health import Exchange, last_sink_epoch
from plumbline.stream_job.epochs import rows_of
from plumbline.stream_job.ledger import Epoch, Ledger

if TYPE_CHECKING:
    import duckdb

    from plumbline.connect.lake import Lake

COLUMNS = (
    "query_id, run_id, epoch, source, partition, start_offset, end_offset, "
    "late_watermark_ms, evict_watermark_ms, planned_at, spark_version"
)

COMPARED = 1_000
"""How many of the newest records beside the checkpoint are held against the table."""


@dataclass(frozen=True)
class Past:
    """All recorded epochs, laid out in `con` as `ledger_rows` and as spans of offsets (see
    `plumbline.reconcile.inputs.epoch_spans`).

    `last` is the newest recorded epoch (None: nothing was ever recorded), `sink` the query id and epoch of the stream
    table's newest live commit, `sources` where the records came from. `run_start` holds, left first, the first
    offsets that the newest run of the job read.
    """

    pins: Pins
    last: Epoch | None
    sink: tuple[str, int] | None
    sources: tuple[str, ...]
    run_start: tuple[dict[str, int], dict[str, int]]

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The connection in which everything is laid out."""
        return self.pins.con

    def add(self, epochs: Sequence[Epoch]) -> None:
        """Lay out these reconstructed epochs after the last recorded one, in place of any laid out so before."""
        after, query_id = (self.last.epoch, self.last.query_id) if self.last else (-1, epochs[0].query_id)
        self.con.execute(f"DELETE FROM {LEDGER} WHERE query_id = ? AND epoch > ?", [query_id, after])
        _load_records(self.con, self.pins.contract, epochs)
        lay_out(self.pins)

    @property
    def query_ids(self) -> set[str]:
        """Every checkpoint that the ledger knows."""
        found = self.con.execute(f"SELECT DISTINCT query_id FROM {LEDGER}").fetchall()
        return {str(row[0]) for row in found}


def gather(con: duckdb.DuckDBPyConnection, lake: Lake, contract: Contract, exchange: Exchange) -> Past:
    """Bring together what is left of the ledger; `exchange.old_ledger` afterwards holds what the table lacks.

    Raises IncompleteError when epochs are missing between others, or when two witnesses contradict each other.
    """
    in_table = _load_published(con, lake, contract)
    published = _newest(con, contract)
    files = exchange.job.ledger
    in_files = files.last_epoch() + 1
    table = contract.output.stream_table
    sink = last_sink_epoch(lake.load(table)) if lake.exists(table) else None
    old = exchange.old_ledger
    _seed(old, files, published)
    before = old.last_epoch()
    _from_checkpoint(old, sink)
    _load_records(con, contract, old.epochs())
    if not _newer_life_in_table(files, published):
        _load_records(con, contract, files.epochs(after=files.last_epoch() - COMPARED))
    _refuse_gaps(con)
    pins = Pins(con, lake, contract, TimeRange(), {}, (), "512MB", None, Windows(()))
    lay_out(pins)
    last = old.read(old.last_epoch()) if old.last_epoch() >= 0 else None
    found = {EPOCHS: in_table, str(files.folder): in_files, "the checkpoint's log": old.last_epoch() - before}
    return Past(pins, last, sink, tuple(name for name, n in found.items() if n), _run_start(con, contract, last))


def _load_published(con: duckdb.DuckDBPyConnection, lake: Lake, contract: Contract) -> int:
    """Fill `ledger_rows` from the published table; how many epochs that were."""
    import pyarrow as pa

    from plumbline.connect.pinned import scan

    if lake.exists(EPOCHS):
        scan(con, lake, EPOCHS, view="published", row_filter=f"contract == '{contract.contract}'", schema="epochs")
    else:
        con.register("no_epochs", pa.Table.from_pylist([], schema=EPOCHS_SCHEMA))
        con.execute("CREATE OR REPLACE VIEW published AS SELECT * FROM no_epochs")
    known = con.sql("FROM published LIMIT 0").columns
    mine = rows_condition(contract, known)
    columns = (
        COLUMNS if "spark_version" in known else COLUMNS.replace("spark_version", "NULL::VARCHAR AS spark_version")
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE {LEDGER} AS SELECT DISTINCT {columns} FROM published WHERE {mine}")
    found = con.execute(f"SELECT count(DISTINCT (query_id, epoch)) FROM {LEDGER}").fetchone()
    return int(found[0]) if found else 0


def _load_records(con: duckdb.DuckDBPyConnection, contract: Contract, records: Iterable[Epoch]) -> None:
    """Add records to `ledger_rows`, each row once."""
    import pyarrow as pa

    rows = pa.Table.from_pylist(list(rows_of(contract, records)), schema=EPOCHS_SCHEMA)
    con.register("recorded", rows)
    con.execute(f"INSERT INTO {LEDGER} SELECT {COLUMNS} FROM recorded EXCEPT SELECT {COLUMNS} FROM {LEDGER}")
    con.unregister("recorded")


def _newest(con: duckdb.DuckDBPyConnection, contract: Contract) -> Epoch | None:
    """The newest epoch in `ledger_rows`."""
    found = con.execute(
        f"""
        SELECT * EXCLUDE (planned_at), epoch_us(planned_at) // 1000 AS planned_at_ms FROM {LEDGER}
        WHERE query_id = (SELECT arg_max(query_id, (planned_at, query_id)) FROM {LEDGER})
        QUALIFY epoch = max(epoch) OVER ()  -- not the newest by the clock, which may have been set back
        """
    )
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return _epoch(contract, rows) if rows else None


def _epoch(contract: Contract, rows: Sequence[dict[str, Any]]) -> Epoch:
    """The epoch that these rows of the table, one per source partition, describe."""
    sides = [
        [row for row in rows if row["source"] == name and row["end_offset"] is not None]
        for name in (contract.join.left, contract.join.right)
    ]
    starts = [{str(row["partition"]): int(row["start_offset"]) for row in side} for side in sides]
    ends = [{str(row["partition"]): int(row["end_offset"]) for row in side} for side in sides]
    return Epoch(
        epoch=int(rows[0]["epoch"]),
        query_id=str(rows[0]["query_id"]),
        run_id=str(rows[0]["run_id"]),
        planned_at_ms=int(rows[0]["planned_at_ms"]),
        late_watermark_ms=int(rows[0]["late_watermark_ms"]),
        evict_watermark_ms=int(rows[0]["evict_watermark_ms"]),
        start=(starts[0], starts[1]),
        end=(ends[0], ends[1]),
        spark_version=rows[0]["spark_version"],
    )


def _newer_life_in_table(files: Ledger, published: Epoch | None) -> bool:
    """Whether the records beside the checkpoint are of an earlier life than the newest one in the table."""
    if published is None or files.last_epoch() < 0:
        return False
    own = files.read(files.last_epoch())
    return own.query_id != published.query_id and own.planned_at_ms < published.planned_at_ms


def _seed(old: Ledger, files: Ledger, published: Epoch | None) -> None:
    """Start the old life's ledger afresh: the newest published epoch, then the records that the table lacks."""
    shutil.rmtree(old.folder, ignore_errors=True)
    own = files.read(files.last_epoch()) if files.last_epoch() >= 0 else None
    if _newer_life_in_table(files, published):
        own = None
    same_life = own is not None and published is not None and own.query_id == published.query_id
    if published is not None and (own is None or same_life):
        old.keep(published)
    if own is not None:
        for record in files.epochs(after=published.epoch if published and same_life else -1):
            old.keep(record)
        if (files.folder / "runs").is_dir():
            shutil.copytree(files.folder / "runs", old.folder / "runs")


def _from_checkpoint(old: Ledger, sink: tuple[str, int] | None) -> None:
    """Record what the checkpoint's own log still knows: committed epochs, and planned ones that the table holds."""
    try:
        last = old.read(old.last_epoch()) if old.last_epoch() >= 0 else None
        if last is not None and last.query_id != old.query_id():
            return
        old.sync()
        while (planned := old.planned()) and sink and sink[0] == planned.query_id and planned.epoch <= sink[1]:
            old.keep(planned)
    except (OSError, ValueError, KeyError):
        return  # damaged: the records are what counts


def _refuse_gaps(con: duckdb.DuckDBPyConnection) -> None:
    gap = con.execute(
        f"""
        WITH epochs AS (SELECT DISTINCT query_id, epoch FROM {LEDGER}),
        ordered AS (SELECT *, lag(epoch) OVER (PARTITION BY query_id ORDER BY epoch) AS before FROM epochs)
        SELECT query_id, before + 1, epoch - 1 FROM ordered WHERE epoch > before + 1 ORDER BY 1, 2 LIMIT 1
        """
    ).fetchone()
    if gap:
        raise IncompleteError(
            f"the ledger lacks epochs {gap[1]} to {gap[2]} of checkpoint {gap[0]}",
            where=EPOCHS,
            next_step="restore the ledger folder or the table from a backup: only they record which rows were late",
        )
    doubt = con.execute(
        f"""
        SELECT query_id, epoch FROM {LEDGER}
        GROUP BY query_id, epoch, source, partition
        HAVING count(DISTINCT (start_offset, end_offset, late_watermark_ms)) > 1 ORDER BY 1, 2 LIMIT 1
        """
    ).fetchone()
    if doubt:
        raise IncompleteError(
            f"the ledger's files and its table contradict each other about epoch {doubt[1]} of checkpoint {doubt[0]}",
            where=EPOCHS,
            next_step="find out which one was restored from elsewhere, and move the ledger folder away if it was",
        )


def _run_start(
    con: duckdb.DuckDBPyConnection, contract: Contract, last: Epoch | None
) -> tuple[dict[str, int], dict[str, int]]:
    """First offsets of the newest run: Spark's largest event times per source are remembered since then only."""
    starts: tuple[dict[str, int], dict[str, int]] = ({}, {})
    if last is not None:
        found = con.execute(
            f"""
            SELECT source, partition, min(start_offset) FROM {LEDGER} WHERE query_id = ? AND run_id = ? GROUP BY ALL
            """,
            [last.query_id, last.run_id],
        ).fetchall()
        for source, partition, offset in found:
            starts[0 if source == contract.join.left else 1][str(partition)] = int(offset)
    return starts
