"""Rows that do not name their records, told by recomputation: what the batch makes without what the stream dropped.

The batch's rows of a left event are computed again by the epoch ledger: without the records that were late, those that
were not read, and unmatched rows of open windows. Where they are the stream's rows of that key and event time, each as
often, those rows are named as they were computed. Where they are not, nothing is proven.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, REPLAY_ID, SIDES
from plumbline.reconcile.diff.engine.columns import drift_names
from plumbline.reconcile.evidence.implied_candidates import UNNAMED
from plumbline.reconcile.relations.diff import DRIFT
from plumbline.reconcile.relations.implied import AROUND_TOLD, COMPUTED, GROUPS, RECOMPUTED, STREAM_TOLD, UNKNOWN_TIMES
from plumbline.reconcile.relations.inputs import ARCHIVES, COPIES
from plumbline.reconcile.relations.judge import FATE
from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plumbline.reconcile.inputs.epoch_spans import Progress
    from plumbline.reconcile.inputs.pinned_views import Pins

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


def with_recomputed(pins: Pins, read: Relation, ruled: Progress | None) -> Pins:
    """The pins with a stream whose rows are named where recomputation proves them (RECOMPUTED).

    `read` is the view of the stream's rows as the table has them. DRIFT must be that of the first comparison. `ruled`
    is how far the stream has come, and None where no complete ledger, or one that is contradicted, tells FATE.
    """
    RECOMPUTED.fill(pins.con, RECOMPUTED.nothing)
    columns = {} if ruled is None else _columns(pins)
    if ruled is None or not columns or pins.contract.join.keeps_right or not pins.batch_has_lineage:
        return pins
    GROUPS.fill(pins.con, _groups(pins, read))
    if not GROUPS.any(pins.con):
        return pins
    UNKNOWN_TIMES.fill(pins.con, _unknown_times(pins))
    COMPUTED.fill(pins.con, _computed(pins, columns, ruled.closed_until_us))
    RECOMPUTED.fill(pins.con, _recomputed(pins, columns, pins.around(read)))
    if not RECOMPUTED.any(pins.con):
        return pins
    around = pins.around(pins.stream)
    named = STREAM_TOLD.fill(pins.con, _told(pins, pins.stream, pins.read.sql(EVENT_TIME)))
    AROUND_TOLD.fill(pins.con, _told(pins, around, "true"))
    return replace(pins, stream=named)


def _columns(pins: Pins) -> Mapping[str, str]:
    """The columns by whose values rows are compared, with their types in the batch table. None where the two tables do
    not have all of them in types that can be compared."""
    of_batch, of_stream = (_types(pins, rows) for rows in (pins.batch, pins.stream))
    tolerances, found = pins.contract.reconcile.as_tolerances(), {}
    for column in pins.contract.output_columns:
        if column.name in tolerances and tolerances[column.name].ignore:
            continue
        kinds = of_batch.get(column.name), of_stream.get(column.name)
        numbers = all(kind is not None and kind.partition("(")[0] in _NUMBERS for kind in kinds)
        if kinds[0] is None or not (numbers or kinds[0] == kinds[1]):
            return {}
        found[column.name] = kinds[0]
    return found


def _types(pins: Pins, rows: Relation) -> dict[str, str]:
    shown = pins.con.sql(f"FROM {rows} LIMIT 0")
    return dict(zip(shown.columns, map(str, shown.types), strict=True))


def left_key(pins: Pins) -> list[str]:
    """The columns of the key that are fields of the left event."""
    contract = pins.contract
    mine = {c.name for c in contract.output_columns if c.source == contract.join.left and c.sql is None}
    return [name for name in contract.output.key if name in mine]


def group(pins: Pins, prefix: str, time: str) -> str:
    """SQL of what all rows of one left event have in common: its columns of the key, and its time in milliseconds."""
    names = [f"{prefix}{ident(name)}::VARCHAR" for name in left_key(pins)]
    return f"[{', '.join([*names, f'epoch_ms({time})::VARCHAR'])}]"


def _group(pins: Pins, rows: str) -> str:
    return group(pins, f"{rows}.", f"{rows}.{EVENT_TIME}")


def _groups(pins: Pins, read: Relation) -> str:
    """Of keys and event times that differ: the groups of which no row names its records, and the archive not all."""
    times = " UNION ".join(f"SELECT epoch_ms({ident(f'{side}_{EVENT_TIME}')}) FROM {DRIFT}" for side in SIDES)
    names = drift_names(pins.contract.output.key).items()
    same = " AND ".join(f"s.{ident(name)} IS NOT DISTINCT FROM d.{ident(new)}" for name, new in names)
    differs = f"(epoch_ms(s.{EVENT_TIME}) IN ({times}) OR EXISTS (SELECT 1 FROM {DRIFT} d WHERE {same}))"
    return f"""
        SELECT {_group(pins, "s")} AS plumbline_group FROM {pins.around(read)} s WHERE {differs}
        GROUP BY ALL HAVING bool_and({UNNAMED} AND {REPLAY_ID} IS NULL)
        INTERSECT
        SELECT {_group(pins, "s")} FROM {pins.around(pins.stream)} s WHERE {differs} AND {UNNAMED}
    """


def _unknown_times(pins: Pins) -> str:
    """The event times of GROUPS with a left record that the stream has in its join and the batch knows no row of: rows
    of those times may be its."""
    return f"""
        SELECT DISTINCT epoch_ms(event_time)::VARCHAR AS at FROM (
            SELECT event_time, coalesce(first_partition, a.partition) AS partition,
                coalesce(first_offset, a."offset") AS "offset"
            FROM {ARCHIVES["left"]} a
            LEFT JOIN {COPIES["left"]} c ON c.partition = a.partition AND c."offset" = a."offset"
            WHERE epoch_ms(event_time)::VARCHAR IN (SELECT plumbline_group[-1] FROM {GROUPS})
        ) r
        ANTI JOIN {FATE["left"]} f ON f.partition = r.partition AND f."offset" = r."offset"
        ANTI JOIN {pins.around(pins.batch)} b ON b._left_partition = r.partition AND b._left_offset = r."offset"
    """


def _computed(pins: Pins, columns: Mapping[str, str], closed_until_us: int | None) -> str:
    """The rows of GROUPS as the stream's rules make them of the batch's; groups with other left records left out."""
    closed = "false" if closed_until_us is None else f"epoch_us(b.{EVENT_TIME}) <= {int(closed_until_us)}"
    out = ", ".join(f"coalesce({side[0]}.unread OR {side[0]}.late, false) AS plumbline_{side}_out" for side in SIDES)
    kept = ", ".join([*map(ident, columns), *COORDINATES, f"epoch_us({EVENT_TIME}) AS plumbline_us"])
    keeps = str(pins.contract.join.keeps_left and _can_be_padded(pins)).lower()
    return f"""
        WITH rows AS (
            SELECT b.*, {_group(pins, "b")} AS plumbline_group, {closed} AS plumbline_closed, {out}
            FROM {pins.around(pins.batch)} b
            LEFT JOIN {FATE["left"]} l ON l.partition = b._left_partition AND l."offset" = b._left_offset
            LEFT JOIN {FATE["right"]} r ON r.partition = b._right_partition AND r."offset" = b._right_offset
        ),
        mine AS (
            SELECT rows.* FROM rows SEMI JOIN {GROUPS} g ON g.plumbline_group = rows.plumbline_group
            ANTI JOIN {UNKNOWN_TIMES} u ON u.at = rows.plumbline_group[-1]
        )
        SELECT plumbline_group, {kept} FROM mine
        WHERE NOT plumbline_left_out
            AND CASE WHEN _right_offset IS NULL THEN plumbline_closed ELSE NOT plumbline_right_out END
        UNION ALL
        SELECT plumbline_group, {_padded(pins, columns)} FROM mine
        WHERE {keeps} AND NOT plumbline_left_out AND plumbline_closed
        GROUP BY plumbline_group, _left_partition, _left_offset
        HAVING bool_and(_right_offset IS NOT NULL AND plumbline_right_out)
    """


def _can_be_padded(pins: Pins) -> bool:
    """Whether the unmatched row of a left record is known from its matched ones: no column is computed of both."""
    return all(column.sql is None for column in pins.contract.output_columns)


def _padded(pins: Pins, columns: Mapping[str, str]) -> str:
    """The columns of the unmatched row of a left record, by its matched rows, and its coordinates."""
    right = {column.name for column in pins.contract.output_columns if column.source == pins.contract.join.right}
    values = [f"NULL::{kind}" if name in right else f"any_value({ident(name)})" for name, kind in columns.items()]
    return ", ".join([*values, "_left_partition", "_left_offset", "NULL", "NULL", f"epoch_us(any_value({EVENT_TIME}))"])


def _recomputed(pins: Pins, columns: Mapping[str, str], read: Relation) -> str:
    """The stream's rows of the groups that are as computed, with the coordinates of the computed rows.

    Two events of one millisecond are told apart where the stream table has event times finer than that. Groups with a
    row that is named or replayed, a value that the batch's type cannot hold, or a row twice in the batch are left out.
    """
    columns = {**columns, "plumbline_us": "BIGINT"}
    cast = ", ".join(
        f"TRY_CAST({ident(name)} AS {kind}) AS {ident(f'plumbline {name}')}" for name, kind in columns.items()
    )
    values = ", ".join(ident(f"plumbline {name}") for name in columns)
    own = ", ".join(f"{ident(name)} AS {ident(f'plumbline {name}')}" for name in columns)
    turn = f"row_number() OVER (PARTITION BY plumbline_group, {values} ORDER BY {{}}) AS plumbline_turn"
    same = ["s.plumbline_group = c.plumbline_group", "s.plumbline_turn = c.plumbline_turn"]
    same += [f"s.{ident(f'plumbline {n}')} IS NOT DISTINCT FROM c.{ident(f'plumbline {n}')}" for n in columns]
    told = ", ".join(f"c.{name} AS {name}" for name in COORDINATES)
    scratch = f"{values}, plumbline_turn, plumbline_us"
    fits = " AND ".join(f"{ident(name)} IS NOT DISTINCT FROM {ident(f'plumbline {name}')}" for name in columns)
    places = ", ".join(COORDINATES)
    fine = read.any(pins.con, f"epoch_us({EVENT_TIME}) % 1000 <> 0")
    moment, its = (f"epoch_us(s.{EVENT_TIME})", "plumbline_us") if fine else ("NULL::BIGINT", "NULL::BIGINT")
    return f"""
        WITH computed AS (
            SELECT plumbline_group, {own}, {places} FROM (SELECT * REPLACE ({its} AS plumbline_us) FROM {COMPUTED})
        ),
        held AS (
            SELECT s.*, {_group(pins, "s")} AS plumbline_group, {cast}
            FROM (SELECT s.*, {moment} AS plumbline_us FROM {read} s) s
            SEMI JOIN {GROUPS} g ON g.plumbline_group = {_group(pins, "s")}
        ),
        other AS (
            SELECT plumbline_group FROM (
                SELECT plumbline_group, {values}, 1 AS n FROM held
                UNION ALL SELECT plumbline_group, {values}, -1 FROM computed
            ) GROUP BY plumbline_group, {values} HAVING sum(n) <> 0
            UNION ALL
            SELECT plumbline_group FROM held WHERE NOT ({UNNAMED} AND {REPLAY_ID} IS NULL AND {fits})
            UNION ALL
            SELECT plumbline_group FROM computed GROUP BY plumbline_group, {places} HAVING count(*) > 1
        )
        SELECT s.* EXCLUDE ({scratch}) REPLACE ({told})
        FROM (SELECT *, {turn.format("1")} FROM held) s
        JOIN (SELECT *, {turn.format(", ".join(COORDINATES))} FROM computed) c ON {" AND ".join(same)}
        WHERE s.plumbline_group NOT IN (FROM other)
    """


def _told(pins: Pins, rows: Relation, wanted: str) -> str:
    """The rows of a view of the stream, those of RECOMPUTED in place of what they were."""
    return f"""
        SELECT * FROM {rows} s ANTI JOIN {RECOMPUTED} n ON n.plumbline_group = {_group(pins, "s")}
        UNION ALL BY NAME SELECT * EXCLUDE (plumbline_group) FROM {RECOMPUTED} WHERE {wanted}
    """
