"""The events of a reduced source that the stream should have taken, as rows in the place of the batch table's.

Of a window and key both jobs take one event, the first in an order that is total. So of a left event whose rows
differ, the events of a window are looked at in that order, down to the first that the stream had: it was read, was
not late, and is not in quarantine. Each before it needs a cause for which the stream did not have it, and that one is
what the event of the window comes to when it is made again without them: it should stand there. What comes behind it,
or behind the event that the stream took, says nothing. The stream's row must be one of the batch's, or needs a cause
of its own. With these rows in the place of the batch table's the comparison is one of rows, and what proves a cause
there proves it here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import rows_table
from plumbline.contract.lineage import COORDINATES, RIGHT_EVENT_TIME
from plumbline.contract.reduce import PLACE, window_end_sql
from plumbline.reconcile.evidence import quarantine
from plumbline.reconcile.evidence.batch_visibility import note_unseen_windows
from plumbline.reconcile.inputs.pinned_views import Pins, output_view
from plumbline.reconcile.inputs.rows_below import refuse_other_rows, with_rows_below
from plumbline.reconcile.judge.prediction import fates_known, tell_fates
from plumbline.reconcile.relations.inputs import AROUND, BATCH, DELIVERIES, RIGHT_ARCHIVE, STREAM, beside
from plumbline.reconcile.relations.judge import FATE
from plumbline.reconcile.relations.reduced import (
    CANDIDATES,
    DIFFERING_LEFTS,
    DUE_EVENTS,
    DUE_OF_WINDOWS,
    STREAM_WINDOWS,
)

if TYPE_CHECKING:
    from plumbline.contract.reduce import Reduce
    from plumbline.reconcile.inputs.epoch_spans import Progress
    from plumbline.reconcile.relations.relation import Relation

_LEFT = "_left_partition, _left_offset"


def with_due_events(pins: Pins, progress: Progress) -> Pins:
    """The pins with the due events' rows as those of the batch, where a source is reduced; else they stay as they are.

    Raises IncompleteError where the rows of all events are not there, or the batch table does not hold the taken ones.
    """
    if not pins.contract.reduces:
        return pins
    pins = _with_candidates(pins)
    taken = f"FROM {CANDIDATES} WHERE coalesce({PLACE}, 1) = 1"
    refuse_other_rows(pins, taken, "the rows of {} in the range whose events are taken")
    DIFFERING_LEFTS.fill(pins.con, _differing())
    STREAM_WINDOWS.fill(pins.con, _stream_windows(pins))
    note_unseen_windows(pins, window_end_sql("epoch_us(r.event_time)", _reduce(pins)))
    DUE_EVENTS.fill(pins.con, _due(pins, progress))
    DUE_OF_WINDOWS.fill(pins.con, _with_due(BATCH))
    if pins.around(BATCH) != BATCH:
        beside(DUE_OF_WINDOWS).fill(pins.con, _with_due(AROUND[BATCH]))
    return replace(pins, batch=DUE_OF_WINDOWS)


def _with_candidates(pins: Pins) -> Pins:
    """The pins with the joined rows of all events that the batch table was made from. Fills CANDIDATES."""
    pins = with_rows_below(pins)
    output_view(pins, CANDIDATES, rows_table(pins.contract), pins.read)
    return pins


def _differing() -> str:
    made = ", ".join(COORDINATES)
    either = (
        f"(SELECT {made} FROM {a} EXCEPT ALL SELECT {made} FROM {b})" for a, b in ((BATCH, STREAM), (STREAM, BATCH))
    )
    return f"SELECT DISTINCT {_LEFT} FROM ({' UNION ALL '.join(either)}) WHERE _left_offset IS NOT NULL"


def _stream_windows(pins: Pins) -> str:
    """Of a row that the batch has too its columns there say when its right event was; of another the archive."""
    reduce = _reduce(pins)
    made = " AND ".join(f"c.{name} IS NOT DISTINCT FROM s.{name}" for name in COORDINATES)
    own = f"epoch_us(coalesce(c.{RIGHT_EVENT_TIME}, a.event_time, s.{RIGHT_EVENT_TIME}))"
    coordinates = ", ".join(f"s.{name}" for name in COORDINATES)
    return f"""
        WITH timed AS (
            SELECT {coordinates}, {own} AS us, i.id AS right_id, c.{PLACE} AS place
            FROM {STREAM} s SEMI JOIN {DIFFERING_LEFTS} d USING ({_LEFT})
            LEFT JOIN {CANDIDATES} c ON {made}
            LEFT JOIN (
                SELECT partition, "offset", any_value(event_time) AS event_time FROM {RIGHT_ARCHIVE} GROUP BY ALL
            ) a ON a.partition = s._right_partition AND a."offset" = s._right_offset
            LEFT JOIN ({_ids(pins)}) i ON i.partition = s._right_partition AND i."offset" = s._right_offset
            WHERE s._right_offset IS NOT NULL
        )
        SELECT {", ".join(COORDINATES)}, {window_end_sql("us", reduce)} AS window_end, us, right_id, place,
            row_number() OVER (PARTITION BY {_LEFT}, window_end ORDER BY place NULLS LAST, us) AS rank
        FROM timed
    """


def _due(pins: Pins, progress: Progress) -> str:
    """Candidates down to the first that the stream had, and not behind the event that it took."""
    reduce = _reduce(pins)
    columns = ", ".join(f"c.{ident(name)}" for name in pins.con.sql(f"FROM {BATCH} LIMIT 0").columns)
    made = " AND ".join(f"c.{name} IS NOT DISTINCT FROM s.{name}" for name in COORDINATES)
    before = f"CASE WHEN s.place IS NOT NULL THEN c.{PLACE} < s.place ELSE {_before(pins)} END"
    return f"""
        WITH placed AS (
            SELECT c.*, epoch_us(c.{RIGHT_EVENT_TIME}) AS made_us, {window_end_sql("made_us", reduce)} AS made_window,
                i.id AS made_id, {_had(pins, progress)} AS made_had
            FROM {CANDIDATES} c SEMI JOIN {DIFFERING_LEFTS} d USING ({_LEFT})
            LEFT JOIN ({_ids(pins)}) i ON i.partition = c._right_partition AND i."offset" = c._right_offset
        ),
        firsts AS (
            SELECT {_LEFT}, made_window, min({PLACE}) FILTER (made_had) AS made_first FROM placed GROUP BY ALL
        )
        SELECT {columns} FROM placed c
        LEFT JOIN firsts f ON f._left_partition = c._left_partition AND f._left_offset = c._left_offset
            AND f.made_window = c.made_window
        LEFT JOIN (FROM {STREAM_WINDOWS} WHERE rank = 1) s ON s._left_partition = c._left_partition
            AND s._left_offset = c._left_offset AND s.window_end = c.made_window
        WHERE c._right_offset IS NULL OR coalesce({made}, false)
            OR (c.{PLACE} <= coalesce(f.made_first, c.{PLACE}) AND (s.rank IS NULL OR {before}))
    """


def _had(pins: Pins, progress: Progress) -> str:
    """SQL: the stream had the candidate's right event, as far as ledger and archive say."""
    refused = quarantine.judge(pins, "right")
    places = [f'SELECT partition, "offset" FROM {refused}']
    if fates_known(pins, progress):
        tell_fates(pins)
        places.append(f'SELECT partition, "offset" FROM {FATE["right"]}')
    return f"""(c._right_partition, c._right_offset) NOT IN (
        SELECT (partition, "offset") FROM ({" UNION ALL ".join(places)}))"""


def _before(pins: Pins) -> str:
    """SQL: the candidate `c` is to be taken before the stream's event `s`, which is none of them; what cannot be told
    counts as before it."""
    sign = ">" if _reduce(pins).take == "last" else "<"
    source = pins.contract.right
    if source.event_id is None:
        other = f"(c._right_partition, c._right_offset) {sign} (s._right_partition, s._right_offset)"
    elif source.fields[source.event_id] == "string":
        other = f"coalesce(c.made_id {sign} s.right_id, true)"
    else:
        other = f"coalesce(TRY_CAST(c.made_id AS BIGINT) {sign} TRY_CAST(s.right_id AS BIGINT), true)"
    return f"coalesce(c.made_us {sign} s.us OR (c.made_us = s.us AND {other}), true)"


def _ids(pins: Pins) -> str:
    """SQL of the event ids of archived right records."""
    source = pins.contract.right
    if source.event_id is None or "event_id" not in pins.lake.load(source.archive).schema().column_names:
        return 'SELECT NULL::INTEGER AS partition, NULL::BIGINT AS "offset", NULL::VARCHAR AS id WHERE false'
    return f'SELECT partition, "offset", any_value(event_id) AS id FROM {DELIVERIES["right"]} GROUP BY ALL'


def _with_due(rows: Relation) -> str:
    """The rows of left events whose rows agree, and those that are due of the others."""
    return f"""
        SELECT r.* FROM {rows} r ANTI JOIN {DIFFERING_LEFTS} d USING ({_LEFT})
        UNION ALL BY NAME FROM {DUE_EVENTS}
    """


def _reduce(pins: Pins) -> Reduce:
    reduce = pins.contract.right.reduce
    assert reduce is not None
    return reduce
