"""What a team's own job says of itself: the records that it dropped, and an epoch ledger made of its progress.

An offset between two reports was taken in only where nothing can be missing: the row of `job.progress` that covers it
says how many reports there are, and so many are found. Everything else is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from plumbline.connect import pinned
from plumbline.connect.flink_commits import flink_commits
from plumbline.connect.job_reports import Part, held_columns, refuse_other_topics
from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.errors import ContractError
from plumbline.reconcile.relations.inputs import LEDGER, PROGRESS, REPORTS

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation

Known = dict[str | None, int]
"""Job to the newest of its checkpoints that the progress tells of; None: of rows that name no job."""
BEFORE_ALL_MS = -62_135_596_800_000
"""The first millisecond of year 1: a watermark that no record is behind."""
QUERY = "job.progress"
"""Query id of the ledger that is made of the job's progress."""


def read_reports(pins: Pins) -> None:
    """Fill REPORTS and PROGRESS; empty without those tables.

    Raises ContractError for a table that is missing or has other columns or topics, and for progress that goes back.
    """
    job = pins.contract.job
    tables: tuple[tuple[Part, Relation], ...] = (("dropped", REPORTS), ("progress", PROGRESS))
    for part, relation in tables:
        table = None if job is None else getattr(job, part)
        if table is None or pins.snapshots.get(table) is None:
            if table is not None:
                held_columns(pins.lake, pins.contract, part, table)
            relation.fill(pins.con, relation.nothing)
            continue
        held = held_columns(pins.lake, pins.contract, part, table)
        pinned.scan(
            pins.con, pins.lake, table, pins.snapshots[table], view=relation.pinned.name, columns=held, schema=None
        )
        _refuse_others(pins, part, table, relation, held)
        made = _dropped(pins, held) if part == "dropped" else _progress(pins, held)
        relation.fill(pins.con, made)
    _refuse_going_back(pins)


def written_until(lake: Lake, contract: Contract, stream_id: int | None, progress_id: int | None) -> int | None:
    """The newest snapshot of the stream table before any checkpoint that the progress lacks, where Flink's commits tell
    it; else `stream_id` itself."""
    assert contract.job is not None
    assert contract.job.progress is not None
    table = lake.load(contract.output.stream_table)
    known = _newest_checkpoints(lake, contract, contract.job.progress, progress_id)
    newest = stream_id
    for snapshot, job_id, checkpoint in flink_commits(table, stream_id) if known else ():
        if _knows(known, job_id, checkpoint):
            return newest
        newest = snapshot.parent_snapshot_id
    return stream_id


def ledger_of_progress(pins: Pins) -> str:
    """LEDGER made of PROGRESS and REPORTS: covered offsets, each reported one as a span of its own.

    Progress beyond the pinned stream table is left out. An offset that was dropped for another reason, or behind a
    watermark that nobody knows, and offsets that nothing covers, are in no span.
    """
    name = f"CASE side WHEN 'left' THEN {text(pins.contract.join.left)} ELSE {text(pins.contract.join.right)} END"
    return f"""
        WITH told AS (SELECT * FROM {PROGRESS} WHERE {_in_table(pins)}),
        covering AS (FROM told WHERE covered AND start_offset < end_offset),
        marks AS (
            SELECT t.side, t.partition, t.epoch, t.planned_at, t.end_offset, r."offset", r.watermark_ms
            FROM {REPORTS} r ASOF JOIN covering t
                ON t.side = r.side AND t.partition = r.partition AND r."offset" >= t.start_offset
            WHERE r."offset" < t.end_offset
        ),
        cuts AS (
            SELECT side, partition, epoch, planned_at, end_offset, start_offset AS cut, NULL AS mark FROM covering
            UNION ALL SELECT side, partition, epoch, planned_at, end_offset, "offset" + 1, "offset" FROM marks
        ),
        between_marks AS (
            SELECT side, partition, epoch, planned_at, cut AS start_offset,
                coalesce(lead(mark) OVER (PARTITION BY side, partition, epoch ORDER BY cut), end_offset) AS end_offset,
                {BEFORE_ALL_MS} AS watermark_ms
            FROM cuts
        ),
        spans AS (
            SELECT * FROM between_marks WHERE start_offset < end_offset
            UNION ALL SELECT side, partition, epoch, planned_at, "offset", "offset" + 1, watermark_ms FROM marks
                WHERE watermark_ms IS NOT NULL
            UNION ALL SELECT side, partition, epoch, planned_at, end_offset, end_offset, {BEFORE_ALL_MS} FROM told
        )
        SELECT '{QUERY}' AS query_id, epoch, {name} AS source, partition::INTEGER AS partition, start_offset,
            end_offset, watermark_ms AS late_watermark_ms, NULL::BIGINT AS evict_watermark_ms, planned_at,
            NULL::VARCHAR AS spark_version
        FROM spans
    """


def closed_until_us(pins: Pins) -> int | None:
    """The event time (us) up to which the job has closed the windows of left events; None where it does not say.

    Of a checkpoint whose rows differ in it, the least counts.
    """
    found = pins.con.execute(
        f"""
        SELECT epoch_us(max(closed)) FROM (
            SELECT min(closed_until) AS closed FROM {PROGRESS}
            WHERE epoch <= (SELECT max(epoch) FROM {LEDGER} WHERE query_id = '{QUERY}') GROUP BY epoch
        )
        """
    ).fetchone()
    return None if found is None or found[0] is None else int(found[0])


def _newest_checkpoints(lake: Lake, contract: Contract, progress: str, snapshot_id: int | None) -> Known:
    if snapshot_id is None:
        return {}
    held = held_columns(lake, contract, "progress", progress)
    fields = tuple(name for name in ("job_id", "checkpoint_id") if name in held)
    known: Known = {}
    for row in lake.load(progress).scan(snapshot_id=snapshot_id, selected_fields=fields).to_arrow().to_pylist():
        if row["checkpoint_id"] is not None:
            known[row.get("job_id")] = max(int(row["checkpoint_id"]), known.get(row.get("job_id"), -1))
    return known


def _knows(known: Known, job_id: str | None, checkpoint: int) -> bool:
    """Whether progress that goes so far tells of a checkpoint: of its job, or of no job that is named."""
    return checkpoint <= max(known.get(job_id, -1), known.get(None, -1))


def _in_table(pins: Pins) -> str:
    """SQL: the rows of a checkpoint are in the pinned stream table, as far as its commits tell. Of none, where its
    newest commit is of a checkpoint that no progress tells of: what was read for it would look unread."""
    name = pins.contract.output.stream_table
    commits = [found[1:] for found in flink_commits(pins.lake.load(name), pins.snapshots[name])]
    if not commits:
        return "true"
    told = pins.con.execute(f"SELECT job_id, max(epoch) FROM {PROGRESS} GROUP BY ALL").fetchall()
    if not _knows(dict(told), *commits[0]):
        return "false"
    of_jobs = " ".join(f"WHEN {text(job_id)} THEN epoch <= {newest}" for job_id, newest in _newest(commits).items())
    return f"CASE job_id {of_jobs} ELSE job_id IS NOT NULL OR epoch <= {commits[0][1]} END"


def _newest(commits: Iterable[tuple[str | None, int]]) -> dict[str, int]:
    """Job to its newest checkpoint, of commits from the newest on."""
    found: dict[str, int] = {}
    for job_id, checkpoint in commits:
        found.setdefault(job_id or "", checkpoint)
    return found


def _side(pins: Pins, held: tuple[str, ...]) -> str:
    """SQL: the side of the join that a row tells of; NULL: of another topic."""
    join, named = pins.contract.join, _named(held)
    left, right = pins.contract.left.topic, pins.contract.right.topic
    by_topic = "" if left == right else f"WHEN {text(left)} THEN 'left' WHEN {text(right)} THEN 'right' "
    return f"CASE {named} WHEN {text(join.left)} THEN 'left' WHEN {text(join.right)} THEN 'right' {by_topic}END"


def _named(held: tuple[str, ...]) -> str:
    """SQL: the name of a row's source or topic, the source's where it has both."""
    return f"coalesce({', '.join(name for name in ('source', 'topic') if name in held)})"


def _column(name: str, kind: str, held: tuple[str, ...]) -> str:
    return ident(name) if name in held else f"NULL::{kind}"


def _dropped(pins: Pins, held: tuple[str, ...]) -> str:
    """Each record once. One that was reported several times was late if it is under the least of its watermarks.

    A row without partition or offset names no record.
    """
    event_time = _column("event_time", "TIMESTAMPTZ", held)
    late = f"coalesce(lower({_column('reason', 'VARCHAR', held)}) = 'late', true)"
    return f"""
        SELECT {_side(pins, held)} AS side, partition, "offset", bool_and({late}) AS late,
            min({event_time}) AS event_time, max({event_time}) AS other_event_time,
            CASE WHEN bool_and({late} AND watermark IS NOT NULL) THEN epoch_ms(min(watermark)) END AS watermark_ms
        FROM {REPORTS.pinned}
        WHERE {_side(pins, held)} IS NOT NULL AND partition IS NOT NULL AND "offset" IS NOT NULL GROUP BY 1, 2, 3
    """


def _progress(pins: Pins, held: tuple[str, ...]) -> str:
    """Each checkpoint's offsets of a partition, and whether all reports of them are found."""
    whole = {name: _column(name, "BIGINT", held) for name in ("start_offset", "dropped")}
    times = {name: _column(name, "TIMESTAMPTZ", held) for name in ("closed_until", "at")}
    before = "lag(end_offset) OVER (PARTITION BY side, partition ORDER BY epoch)"
    return f"""
        WITH told AS (
            SELECT DISTINCT {_side(pins, held)} AS side, partition, checkpoint_id::BIGINT AS epoch,
                {whole["start_offset"]}::BIGINT AS told_start, end_offset::BIGINT AS end_offset,
                {whole["dropped"]}::BIGINT AS dropped, {times["closed_until"]} AS closed_until,
                coalesce({times["at"]}, 'epoch'::TIMESTAMPTZ) AS planned_at,
                {_column("job_id", "VARCHAR", held)} AS job_id
            FROM {PROGRESS.pinned} WHERE {_side(pins, held)} IS NOT NULL
        ),
        placed AS (SELECT *, coalesce(told_start, {before}) AS start_offset, {before} AS before FROM told),
        found AS (
            SELECT p.side, p.partition, p.epoch, count(*) AS found
            FROM {REPORTS} r ASOF JOIN (FROM placed WHERE start_offset < end_offset) p
                ON p.side = r.side AND p.partition = r.partition AND r."offset" >= p.start_offset
            WHERE r."offset" < p.end_offset GROUP BY ALL
        ),
        counted AS (
            SELECT p.*, coalesce(f.found, 0) AS found FROM placed p LEFT JOIN found f USING (side, partition, epoch)
        )
        SELECT side, partition, epoch, start_offset, end_offset, before, dropped, found, closed_until, planned_at,
            job_id, coalesce(dropped = found, false) AND start_offset IS NOT NULL AS covered
        FROM counted
    """


def _refuse_others(pins: Pins, part: Part, table: str, relation: Relation, held: tuple[str, ...]) -> None:
    side, named = _side(pins, held), _named(held)
    rows = pins.con.execute(
        f"SELECT DISTINCT coalesce({named}, 'NULL'), {side} IS NULL FROM {relation.pinned}"
    ).fetchall()
    if rows and all(other for _, other in rows):
        refuse_other_topics(pins.contract, part, table, sorted(name for name, _ in rows))


def _refuse_going_back(pins: Pins) -> None:
    """Raise ContractError where a checkpoint begins before the one before it ended, ends before it begins, tells of a
    partition twice, or does not say of what."""
    found = pins.con.execute(
        f"""
        SELECT side, partition, epoch, start_offset, end_offset, before, {_UNTOLD} AS untold, {_TWICE} AS twice
        FROM {PROGRESS} QUALIFY untold OR twice OR end_offset < start_offset OR start_offset < before
        ORDER BY ALL LIMIT 1
        """
    ).fetchone()
    if found is None:
        return
    job = pins.contract.job
    side, partition, epoch, start, end, before, untold, twice = found
    place = f"{job and job.progress}: checkpoint {epoch} has {side} partition {partition}"
    raise ContractError(
        f"{place} to {end}: one of these is null"
        if untold
        else f"{place} twice, and not the same"
        if twice
        else f"{place} from {start} to {end}, "
        + (f"where an earlier one ended at {before}" if before is not None and start < before else "backwards"),
        where=pins.contract.place(("job", "progress")) or "job.progress",
        next_step="give each offset to one checkpoint, with rising numbers; after a job that begins anew, begin a "
        "new table",
    )


_UNTOLD = "(partition IS NULL OR epoch IS NULL OR end_offset IS NULL)"
_TWICE = "count(*) OVER (PARTITION BY side, partition, epoch) > 1"
