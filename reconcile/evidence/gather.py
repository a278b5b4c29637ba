"""What is known about each differing row: its input records, when the stream read them, and what the batch run saw."""

from __future__ import annotations

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.lateness import late_sql
from plumbline.contract.lineage import OTHER, SIDES
from plumbline.reconcile.diff.engine.threads import one_thread
from plumbline.reconcile.evidence.batch_visibility import beyond_batch, look_into_batch_snapshots
from plumbline.reconcile.evidence.fates import fate, final, read, vanished_row
from plumbline.reconcile.evidence.held_rows import closed, held_back
from plumbline.reconcile.evidence.partners import find_near, find_partners
from plumbline.reconcile.evidence.stream_known import stream_known
from plumbline.reconcile.inputs.epoch_spans import Progress, may_come
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.inputs.reduced_times import joined_us, judged_us
from plumbline.reconcile.inputs.reports import QUERY
from plumbline.reconcile.inputs.their_records import cut_to_ms
from plumbline.reconcile.relations.evidence import EVIDENCE, INPUTS, MAYBE_HELD, NEAR, PAIRS, RECORDS
from plumbline.reconcile.relations.inputs import ARCHIVES, COPIES, READ, SPANS, TAKEN
from plumbline.reconcile.relations.relation import Relation

PARTS = ("partition", "offset")
EPOCH = ("epoch", "turn", "late_watermark_ms")
GRAIN_US = 1_000
"""Spark closes windows by whole milliseconds: nearer to a bound than that, two right jobs may disagree."""


def gather(pins: Pins, progress: Progress, differing: Relation) -> Relation:
    """EVIDENCE: one row per row of `differing`, with what the causes' proofs read.

    `class`, `key`, `columns`, `left_count` and `right_count` (rows in batch and stream), `event_time` (of the row);
    `batch_present`, `stream_present`, `batch_has_left`, `stream_has_left`, `batch_has_right`, `stream_has_right`,
    `same_lineage`, `replay_id`.
    For each side of the join, of the input record that the row was made from (in the batch row's lineage, else in the
    stream row's): `left_topic`, `left_partition`, `left_offset`, `left_event_us`, `left_kafka_time`, `left_epoch`,
    `left_turn` (the epoch's place among all), `left_late_watermark_ms`, `left_read`, `left_late`, `left_admitted`,
    `left_in_batch_snapshot` (of the covering batch run). Of that record's window: `left_closed`, `stream_matched_left`
    (the stream holds a match of it), `left_final` (no further row of it will come), `left_alone` (the stream has no
    match of it, and all that the batch has were late), `left_vanished` (it is alone, its window closed, and its
    unmatched row is not there either; set on one row per record). The same as `right_...`; windows of the left are
    closed up to `closed_until_us`. `left_copy_partition` and `left_copy_offset` are another delivery of the left event,
    if the stream took that. `right_decided` says that no row of a left record's partner will take its place,
    `stream_copies` counts the stream rows of one key and lineage, `beyond_batch` says that no batch run covers
    all partners of a right record. `outside_within` says that the two records lie further apart than the contract
    joins, `at_bound` that they lie within a millisecond of a bound of `within`. `held_by` are operators behind the join
    of a team's own query, which may hold back the row, or the unmatched one in its place, that the join has written: of
    such a record nobody knows that its window is closed, only that it is open. `stream_holds_row` says that the stream
    table holds the batch's row after all, under another event time or key, or may hold it there: what is not NULL.
    Else NULL is unknown: no lineage, not archived, no ledger.
    """
    INPUTS.fill(pins.con, _inputs(differing))
    known = stream_known(pins, INPUTS)
    find_partners(pins, known)
    if _borrow(pins):
        find_near(pins, "stream", known)
    for side in SIDES:
        RECORDS[side].fill(pins.con, _records(pins, side, progress))
    seen = look_into_batch_snapshots(pins, INPUTS, RECORDS)
    with one_thread(pins.con):
        return EVIDENCE.fill(pins.con, _evidence(pins, progress, known, seen))


def _inputs(differing: Relation) -> str:
    """Each difference with the coordinates to look up."""
    coordinates = ", ".join(
        f"coalesce(batch_{side}_{part}, stream_{side}_{part}) AS {side}_{part}" for side in SIDES for part in PARTS
    )
    has = ", ".join(
        f"CASE WHEN {table}_named THEN {table}_{side}_offset IS NOT NULL END AS {table}_has_{side}"
        for table in ("batch", "stream")
        for side in SIDES
    )
    named = ", ".join(
        f"{table}_count > 0 AND ({table}_left_offset IS NOT NULL OR {table}_right_offset IS NOT NULL) AS {table}_named"
        for table in ("batch", "stream")
    )
    mixed = " OR ".join(
        f"coalesce(batch_{one}_offset IS NOT NULL AND batch_{other}_offset IS NULL"
        f" AND stream_{other}_offset IS NOT NULL AND (stream_{one}_partition, stream_{one}_offset) IS DISTINCT FROM"
        f" (batch_{one}_partition, batch_{one}_offset), false)"
        for one, other in OTHER.items()
    )
    same = " AND ".join(
        f"batch_{side}_{part} IS NOT DISTINCT FROM stream_{side}_{part}" for side in SIDES for part in PARTS
    )
    return f"""
        WITH resolved AS (
            SELECT *, batch_count > 0 AS batch_present, stream_count > 0 AS stream_present, {coordinates},
                coalesce(batch_event_time, stream_event_time) AS event_time, {named}
            FROM {differing}
        )
        SELECT *, {has}, CASE WHEN batch_named AND stream_named THEN {same} END AS same_lineage,
            CASE WHEN batch_present AND stream_present THEN NOT same_lineage ELSE true END AS other_lineage,
            {mixed} AS of_two_rows
        FROM resolved
    """


def _borrow(pins: Pins) -> bool:
    """Lend unmatched rows of INPUTS the partners that the other table names. Returns whether there were any."""
    told = f"SELECT count(left_offset) + count(right_offset) FROM {INPUTS}"
    before = pins.con.execute(told).fetchall()
    pins.con.execute(_BORROW)
    return before != pins.con.execute(told).fetchall()


_BORROW = "; ".join(
    f"""
    UPDATE {INPUTS} SET {other}_partition = record[1], {other}_offset = record[2]
    FROM (
        SELECT partition, "offset", min((other_partition, other_offset)) AS record FROM {PAIRS[table, side]}
        WHERE (partition, "offset") NOT IN (
            SELECT ({side}_partition, {side}_offset) FROM {INPUTS}
            WHERE class = 'mismatch' AND {side}_offset IS NOT NULL
        )
        GROUP BY ALL
    ) borrowed
    WHERE class = '{kind}' AND {other}_offset IS NULL
        AND {side}_partition = borrowed.partition AND {side}_offset = borrowed."offset"
    """
    for kind, table in (("extra", "batch"), ("missing", "stream"))
    for side, other in OTHER.items()
)
"""An unmatched row of one table names a partner that the other table has, so that the evidence shows it."""


def _records(pins: Pins, side: str, progress: Progress) -> str:
    """The archived record and the epoch behind each coordinate that INPUTS names on one side.

    What the archive does not hold is not known to be unread: it may be no record at all.

    Of an event with several deliveries that which the stream took: the first that was not late. Only for those is
    anything sorted: DuckDB would hold all of it in memory.
    """
    read = "false" if progress.last_epoch is None else "true"
    if progress.query_id == QUERY:  # of a partition that the job's progress leaves out nobody knows
        read = "r.end_offset IS NOT NULL"
    source = pins.contract.source_of(side)
    held = "true" if pins.snapshots[source.archive] is None else "a.partition IS NOT NULL"
    of_epoch = ", ".join(f'CASE WHEN w."offset" < s.end_offset THEN s.{name} END AS {name}' for name in EPOCH)
    return f"""
        WITH deliveries AS ({_deliveries(side)}),
        archived AS (
            SELECT partition, "offset", any_value(topic) AS topic, any_value(event_time) AS event_time,
                any_value(kafka_timestamp) AS kafka_time
            FROM {ARCHIVES[side]} SEMI JOIN deliveries USING (partition, "offset") GROUP BY ALL
        ),
        spans AS (SELECT * FROM {SPANS} WHERE side = '{side}'),
        delivered AS (
            SELECT first_partition AS partition, first_offset AS "offset", copied, w."offset" AS place,
                a.topic, a.kafka_time, epoch_us(a.event_time) AS event_us,
                {of_epoch},
                CASE WHEN {read} AND (w."offset" < r.end_offset OR {held} AND {may_come("w.partition", side)})
                    THEN coalesce(w."offset" < r.end_offset, false) END AS read
            FROM deliveries w
            ASOF LEFT JOIN spans s ON w.partition = s.partition AND w."offset" >= s.start_offset
            LEFT JOIN archived a ON w.partition = a.partition AND w."offset" = a."offset"
            LEFT JOIN {READ} r ON r.side = '{side}' AND r.partition = w.partition
        ),
        taken AS (
            SELECT DISTINCT ON (partition, "offset") * FROM delivered WHERE copied
            ORDER BY NOT ({late_sql("event_us", "late_watermark_ms")}) DESC NULLS LAST, epoch NULLS LAST, place
        )
        SELECT * EXCLUDE (copied, place) FROM (FROM delivered WHERE NOT copied UNION ALL FROM taken)
    """


def _deliveries(side: str) -> str:
    """The coordinates that INPUTS and PAIRS name on one side, each with those of its event's other deliveries."""
    return f"""
        SELECT w.partition AS first_partition, w."offset" AS first_offset, c."offset" IS NOT NULL AS copied,
            coalesce(c.partition, w.partition) AS partition, coalesce(c."offset", w."offset") AS "offset"
        FROM (
            SELECT {side}_partition AS partition, {side}_offset AS "offset"
            FROM {INPUTS} WHERE {side}_offset IS NOT NULL
            UNION SELECT other_partition, other_offset FROM {PAIRS["batch", OTHER[side]]}
        ) w
        LEFT JOIN {COPIES[side]} c ON c.first_partition = w.partition AND c.first_offset = w."offset"
    """


def _found(pins: Pins, progress: Progress, known: Relation, seen: Relation) -> str:
    """Each difference beside its records, what the batch run saw, and what the stream holds of its records."""
    topics = {"left": pins.contract.left.topic, "right": pins.contract.right.topic}
    records = ",\n".join(_record_columns(side, topics[side], read(pins, side, progress)) for side in SIDES)
    marks = {
        "evict_watermark_ms": progress.evict_watermark_ms,
        "closed_until_us": progress.closed_until_us,
        "right_closed_until_us": progress.right_closed_until_us,
    }
    noted = ", ".join(f"{'NULL' if mark is None else mark}::BIGINT AS {name}" for name, mark in marks.items())
    return f"""
        WITH {_matched(pins, "left")}, {_matched(pins, "right")}, nameless AS ({_nameless(known)})
        SELECT i.id, i.class, i.key, i.columns,
            CASE WHEN p.partition IS NOT NULL THEN true WHEN n.event_time IS NULL THEN false END AS stream_has_pair,
            {_ROW_IS_HELD} AS stream_holds_row,
            i.batch_count AS left_count, i.stream_count AS right_count,
            i.batch_row, i.stream_row, i.event_time, i.batch_event_time, i.stream_event_time,
            i.batch_present, i.stream_present, i.batch_has_left, i.stream_has_left, i.batch_has_right,
            i.stream_has_right, i.same_lineage, i.other_lineage, i.of_two_rows, i.stream_replay_id AS replay_id,
            i.left_partition, i.left_offset, i.right_partition, i.right_offset,
            tl.other[1] AS left_copy_partition, tl.other[2] AS left_copy_offset,
            tr.other[1] AS right_copy_partition, tr.other[2] AS right_copy_offset,
            {records},
            seen.batch_snapshot_id, seen.left_in_batch_snapshot, seen.right_in_batch_snapshot, {noted},
            {_held_by_stream("left")}, {_held_by_stream("right")},
            pl.all_late AS left_partners_late, pr.all_late AS right_partners_late, i.stream_copies
        FROM {INPUTS} i
        LEFT JOIN {RECORDS["left"]} l ON l.partition = i.left_partition AND l."offset" = i.left_offset
        LEFT JOIN {RECORDS["right"]} r ON r.partition = i.right_partition AND r."offset" = i.right_offset
        LEFT JOIN {seen} seen USING (id)
        LEFT JOIN {TAKEN["left"]} tl ON tl.first_partition = i.left_partition AND tl.first_offset = i.left_offset
        LEFT JOIN {TAKEN["right"]} tr ON tr.first_partition = i.right_partition AND tr.first_offset = i.right_offset
        LEFT JOIN matched_left ml ON ml.partition = i.left_partition AND ml."offset" = i.left_offset
        LEFT JOIN matched_right mr ON mr.partition = i.right_partition AND mr."offset" = i.right_offset
        LEFT JOIN partners_left pl ON pl.partition = i.left_partition AND pl."offset" = i.left_offset
        LEFT JOIN partners_right pr ON pr.partition = i.right_partition AND pr."offset" = i.right_offset
        LEFT JOIN {PAIRS["stream", "left"]} p ON p.partition = i.left_partition AND p."offset" = i.left_offset
            AND p.other_partition = i.right_partition AND p.other_offset = i.right_offset
        LEFT JOIN nameless n ON n.event_time = i.event_time
        LEFT JOIN {MAYBE_HELD} h USING (id)
    """


_ROW_IS_HELD = """
    coalesce(CASE WHEN i.batch_has_left AND i.batch_has_right THEN p.partition IS NOT NULL
        WHEN i.batch_has_left THEN ml."offset" IS NOT NULL WHEN i.batch_has_right THEN mr."offset" IS NOT NULL END,
        false) OR h.id IS NOT NULL"""
"""Whether the stream table holds the batch's row somewhere: its pair, or a row of its only record."""


def _nameless(known: Relation) -> str:
    """The event times of stream rows that do not say what they were made from, as jobs and tools of others write them.

    Whether the stream holds a row of a record of that time is then unknown; a row without a time may be of any. Such
    jobs need not keep more than milliseconds.
    """
    untold = "_left_offset IS NULL AND _right_offset IS NULL"
    return f"""
        SELECT DISTINCT i.event_time FROM {INPUTS} i
        JOIN (SELECT DISTINCT epoch_ms(_event_time) AS at FROM {known} WHERE {untold}) s
            ON s.at = epoch_ms(i.event_time) OR s.at IS NULL
    """


def _held_by_stream(side: str) -> str:
    """Whether the stream holds a row of a record, and a match of it; NULL where a row that does not say may be one."""
    alias = f"m{side[0]}"
    no = "CASE WHEN n.event_time IS NULL THEN false END"
    return f"""
        CASE WHEN {alias}.has_other THEN true ELSE {no} END AS stream_matched_{side},
        CASE WHEN {alias}."offset" IS NULL THEN {no} ELSE true END AS stream_knows_{side}"""


def _matched(pins: Pins, side: str) -> str:
    """Of one side's records: whether the stream holds a match of it, and whether all matches of the batch were late."""
    other = OTHER[side]
    late = late_sql(judged_us(pins.contract, other, "o.event_us"), "o.late_watermark_ms", cut=cut_to_ms(pins, other))
    return f"""
        matched_{side} AS (
            SELECT _{side}_partition AS partition, _{side}_offset AS "offset", count(_{other}_offset) > 0 AS has_other
            FROM {NEAR["stream"]} s SEMI JOIN {INPUTS} i
                ON s._{side}_partition = i.{side}_partition AND s._{side}_offset = i.{side}_offset
            GROUP BY ALL
        ),
        partners_{side} AS (
            SELECT p.partition, p."offset", 
                bool_and(coalesce({late}, false)) AS all_late
            FROM {PAIRS["batch", side]} p LEFT JOIN {RECORDS[other]} o
                ON o.partition = p.other_partition AND o."offset" = p.other_offset
            GROUP BY ALL
        )"""


def _evidence(pins: Pins, progress: Progress, known: Relation, seen: Relation) -> str:
    """What was found, judged by the late rule and the window rule."""
    keeps = {"left": pins.contract.join.keeps_left, "right": pins.contract.join.keeps_right}
    alone = {side: kept and pins.contract.stream.transform is None for side, kept in keeps.items()}
    fates = ",\n".join(fate(pins, side, progress) for side in SIDES)
    held = progress.held_by is not None
    finals = ",\n".join(final(side, keeps=keeps[side], held=held) for side in SIDES)
    vanished = ",\n".join(vanished_row(side, keeps=alone[side]) for side in SIDES)
    kept = ", ".join(f"{str(keeps[side]).lower()} AS {side}_kept" for side in SIDES)
    return f"""
        WITH found AS ({_found(pins, progress, known, seen)}),
        judged AS (
            SELECT *, {fates},
                {closed(progress, "left")} AS left_closed,
                {closed(progress, "right")} AS right_closed,
                {_apart(pins)}, {kept}
            FROM found
        ),
        finished AS (SELECT *, {finals} FROM judged)
        SELECT *, {vanished},
            {"coalesce(right_late OR (right_admitted AND right_final), right_read)" if keeps["right"] else "true"}
                AS right_decided,
            {beyond_batch(pins)} AS beyond_batch,
            {held_back(progress)} AS held_by
        FROM finished
    """


def _apart(pins: Pins) -> str:
    """How the row's two records lie to the bounds of `within`."""
    apart = f"({joined_us(pins.contract, 'right', 'right_event_us')} - left_event_us)"
    low, high = (bound * 1_000 for bound in pins.within_ms)
    near = " OR ".join(f"abs({apart} - {bound}) <= {GRAIN_US}" for bound in (low, high))
    near = "false" if pins.contract.reduces else near  # only our jobs reduce, and both count to the microsecond
    outside = f"{apart} NOT BETWEEN {low} AND {high}"
    return ", ".join(
        f"CASE WHEN NOT of_two_rows THEN {told} END AS {name}"
        for told, name in ((outside, "outside_within"), (near, "at_bound"))
    )


def _record_columns(side: str, topic: str, read: str) -> str:
    alias = ident(side[0])
    return f"""
        CASE WHEN i.{side}_offset IS NOT NULL THEN {text(topic)} END AS {side}_topic,
        {alias}.kafka_time AS {side}_kafka_time, {alias}.event_us AS {side}_event_us,
        make_timestamptz({alias}.event_us) AS {side}_event_time, {alias}.epoch AS {side}_epoch,
        {alias}.turn AS {side}_turn,
        {alias}.late_watermark_ms AS {side}_late_watermark_ms, {read} AS {side}_read"""
