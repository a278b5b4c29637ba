"""One look at a source's archive for what epochs dropped as late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import text
from plumbline.connect.table_names import LATE
from plumbline.connect.tables import LATE_SCHEMA
from plumbline.connect.where_conditions import condition
from plumbline.contract.identity import rows_condition
from plumbline.contract.lateness import late_by_sql, late_sql
from plumbline.stream_job.late.judging import Judge
from plumbline.stream_job.late.spans import Places, hull, places_table, spans_table

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

ROWS_AT_ONCE = 10_000
"""Rows read at once: a value may be as long as Kafka lets it be."""


@dataclass
class Looking:
    """One look at a source's archive, in DuckDB. The table `spans` is filled."""

    lake: Lake
    contract: Contract
    name: str
    con: duckdb.DuckDBPyConnection
    query_id: str
    judge: Judge | None = None
    has: frozenset[str] = frozenset()

    @property
    def any(self) -> bool:
        """Whether there is a late record."""
        return bool(self.con.execute("SELECT 1 FROM late LIMIT 1").fetchone())

    def find(self, spans: Sequence[Mapping[str, Any]]) -> None:
        """Fill `late`: the places of the records that could enter the join and came behind the watermark."""
        source = self.contract.sources[self.name]
        self.has = frozenset(self.lake.load(source.archive).schema().column_names)
        reach = _reach(hull(spans))
        pinned.scan(
            self.con,
            self.lake,
            source.archive,
            view="archived",
            row_filter=reach,
            columns=self._narrow,
            schema="archive",
        )
        event_us, event_id = "epoch_us(a.event_time)", "a.event_id" if "event_id" in self.has else "NULL::VARCHAR"
        self.con.execute(
            f"""
            CREATE OR REPLACE TABLE late AS
            SELECT DISTINCT a.partition, a."offset", a.event_time, {event_id} AS event_id,
                s.epoch, s.run_id, s.planned_at, s.late_watermark_ms,
                {late_by_sql(event_us, "s.late_watermark_ms")} AS late_by_ms
            FROM (FROM archived WHERE {self._admitted}) a
            ASOF JOIN spans s ON a.partition = s.partition AND a."offset" >= s.start_offset
            WHERE a."offset" < s.end_offset AND {late_sql(event_us, "s.late_watermark_ms")}
            """
        )

    def leave_out_copies(self, spans: Sequence[Mapping[str, Any]], begun: Places) -> None:
        """Take out of `late` what is another delivery of an event that was read before: in time, or noted already."""
        if "event_id" not in self.has:
            return
        [(first, last)] = self.con.execute("SELECT min(event_time), max(event_time) FROM late").fetchall()
        reach = f"event_time >= '{first.isoformat()}' and event_time <= '{last.isoformat()}'"
        archive = self.contract.sources[self.name].archive
        pinned.scan(
            self.con, self.lake, archive, view="deliveries", row_filter=reach, columns=self._narrow, schema="archive"
        )
        self.con.register("all_spans", spans_table(spans))
        self.con.register("begun", places_table(begun))
        self.con.execute(
            f"""
            DELETE FROM late WHERE (partition, "offset") IN (
                WITH others AS (
                    SELECT l.partition, l."offset", l.epoch, d.partition AS other_partition, d."offset" AS other_offset
                    FROM late l JOIN (FROM deliveries WHERE {self._admitted}) d USING (event_id, event_time)
                    WHERE (d.partition, d."offset") <> (l.partition, l."offset")
                )
                SELECT (o.partition, o."offset") FROM others o
                LEFT JOIN begun b ON b.partition = o.other_partition
                LEFT JOIN all_spans s ON s.partition = o.other_partition
                    AND o.other_offset >= s.start_offset AND o.other_offset < s.end_offset
                WHERE o.other_offset < b.start_offset OR s.epoch < o.epoch
                    OR (s.epoch = o.epoch AND (o.other_partition, o.other_offset) < (o.partition, o."offset"))
            )
            """
        )

    def rows(self, side: str) -> Iterator[pa.Table]:
        """The late records that the table lacks, ROWS_AT_ONCE of them at once, as it has them."""
        passes = condition(self.contract.sources[self.name])
        self._leave_out_held()
        numbered = f'(row_number() OVER (ORDER BY partition, "offset") - 1) // {ROWS_AT_ONCE}'
        self.con.execute(f"CREATE OR REPLACE TABLE due AS SELECT *, {numbered} AS part FROM late")
        for (part,) in self.con.execute("SELECT DISTINCT part FROM due ORDER BY part").fetchall():
            yield self._made(self._sure(self._raw(part, passes), passes), side)

    def _sure(self, rows: pa.Table, passes: str | None) -> pa.Table:
        """The rows without those that `where` leaves out where only Spark can tell them, if there is one to ask."""
        import pyarrow as pa

        entering = self.judge(self.name, rows) if passes is None and self.judge and rows.num_rows else None
        if entering is None:
            return rows
        places = zip(rows["partition"].to_pylist(), rows["offset"].to_pylist(), strict=True)
        sure = rows.filter(pa.array([place in entering for place in places], pa.bool_()))
        told = pa.array([True] * sure.num_rows, pa.bool_())
        return sure.set_column(sure.column_names.index("passes_where"), "passes_where", told)

    def _raw(self, part: int, passes: str | None) -> pa.Table:
        """The archived records of one part that the source's `where` lets in, as far as that is known here."""
        reach = _reach(self._places(f"due WHERE part = {part}"))
        archive = self.contract.sources[self.name].archive
        pinned.scan(self.con, self.lake, archive, view="raw", row_filter=reach, schema="archive")
        return self.con.sql(
            f"""
            SELECT a.*, l.* EXCLUDE (partition, "offset", event_time, event_id, part),
                {"NULL" if passes is None else "true"}::BOOLEAN AS passes_where
            FROM (
                SELECT DISTINCT ON (partition, "offset") * FROM raw WHERE {self._admitted}
                    AND (partition, "offset") IN (SELECT (partition, "offset") FROM due WHERE part = {part})
            ) a
            JOIN due l USING (partition, "offset") WHERE coalesce({passes or "true"}, false)
            """
        ).to_arrow_table()

    def _places(self, rows: str) -> dict[int, tuple[int, int]]:
        """From where to where the places in these rows lie, by partition."""
        found = self.con.execute(f'SELECT partition, min("offset"), max("offset") + 1 FROM {rows} GROUP BY partition')
        return {int(partition): (int(start), int(end)) for partition, start, end in found.fetchall()}

    @property
    def _narrow(self) -> list[str]:
        wanted = ("topic", "partition", "offset", "event_time", "quarantine_reason", "event_id")
        return [column for column in wanted if column in self.has]

    @property
    def _admitted(self) -> str:
        """SQL over the archive: the record is of this source, and could enter the join as far as its columns say."""
        reason = " AND quarantine_reason IS NULL" if "quarantine_reason" in self.has else ""
        return f"topic = {text(self.contract.sources[self.name].topic)} AND event_time IS NOT NULL{reason}"

    def _leave_out_held(self) -> None:
        """Take out of `late` what the table has of this query already."""
        mine = f"({rows_condition(self.contract, LATE_SCHEMA.names)}) and source == '{self.name}'"
        told = f"{mine} and query_id == '{self.query_id}' and ({_reach(self._places('late'))})"
        columns = ("contract", "stream_table", "topic", "source", "query_id", "partition", "offset")
        pinned.scan(self.con, self.lake, LATE, view="held", row_filter=told, columns=columns, schema="late")
        self.con.execute(
            f"""
            DELETE FROM late WHERE (partition, "offset") IN (
                SELECT (partition, "offset") FROM held WHERE {mine} AND query_id = {text(self.query_id)}
            )
            """
        )

    def _made(self, rows: pa.Table, side: str) -> pa.Table:
        """Rows of `plumbline.late`."""
        import pyarrow as pa

        given = {
            "contract": self.contract.contract,
            "source": self.name,
            "side": side,
            "query_id": self.query_id,
            "noted_at": datetime.now(UTC),
            "stream_table": self.contract.output.stream_table,
        }
        renamed = rows.rename_columns(["dropped_at" if name == "planned_at" else name for name in rows.column_names])
        columns = [
            pa.repeat(pa.scalar(given[field.name], field.type), rows.num_rows)
            if field.name in given
            else renamed[field.name].cast(field.type)
            if field.name in renamed.column_names
            else pa.nulls(rows.num_rows, field.type)
            for field in LATE_SCHEMA
        ]
        return pa.table(columns, schema=LATE_SCHEMA)


def _reach(places: Mapping[int, tuple[int, int]]) -> str:
    """A PyIceberg filter for files with offsets from (in it) to (not in it), by partition."""
    return " or ".join(
        f"(partition == {p} and offset >= {start} and offset < {end})" for p, (start, end) in places.items()
    )
