"""The late rows of a range, what of them is certain, and how far they are known."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import text
from plumbline.connect.table_names import EPOCHS, LATE
from plumbline.connect.tables import LATE_SCHEMA
from plumbline.contract.archive_columns import refuse_archive_of_theirs
from plumbline.contract.errors import SetupError
from plumbline.contract.identity import rows_condition
from plumbline.contract.lateness import unproven
from plumbline.contract.operators import planned_by, unproven_plan
from plumbline.contract.ranges import TimeRange, from_micros, spell_time
from plumbline.stream_job.late.rows import looked_at

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.stream_job.document_types import By, LateKnown, LateSource

TIMES: dict[By, str] = {"dropped": "dropped_at", "event": "event_time"}
"""What a range may select by, and its column."""
LEDGER = ("contract", "query_id", "epoch", "source", "topic", "partition", "start_offset", "end_offset", "planned_at")
TOLD = ("spark_version", "operators")
"""What else it says of an epoch; a ledger that an earlier version wrote lacks the columns."""
MEMORY = "256MB"


class Listing:
    """What `plumbline.late` and the epoch ledger say of one contract, in DuckDB. Close it.

    Raises SetupError without a ledger, or where another tool changed a table.
    """

    def __init__(self, lake: Lake, contract: Contract, time_range: TimeRange, by: By) -> None:
        self.lake, self.contract = lake.held(), contract
        self.con: duckdb.DuckDBPyConnection = pinned.connection(MEMORY)
        self._lay_out_ledger()
        self._lay_out_rows(time_range, TIMES[by])

    def close(self) -> None:
        self.con.close()

    def sources(self) -> dict[str, LateSource]:
        """How many rows each source has, and how late the latest of them was."""
        found: dict[str, LateSource] = {}
        for side, name in (("left", self.contract.join.left), ("right", self.contract.join.right)):
            [(records, unsure, worst, first, last)] = self.con.execute(
                f"""
                SELECT count(*), count(*) FILTER (passes_where IS NULL), max(late_by_ms),
                    epoch_us(min(dropped_at)), epoch_us(max(dropped_at))
                FROM late WHERE source = {text(name)}
                """
            ).fetchall()
            found[name] = {
                "side": "left" if side == "left" else "right",
                "records": int(records),
                "unsure": int(unsure),
                "worst_ms": worst,
                "first_dropped_at": None if first is None else spell_time(from_micros(first)),
                "last_dropped_at": None if last is None else spell_time(from_micros(last)),
            }
        return found

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The `limit` rows that were dropped last, newest first."""
        order = 'ORDER BY dropped_at DESC, source, partition, "offset" DESC'
        found: pa.Table = self.con.sql(f"FROM late {order} LIMIT {limit}").to_arrow_table()
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows

    def known(self) -> LateKnown:
        """Up to where late rows are known, and what stays unknown."""
        through = looked_at(self.lake, self.contract)
        query_id, last = self.con.execute(
            "SELECT query_id, epoch FROM ledger ORDER BY age DESC, epoch DESC LIMIT 1"
        ).fetchall()[0]
        epochs = self.con.execute("SELECT DISTINCT query_id, epoch FROM ledger").fetchall()
        open_ = [(query, epoch) for query, epoch in epochs if epoch > through.get(query, -1)]
        self.con.execute("CREATE TABLE open_epochs (query_id VARCHAR, epoch BIGINT)")
        if open_:
            self.con.executemany("INSERT INTO open_epochs VALUES (?, ?)", open_)
        waiting = self.con.execute(
            """
            SELECT source, sum(end_offset - start_offset)::BIGINT FROM ledger JOIN open_epochs USING (query_id, epoch)
            GROUP BY source HAVING sum(end_offset - start_offset) > 0 ORDER BY source
            """
        ).fetchall()
        versions = self.con.execute("SELECT DISTINCT spark_version, operators FROM ledger").fetchall()
        return {
            "query_id": query_id,
            "last_epoch": int(last),
            "looked_at": through.get(query_id, -1),
            "waiting": {name: int(offsets) for name, offsets in waiting},
            "unseen": self._unseen(),
            "unproven_spark": list(unproven(planned_by(self.contract, *each) for each in versions)),
        }

    def _unseen(self) -> dict[str, int]:
        """Source to how many offsets were read in epochs that the ledger lacks: only a team's own job has such."""
        if self.contract.job is None:
            return {}
        found = self.con.execute(
            """
            SELECT source, sum(gap)::BIGINT FROM (
                SELECT source, start_offset - lag(end_offset) OVER (
                    PARTITION BY query_id, source, partition ORDER BY epoch) AS gap
                FROM ledger
            ) WHERE gap > 0 GROUP BY source ORDER BY source
            """
        ).fetchall()
        return {name: int(offsets) for name, offsets in found}

    def _lay_out_ledger(self) -> None:
        """Fill `ledger`, with the age of each query; in it are the contract's epochs, each once."""
        there = self.lake.exists(EPOCHS)
        if there:
            has = self.lake.load(EPOCHS).schema().column_names
            mine = rows_condition(self.contract, has)
            columns = [name for name in (*LEDGER, "stream_table", *TOLD) if name in has]
            pinned.scan(self.con, self.lake, EPOCHS, view="epochs", row_filter=mine, columns=columns, schema="epochs")
            told = ", ".join(name if name in has else f"NULL::VARCHAR AS {name}" for name in TOLD)
            self.con.execute(
                f"""
                CREATE TABLE ledger AS
                WITH mine AS (
                    SELECT DISTINCT query_id, epoch, source, partition, start_offset, end_offset, planned_at, {told}
                    FROM epochs WHERE {mine}
                ),
                queries AS (
                    SELECT query_id, row_number() OVER (ORDER BY max(planned_at), query_id) AS age
                    FROM mine GROUP BY query_id
                )
                FROM mine JOIN queries USING (query_id)
                """
            )
        if not there or not self.con.execute("SELECT 1 FROM ledger LIMIT 1").fetchall():
            raise SetupError(
                f"the epoch ledger has no rows of contract {self.contract.contract}: what was late is not known",
                where=EPOCHS,
                next_step="run the stream, or `plumbline observe CONTRACT` beside a Spark job of your own",
            )

    def _of_unproven_plans(self) -> str:
        """SQL: queries of which nobody knows by which watermark they drop. An earlier version noted rows of such."""
        plans = self.con.execute("SELECT DISTINCT query_id, operators FROM ledger").fetchall()
        return ", ".join(text(query) for query, plan in plans if unproven_plan(self.contract, plan)) or "''"

    def _lay_out_rows(self, time_range: TimeRange, column: str) -> None:
        """Fill `late`: the rows in the range, but for those whose records a later query has read again and decided."""
        if not self.lake.exists(LATE):
            self.con.register("nothing", LATE_SCHEMA.empty_table())
            self.con.execute("CREATE VIEW late AS FROM nothing")
            return
        mine = rows_condition(self.contract, LATE_SCHEMA.names)
        inside = time_range.iceberg(column)
        reach = f"({mine}) and {inside}" if inside else mine
        pinned.scan(self.con, self.lake, LATE, view="noted", row_filter=reach, schema="late")
        self.con.execute(
            f"""
            CREATE VIEW late AS
            WITH begun AS (
                SELECT query_id, age, source, partition, min(start_offset) AS first_offset FROM ledger GROUP BY ALL
            ),
            ages AS (SELECT DISTINCT query_id, age FROM ledger)
            SELECT n.* FROM noted n LEFT JOIN ages USING (query_id)
            WHERE ({mine}) AND {time_range.sql(column)} AND query_id NOT IN ({self._of_unproven_plans()})
            AND NOT EXISTS (
                SELECT 1 FROM begun b WHERE b.age > ages.age AND b.source = n.source AND b.partition = n.partition
                    AND n."offset" >= b.first_offset
            )
            """
        )


def listed(
    lake: Lake, contract: Contract, time_range: TimeRange, by: By, limit: int
) -> tuple[dict[str, LateSource], list[dict[str, Any]], LateKnown]:
    """Each source's counts, the newest rows, and how far they are known. Raises as `Listing`."""
    refuse_archive_of_theirs(contract, "late", "`plumbline reconcile` names the late rows")
    with closing(Listing(lake, contract, time_range, by)) as listing:
        return listing.sources(), listing.newest(limit), listing.known()
