"""Rows that are equal in both tables and yet stand on different days: the jobs disagree about their event time.

The diff does not compare `_event_time`. Where it is NULL in one table the row stands on no day there.
"""

from __future__ import annotations

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, LINEAGE
from plumbline.reconcile.diff.engine.canonical import is_wide
from plumbline.reconcile.diff.engine.compared_column import sort_key
from plumbline.reconcile.evidence.day_counts import count_days
from plumbline.reconcile.inputs.day_ranges import day_sql
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.evidence import DIFFERING, FINDING_IDS, MOVED, MOVED_KEYS, UNEVEN_DAYS
from plumbline.reconcile.relations.relation import Relation

_NESTED = frozenset({"list", "array", "struct", "map", "union", "variant"})
_DAY, _COUNT, _PLACE = "plumbline_day", "plumbline_rows", "plumbline_place"


def with_moved(pins: Pins, differences: Relation) -> tuple[Relation, int]:
    """The differences, and a mismatch of `_event_time` for each such row; how many these are.

    Fills DAY_COUNTS, and UNEVEN_DAYS: those with such rows, NULL among them for rows without a day.
    """
    con, moved = pins.con, 0
    MOVED.fill(con, f"FROM {differences} LIMIT 0")
    if pins.timed:
        UNEVEN_DAYS.fill(con, _uneven(pins, differences))
    else:
        count_days(pins)
        UNEVEN_DAYS.fill(con, UNEVEN_DAYS.nothing)
    if UNEVEN_DAYS.any(con):
        MOVED_KEYS.fill(con, _moved(pins, differences))
        moved = MOVED.add(con, _mismatches(pins, differences))
    return DIFFERING.fill(con, f"FROM {differences} UNION ALL BY NAME FROM {MOVED}"), moved


def _uneven(pins: Pins, differences: Relation) -> str:
    """The days on which the keys of the equal rows are not the same on both sides.

    The difference of both sides' key hashes, findings taken out, is zero where every row has its partner on its day.
    """
    plain, packed = (f"hash(hash({', '.join(parts)}))" for parts in _hashable(pins, differences))
    counts = count_days(pins, plain)
    return f"""
        SELECT d AS {_DAY} FROM (
            SELECT plumbline_day AS d, CASE output WHEN 'batch' THEN keys ELSE -keys END AS h FROM {counts}
            UNION ALL SELECT date_trunc('day', batch_event_time), -sum(batch_count * {packed}::HUGEINT)
            FROM {differences} WHERE batch_count > 0 GROUP BY 1
            UNION ALL SELECT date_trunc('day', stream_event_time), sum(stream_count * {packed}::HUGEINT)
            FROM {differences} WHERE stream_count > 0 GROUP BY 1
        )
        GROUP BY d HAVING sum(h) <> 0
    """


def _hashable(pins: Pins, differences: Relation) -> tuple[list[str], list[str]]:
    """SQL of the key columns, of a row and of a difference, in a form whose hash() tells their values apart."""
    plain, packed = [], []
    for name in pins.contract.output.key:
        told = (ident(name), f"key.{ident(name)}")
        found = [
            pins.con.sql(f"SELECT {column} FROM {table} LIMIT 0").types[0]
            for column, table in ((told[0], pins.batch), (told[0], pins.stream), (told[1], differences))
        ]
        collides = any(kind.id in _NESTED or is_wide(kind, kind) for kind in found)
        row, difference = map(sort_key, told) if collides else told
        plain.append(row)
        packed.append(difference)
    return plain, packed


def _moved(pins: Pins, differences: Relation) -> str:
    """Per key and day: how many more equal rows the batch table has than the stream table, where not as many."""
    key = pins.contract.output.key
    plain, packed = (", ".join(prefix + ident(name) for name in key) for prefix in ("", "key."))
    rows = [
        f"SELECT {plain}, {day_sql(EVENT_TIME)} AS {_DAY}, {sign}count(*) AS {_COUNT} FROM {view} GROUP BY ALL"
        for view, sign in ((pins.batch, ""), (pins.stream, "-"))
    ]
    rows += [
        f"SELECT {packed}, {day_sql(f'{table}_event_time')}, {sign}{table}_count "
        f"FROM {differences} WHERE {table}_count > 0"
        for table, sign in (("batch", "-"), ("stream", ""))
    ]
    return f"""
        SELECT {plain}, {_DAY}, sum({_COUNT})::BIGINT AS {_COUNT} FROM ({" UNION ALL ".join(rows)}) held
        SEMI JOIN {UNEVEN_DAYS} u ON held.{_DAY} IS NOT DISTINCT FROM u.{_DAY}
        GROUP BY ALL HAVING sum({_COUNT}) <> 0
    """


def _mismatches(pins: Pins, differences: Relation) -> str:
    """What one table has too much of a key on a day and what the other has on another day, row by row."""
    key = pins.contract.output.key
    same = " AND ".join(f"b.{ident(name)} IS NOT DISTINCT FROM s.{ident(name)}" for name in key)
    packed = ", ".join(f"{ident(name)} := b.{ident(name)}" for name in key)
    lineage = ", ".join(
        f"{table[0]}.{ident(name)} AS {ident(table + name)}" for table in ("batch", "stream") for name in LINEAGE
    )
    return f"""
        WITH b AS ({_too_many(pins, differences, pins.batch, "batch", 1)}),
        s AS ({_too_many(pins, differences, pins.stream, "stream", -1)})
        SELECT nextval('{FINDING_IDS}') AS id, 'mismatch' AS class, struct_pack({packed}) AS key,
            1 AS batch_count, 1 AS stream_count, 1 AS stream_copies,
            [{text(EVENT_TIME)}] AS columns, {_row(pins, "b")} AS batch_row, {_row(pins, "s")} AS stream_row,
            {lineage}
        FROM b JOIN s ON b.{_PLACE} = s.{_PLACE} AND {same}
    """


def _too_many(pins: Pins, differences: Relation, rows: Relation, table: str, sign: int) -> str:
    """So many of a key's rows on a day as its table has too many, those of no other finding first, and their places."""
    key = pins.contract.output.key
    same = " AND ".join(f"r.{ident(name)} IS NOT DISTINCT FROM m.{ident(name)}" for name in key)
    keys, places = (", ".join(f"r.{ident(name)}" for name in names) for names in (key, COORDINATES))
    told = " AND ".join(
        [f"d.key.{ident(name)} IS NOT DISTINCT FROM r.{ident(name)}" for name in key]
        + [f"d.{ident(table + name)} IS NOT DISTINCT FROM r.{ident(name)}" for name in LINEAGE]
    )
    return f"""
        SELECT r.*, row_number() OVER (PARTITION BY {keys} ORDER BY {places}, _event_time) AS {_PLACE}
        FROM (
            SELECT r.* FROM {rows} r JOIN {MOVED_KEYS} m
                ON {same} AND {day_sql("r._event_time")} IS NOT DISTINCT FROM m.{_DAY}
            WHERE {sign} * m.{_COUNT} > 0
            QUALIFY row_number() OVER (
                PARTITION BY {keys}, m.{_DAY}
                ORDER BY EXISTS (SELECT 1 FROM {differences} d WHERE d.{table}_count > 0 AND {told}), {places}
            ) <= {sign} * m.{_COUNT}
        ) r
    """


def _row(pins: Pins, alias: str) -> str:
    """SQL of a row as DIFFERING has it, with its event time."""
    names = [*(name for name in pins.contract.value_columns if name not in pins.contract.output.key), EVENT_TIME]
    return f"to_json(struct_pack({', '.join(f'{ident(name)} := {alias}.{ident(name)}' for name in names)}))"
