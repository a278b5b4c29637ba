"""The tape of a recovery: every row that can still matter and was not dropped, before the border, each once.

Two files a side: what earlier runs of the job had read, then what its newest run had, because Spark remembers the
largest event time of each source only since the last start.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect.parquet import parquet_rows
from plumbline.connect.sql_quoting import text
from plumbline.contract import formats
from plumbline.contract.lateness import late_sql
from plumbline.contract.lineage import SIDES
from plumbline.contract.model import Contract
from plumbline.reconcile.inputs.reduced_times import judged_us
from plumbline.replay.recover.border import LINEAGE_NEAR
from plumbline.replay.recover.past import Past
from plumbline.replay.recover.plan import SourcePlan, reach
from plumbline.replay.tape_rows import Archived, topic_rows, view_rows
from plumbline.stream_job.archive import RENAMED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.lake import Lake

COLUMNS = ("topic", "partition", "offset", "timestamp", "timestampType", "headers", "key", "value")


@dataclass(frozen=True)
class Cut:
    """What a tape holds: rows per side, left first, and how many rows were left out because they were late."""

    rows: tuple[int, int]
    left_out: tuple[int, int]


def cut(
    past: Past,
    lake: Lake,
    contract: Contract,
    spark: SparkSession,
    kafka: Mapping[str, str],
    plans: tuple[SourcePlan, SourcePlan],
    folder: Path,
) -> Cut:
    """Cut the tape afresh into `folder`, a subfolder a side, by the spans of `past` as they are laid out now."""
    shutil.rmtree(folder, ignore_errors=True)
    rows, late = [], []
    for side, plan, start in zip(SIDES, plans, past.run_start, strict=True):
        _view_raw(past, lake, contract, spark, kafka, side, plan, folder)
        late.append(_judge(past, side))
        rows.append(_write(past, side, start, folder / side))
    return Cut((rows[0], rows[1]), (late[0], late[1]))


def recut(past: Past, folder: Path) -> Cut:
    """Cut the tape again from the same rows, after the spans of `past` were changed."""
    late = [_judge(past, side) for side in SIDES]
    rows = []
    for side, start in zip(SIDES, past.run_start, strict=True):
        shutil.rmtree(folder / side)
        rows.append(_write(past, side, start, folder / side))
    return Cut((rows[0], rows[1]), (late[0], late[1]))


def part(folder: Path, side: str, number: int) -> Path:
    """One file of a tape."""
    return folder / side / f"part{number}.parquet"


def _view_raw(
    past: Past,
    lake: Lake,
    contract: Contract,
    spark: SparkSession,
    kafka: Mapping[str, str],
    side: str,
    plan: SourcePlan,
    folder: Path,
) -> None:
    """Make the view `<side>_raw`: all rows in the plan's pieces that can enter the join; a Kafka row's columns, the
    event time and the event id."""
    by_door = {door: [piece for piece in plan.pieces if piece.door == door] for door in ("archive", "kafka")}
    topic = topic_rows(spark, contract, kafka, plan.name, by_door["kafka"], plan.ids) if by_door["kafka"] else None
    avro = formats.of(contract.sources[plan.name]).registry
    archive = Archived(plan.table, plan.snapshot_id, by_door["archive"], avro, once=_doubled(past, side))
    rows = f"{side}_rows"
    view_rows(past.con, lake, rows, archive, topic, reach(plan), folder / f"{side}-kafka")
    names = ", ".join(f'"{RENAMED.get(name, name)}" AS "{name}"' for name in COLUMNS)
    past.con.execute(f"CREATE OR REPLACE VIEW {side}_raw AS SELECT {names}, event_time, event_id FROM {rows}")


def _doubled(past: Past, side: str) -> bool:
    """Whether the archive holds an offset twice."""
    found = past.con.execute(f'SELECT 1 FROM {side}_index GROUP BY partition, "offset" HAVING count(*) > 1 LIMIT 1')
    # fetchall, not fetchone: DuckDB 2 refuses further work while a result has not been read to its end.
    return bool(found.fetchall())


def _judge(past: Past, side: str) -> int:
    """Fill `<side>_out` with the coordinates of rows that are not in the join: late ones, and copies; how many late.

    Of an event that was delivered more than once the join took one delivery. Where the table shows which, the others
    are left out; where it does not, nothing has come of any yet.
    """
    judged = judged_us(past.pins.contract, side, "epoch_us(r.event_time)")
    past.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {side}_out AS
        SELECT r.partition, r."offset" FROM {side}_raw r
        ASOF JOIN (SELECT * FROM epoch_spans WHERE side = '{side}') s
            ON s.partition = r.partition AND r."offset" >= s.start_offset
        WHERE r."offset" < s.end_offset AND {late_sql(judged, "s.late_watermark_ms")}
        """
    )
    found = past.con.execute(f"SELECT count(*) FROM {side}_out").fetchone()
    past.con.execute(
        f"""
        INSERT INTO {side}_out
        WITH copies AS (
            SELECT event_id, event_time FROM {side}_raw WHERE event_id IS NOT NULL GROUP BY ALL HAVING count(*) > 1
        ),
        delivered AS (
            SELECT r.partition, r."offset", event_id, event_time, t.position IS NOT NULL AS taken
            FROM (SELECT partition, "offset", event_id, event_time FROM {side}_raw) r
            SEMI JOIN copies c USING (event_id, event_time)
            LEFT JOIN (
                SELECT DISTINCT _{side}_partition AS partition, _{side}_offset AS position FROM {LINEAGE_NEAR}
            ) t ON t.partition = r.partition AND t.position = r."offset"
        )
        SELECT partition, "offset" FROM delivered
        QUALIFY NOT taken AND bool_or(taken) OVER (PARTITION BY event_id, event_time)
        """
    )
    return int(found[0]) if found else 0


def _write(past: Past, side: str, run_start: Mapping[str, int], folder: Path) -> int:
    """Write a side's two files; how many rows they hold."""
    folder.mkdir(parents=True)
    newest = " OR ".join(f'(partition = {p} AND "offset" >= {offset})' for p, offset in run_start.items()) or "false"
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    for number, condition in enumerate((f"NOT ({newest})", newest)):
        target = text(str(part(folder.parent, side, number)))
        past.con.execute(
            f"""
            COPY (
                SELECT {names}, event_time FROM {side}_raw r
                ANTI JOIN {side}_out l ON l.partition = r.partition AND l."offset" = r."offset"
                WHERE {condition.replace("partition", "r.partition").replace('"offset"', 'r."offset"')}
            ) TO {target} (FORMAT parquet, COMPRESSION zstd)
            """
        )
    found = past.con.execute(f"SELECT count(*) FROM {parquet_rows(folder.glob('*.parquet'))}").fetchone()
    return int(found[0]) if found else 0
