"""Rows that do not name their records, told by recomputation: what the batch makes without what the stream dropped.

The batch's rows are computed again by the epoch ledger: without the records that were late, those that were not read,
and unmatched rows of open windows; a record whose matches are gone has its unmatched row, if the kind of the join keeps
it. Where those of one key and event time (of one key, where the stream table has no times) are the stream's rows, each
as often, these are named as they were computed. Where they are not, nothing is proven.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, REPLAY_ID, SIDES
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.diff.engine.columns import drift_names
from plumbline.reconcile.evidence.implied_candidates import UNNAMED
from plumbline.reconcile.evidence.unknown_records import fill_unknown
from plumbline.reconcile.relations.diff import DRIFT
from plumbline.reconcile.relations.implied import AROUND_TOLD, COMPUTED, GROUPS, RECOMPUTED, STREAM_TOLD, UNKNOWN
from plumbline.reconcile.relations.inputs import ARCHIVES
from plumbline.reconcile.relations.judge import FATE
from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    if ruled is None or not columns or not pins.batch_has_lineage or not _all_there(pins):
        return pins
    GROUPS.fill(pins.con, _groups(pins, read))
    if not GROUPS.any(pins.con):
        return pins
    fill_unknown(pins, timed=timed(pins), key=_told_by(pins))
    COMPUTED.fill(pins.con, _computed(pins, columns, ruled))
    RECOMPUTED.fill(pins.con, _recomputed(pins, columns, pins.around(read)))
    if not RECOMPUTED.any(pins.con):
        return pins
    around = pins.around(pins.stream)
    named = STREAM_TOLD.fill(pins.con, _told(pins, pins.stream, pins.read.sql(EVENT_TIME)))
    AROUND_TOLD.fill(pins.con, _told(pins, around, "true"))
    return replace(pins, stream=named)


def _all_there(pins: Pins) -> bool:
    """Whether all rows of a key are shown: of a table without event times not where a range is compared."""
    return timed(pins) or pins.time_range == TimeRange()


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


def timed(pins: Pins) -> bool:
    """Whether the stream table says the event times of its rows."""
    return pins.has_moments(pins.contract.output.stream_table)


def group(pins: Pins, prefix: str, time: str) -> str:
    """SQL of what the rows of one left event have in common: its columns of the key, and its time in milliseconds.

    An unmatched right event has the time of its own. Join fields in the key are of both events where both are kept.
    """
    return _listed(pins, {name: f"{prefix}{ident(name)}" for name in _told_by(pins)}, time)


def _group(pins: Pins, rows: str) -> str:
    return group(pins, f"{rows}.", f"{rows}.{EVENT_TIME}")


def _alone_group(pins: Pins, prefix: str, time: str) -> str:
    """The group of the unmatched row of a right event."""
    return _listed(pins, {name: f"{prefix}{ident(name)}" for name in _of_either(pins)}, time)


def _listed(pins: Pins, values: Mapping[str, str], time: str) -> str:
    names = [f"({values.get(name, 'NULL')})::VARCHAR" for name in _told_by(pins)]
    return f"[{', '.join([*names, f'epoch_ms({time})::VARCHAR' if timed(pins) else 'NULL::VARCHAR'])}]"


def _told_by(pins: Pins) -> list[str]:
    """The columns of the key that all rows of one left event have in common."""
    return [name for name in pins.contract.output.key if name in {*left_key(pins), *_of_either(pins)}]


def _of_either(pins: Pins) -> set[str]:
    """Join fields in the key, which a row has from the side that is there."""
    return {c.name for c in pins.contract.output_columns if c.source is not None and c.sql is not None}


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


def _computed(pins: Pins, columns: Mapping[str, str], ruled: Progress) -> str:
    """The rows of GROUPS as the stream's rules make them of the batch's; groups of unknown records left out."""
    kept = ", ".join([*map(ident, columns), *COORDINATES, f"epoch_us({EVENT_TIME}) AS plumbline_us"])
    its = f"rows SEMI JOIN {GROUPS} g ON g.plumbline_group = rows.plumbline_right_group"
    alone = "".join(
        f" UNION ALL {_padded(pins, columns, side, 'mine' if side == 'left' else its)}" for side in _padded_sides(pins)
    )
    return f"""
        WITH rows AS ({_judged(pins, ruled)}),
        mine AS (SELECT rows.* FROM rows SEMI JOIN {GROUPS} g ON g.plumbline_group = rows.plumbline_group),
        expected AS (
            SELECT plumbline_group, {kept} FROM mine
            WHERE NOT (_left_offset IS NOT NULL AND plumbline_left_out)
                AND NOT (_right_offset IS NOT NULL AND plumbline_right_out)
                AND (_right_offset IS NOT NULL OR plumbline_left_closed)
                AND (_left_offset IS NOT NULL OR plumbline_right_closed)
            {alone}
        )
        SELECT expected.* FROM expected ANTI JOIN {UNKNOWN} u ON u.plumbline_group = expected.plumbline_group
    """


def _judged(pins: Pins, ruled: Progress) -> str:
    """The batch's rows with what becomes of their records, and with the group of an unmatched row of the right one."""
    right_time = f"b.{EVENT_TIME}"
    places = ""
    if pins.contract.join.keeps_right:
        right_time = "w.event_time"
        places = f"""
            LEFT JOIN (
                SELECT partition, "offset", any_value(event_time) AS event_time FROM {ARCHIVES["right"]} GROUP BY ALL
            ) w ON w.partition = b._right_partition AND w."offset" = b._right_offset"""
    closed = ", ".join(
        f"{'false' if us is None else f'coalesce(epoch_us({time}) <= {int(us)}, false)'} AS plumbline_{side}_closed"
        for side, us, time in (
            ("left", ruled.closed_until_us, f"b.{EVENT_TIME}"),
            ("right", ruled.right_closed_until_us, right_time),
        )
    )
    out = ", ".join(f"coalesce({side[0]}.unread OR {side[0]}.late, false) AS plumbline_{side}_out" for side in SIDES)
    return f"""
        SELECT b.*, {_group(pins, "b")} AS plumbline_group, {right_time} AS plumbline_right_time,
            {_alone_group(pins, "b.", right_time)} AS plumbline_right_group, {closed}, {out}
        FROM {pins.around(pins.batch)} b
        LEFT JOIN {FATE["left"]} l ON l.partition = b._left_partition AND l."offset" = b._left_offset
        LEFT JOIN {FATE["right"]} r ON r.partition = b._right_partition AND r."offset" = b._right_offset {places}
    """


def _padded_sides(pins: Pins) -> list[str]:
    """The sides whose records have unmatched rows, where these are known from the matched ones: no column is computed
    of both."""
    join = pins.contract.join
    kept = [side for side, keeps in zip(SIDES, (join.keeps_left, join.keeps_right), strict=True) if keeps]
    return kept if all(c.sql is None or c.source is not None for c in pins.contract.output_columns) else []


def _padded(pins: Pins, columns: Mapping[str, str], side: str, rows: str) -> str:
    """The unmatched rows of the records of one side whose matches are gone, by these."""
    lost = "right" if side == "left" else "left"
    join = pins.contract.join
    source = join.right if side == "left" else join.left
    other = {c.name for c in pins.contract.output_columns if c.sql is None and c.source == source}
    values = ", ".join(
        f"NULL::{kind} AS {ident(name)}" if name in other else f"any_value({ident(name)}) AS {ident(name)}"
        for name, kind in columns.items()
    )
    places = ", ".join(name if side in name else f"NULL AS {name}" for name in COORDINATES)
    of_group, time = ("group", EVENT_TIME) if side == "left" else ("right_group", "plumbline_right_time")
    return f"""
        SELECT any_value(plumbline_{of_group}) AS plumbline_group, {values}, {places},
            epoch_us(any_value({time})) AS plumbline_us
        FROM {rows}
        WHERE _{side}_offset IS NOT NULL AND NOT plumbline_{side}_out AND plumbline_{side}_closed
        GROUP BY _{side}_partition, _{side}_offset
        HAVING bool_and(_{lost}_offset IS NOT NULL AND plumbline_{lost}_out)
    """


def instead_of_matches(pins: Pins, names: Sequence[str], ruled: Progress) -> str:
    """SQL: the columns `names` and the coordinates of the unmatched rows that come where all matches of a record were
    dropped. FATE must be told."""
    kinds, chosen = _types(pins, pins.batch), ", ".join([*map(ident, names), *COORDINATES])
    columns = {name: kinds[name] for name in names}
    rows = [f"SELECT {chosen} FROM ({_padded(pins, columns, side, 'rows')})" for side in _padded_sides(pins)]
    nothing = f"SELECT {chosen} FROM rows WHERE false"
    return f"WITH rows AS ({_judged(pins, ruled)}) {' UNION ALL '.join(rows or [nothing])}"


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
