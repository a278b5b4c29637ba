"""The rows that differ, one relation for all classes: the diff by key, then by lineage where a key has several rows.

One left event may match several right ones, so a key may have several rows on each side. Within such a key the
diff runs again with the input coordinates as part of the key: it then says which of the rows is missing or extra.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.lineage import COORDINATES, EVENT_TIME, LINEAGE, RIGHT_EVENT_TIME, RIGHT_OFFSET
from plumbline.reconcile.diff.engine.budget import Budget
from plumbline.reconcile.diff.engine.columns import drift_names
from plumbline.reconcile.diff.engine.compare import compare
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.evidence.implied_lineage import with_implied
from plumbline.reconcile.evidence.recomputed_rows import with_recomputed
from plumbline.reconcile.inputs.day_ranges import day_sql
from plumbline.reconcile.inputs.epoch_spans import Progress
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.diff import DRIFT
from plumbline.reconcile.relations.evidence import DIFFERENCES, FINDING_IDS, INSIDE, PAIRED, SEVERAL, SEVERAL_ROWS
from plumbline.reconcile.relations.implied import NAMED, RECOMPUTED, UNNAMED_KEYS, UNTOLD
from plumbline.reconcile.relations.inputs import BATCH, STREAM
from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    from plumbline.reconcile.diff.engine.compare import Comparison

_UNNAMED = "_left_offset IS NULL AND _right_offset IS NULL"
_DAY = "plumbline_day"
_ROWS = {"batch": "left", "stream": "right"}


@dataclass(frozen=True)
class Differing:
    """What the diff found: `rows` are the differences, `several` the keys with several rows on a side.

    `pins` are those of the comparison, with a stream whose rows are named as far as the archive implies their records;
    `near` are those with the rows that may differ in place of all, where Spark has found them.
    `match` is how many batch rows the engine found equal in the stream table, `batch` and `stream` how many rows it
    read, `schema` what is wrong between the two schemas.
    """

    pins: Pins
    near: Pins
    rows: Relation
    several: Relation
    batch: int
    stream: int
    match: int
    schema: tuple[dict[str, str | None], ...]


def find(pins: Pins, ruled: Progress | None = None) -> Differing:
    """Compare the rows of both outputs: one row per difference, with both rows, their lineage and event times.

    `ruled` is how far the stream has come, where its ledger tells which records it dropped (FATE).
    """
    con = pins.con
    con.execute(f"CREATE OR REPLACE SEQUENCE {FINDING_IDS}")
    near, first = _by_values(pins)
    SEVERAL.fill(con, _several_keys(pins))
    DIFFERENCES.fill(con, _by_key(pins))
    read = pins.stream
    pins = with_implied(pins)
    pins = with_recomputed(pins, read, ruled)
    if RECOMPUTED.any(con):
        con.execute(_name(pins, f"(FROM {RECOMPUTED})"))
    if NAMED.any(con):
        con.execute(_name(pins, f"(FROM {UNTOLD} JOIN {NAMED} USING (plumbline_row))"))
    inside = 0
    if SEVERAL.any(con):
        inside = _inside_keys(
            replace(pins, batch=near.batch, stream=near.stream if pins.stream == read else pins.stream)
        )
    match = first.counts["match"] + inside
    return Differing(pins, near, DIFFERENCES, SEVERAL, first.left_rows, first.right_rows, match, first.schema)


def _by_values(pins: Pins) -> tuple[Pins, Comparison]:
    """The comparison of all rows that are read by the output's key, and the pins with the rows that were looked at."""
    key = tuple(pins.contract.output.key)
    if pins.spark is None or not pins.read.ranges:
        return pins, compare_rows(pins, pins.batch, pins.stream, key, LINEAGE)
    from plumbline.reconcile.evidence.by_spark import may_differ

    near, narrowed = may_differ(pins, key, _rules(pins, key, LINEAGE))
    return near, narrowed.whole(pins.con, compare_rows(pins, near.batch, near.stream, key, LINEAGE))


def compare_rows(
    pins: Pins, left: Relation, right: Relation, key: tuple[str, ...], carry: tuple[str, ...]
) -> Comparison:
    """Compare two views by `key` under the contract's tolerances; leaves what differs in DRIFT."""
    return compare(
        pins.con,
        left.name,
        right.name,
        key,
        _rules(pins, key, carry),
        memory=pins.memory,
        budget=Budget.of(pins.memory),
        temp_dir=pins.scratch,
    )


def _rules(pins: Pins, key: tuple[str, ...], carry: tuple[str, ...]) -> Rules:
    own = (RIGHT_EVENT_TIME,) if pins.contract.one_for_one else ()
    columns = [name for name in (*pins.contract.value_columns, *own) if name not in key]
    tolerances = pins.contract.reconcile.as_tolerances()
    return Rules(columns, tolerances={name: rule for name, rule in tolerances.items() if name in columns}, carry=carry)


def _several_keys(pins: Pins) -> str:
    keys = ", ".join(f"{ident(new)} AS {ident(name)}" for name, new in drift_names(pins.contract.output.key).items())
    return f"SELECT {keys} FROM {DRIFT} d WHERE d.class = 'duplicate' OR NOT {_alone(pins)}"


def _by_key(pins: Pins) -> str:
    """Differences of keys with at most one row on each side, which are one difference."""
    coordinates = _lineage_of_drift(LINEAGE)
    return f"{_difference(pins, coordinates)} WHERE class <> 'duplicate' AND {_alone(pins)}"


def _alone(pins: Pins) -> str:
    """SQL: what differs of a key is one difference. Of upserted tables, and where a source is reduced, two rows of
    other right events are two: why the one is not there says nothing of the other."""
    if not pins.contract.one_for_one:
        return "(left_count <= 1 AND right_count <= 1)"
    other = " OR ".join(f"{ident(f'left_{name}')} IS DISTINCT FROM {ident(f'right_{name}')}" for name in COORDINATES)
    two = f"left_count = 1 AND {ident(f'right_{RIGHT_OFFSET}')} IS NOT NULL AND ({other})"
    return f"(left_count <= 1 AND right_count <= 1 AND NOT coalesce({two}, false))"


def _name(pins: Pins, rows: str) -> str:
    """The coordinates of named rows for the stream rows of keys that have one of them."""
    same = [f"d.key.{ident(name)} IS NOT DISTINCT FROM n.{ident(name)}" for name in pins.contract.output.key]
    same.append(f"d.stream{EVENT_TIME} IS NOT DISTINCT FROM n.{EVENT_TIME}")
    same += [f"d.stream{name} IS NULL" for name in COORDINATES]
    places = ", ".join(f"{ident('stream' + name)} = n.{ident(name)}" for name in COORDINATES)
    return f"""
        UPDATE {DIFFERENCES} AS d SET {places} FROM {rows} n
        WHERE d.stream_count = 1 AND {" AND ".join(same)}
    """


def _inside_keys(pins: Pins) -> int:
    """Differences inside keys with several rows; returns how many rows agree.

    In tables of a team's own job the rows of some keys may say what they were made from, and those of others not.
    """
    key = ", ".join(map(ident, pins.contract.output.key))
    unnamed = UNNAMED_KEYS.fill(
        pins.con,
        " UNION ".join(
            f"SELECT {key} FROM {rows} side SEMI JOIN {SEVERAL} several ON {_same_key(pins, 'several')}"
            f" WHERE {_UNNAMED}"
            for rows in (pins.batch, pins.stream)
        ),
    )
    if pins.contract.job is None or not unnamed.any(pins.con):
        return _by_lineage(pins, "")
    apart = _same_key(pins, "unnamed")
    return sum(_by_lineage(pins, f"{kind} JOIN {unnamed} unnamed ON {apart}") for kind in ("ANTI", "SEMI"))


def _same_key(pins: Pins, other: str) -> str:
    key = pins.contract.output.key
    return " AND ".join(f"{other}.{ident(name)} IS NOT DISTINCT FROM side.{ident(name)}" for name in key)


def _by_lineage(pins: Pins, some: str) -> int:
    """Differences inside keys with several rows, compared by key and coordinates; returns how many rows agree.

    `some` is a join that leaves some of the keys.
    """
    con, key = pins.con, pins.contract.output.key
    same_key = _same_key(pins, "several")
    day = day_sql(f"side.{EVENT_TIME}") if pins.timed else "NULL::TIMESTAMPTZ"
    batch, stream = (
        SEVERAL_ROWS[of].fill(
            con, f"SELECT side.*, {day} AS {_DAY} FROM {rows} side SEMI JOIN {SEVERAL} several ON {same_key} {some}"
        )
        for of, rows in ((BATCH, pins.batch), (STREAM, pins.stream))
    )
    # Where one of them has no lineage, rows of a key can only be distinguished by their values, each on its day.
    values = tuple(name for name in pins.contract.value_columns if not _ignored(pins, name))
    named = not any(rows.any(con, _UNNAMED) for rows in (batch, stream))
    inside = COORDINATES if named else (*values, _DAY)
    carry = tuple(name for name in LINEAGE if name not in inside)
    second = compare_rows(pins, batch, stream, (*key, *inside), carry)
    keyed = ", ".join(
        f"CASE WHEN {count} > 0 THEN {ident(name)} END AS {ident(side + name)}"
        for side, count in (("batch", "left_count"), ("stream", "right_count"))
        for name in COORDINATES
        if name in inside
    )
    lineage = ", ".join(filter(None, [keyed, _lineage_of_drift(carry)]))
    INSIDE.fill(con, _difference(pins, lineage))
    if not named:
        con.execute(_count_copies(pins))
    PAIRED.fill(con, _pair_up(pins))
    DIFFERENCES.add(con, f"SELECT * EXCLUDE (other_id) FROM {PAIRED}")
    DIFFERENCES.add(con, _unpaired())
    return second.counts["match"]


def _count_copies(pins: Pins) -> str:
    """Equal rows of a key are copies of one row only where all of them are made from the same records."""
    same = [f"s.{ident(name)} IS NOT DISTINCT FROM {INSIDE}.key.{ident(name)}" for name in pins.contract.output.key]
    same += [f"s.{ident(name)} IS NOT DISTINCT FROM {INSIDE}.{ident('stream' + name)}" for name in COORDINATES]
    copies = f"SELECT count(*) FROM {SEVERAL_ROWS[STREAM]} s WHERE NOT ({_UNNAMED}) AND {' AND '.join(same)}"
    return f"UPDATE {INSIDE} SET stream_copies = NULL WHERE stream_copies > 1 AND ({copies}) <> stream_copies"


def _difference(pins: Pins, lineage: str) -> str:
    key = ", ".join(f"{ident(name)} := {ident(new)}" for name, new in drift_names(pins.contract.output.key).items())
    return f"""
        SELECT nextval('{FINDING_IDS}') AS id, class, struct_pack({key}) AS key,
            left_count AS batch_count, right_count AS stream_count, right_count AS stream_copies, columns,
            CASE WHEN left_count > 0 THEN to_json(left_row) END AS batch_row,
            CASE WHEN right_count > 0 THEN to_json(right_row) END AS stream_row,
            {lineage}
        FROM {DRIFT}
    """


def _lineage_of_drift(names: tuple[str, ...]) -> str:
    return ", ".join(
        f"{ident(f'{prefix}_{name}')} AS {ident(side + name)}" for side, prefix in _ROWS.items() for name in names
    )


def _pair_up(pins: Pins) -> str:
    """A batch row and a stream row of one left event, with other right sides, are one mismatch; of upserted tables,
    and where a source is reduced, only where the stream's row has no right side."""
    names = [name for name in pins.contract.value_columns if not _ignored(pins, name)]
    differ = ", ".join(
        f"CASE WHEN (batch_row->{text(name)}) IS DISTINCT FROM (stream_row->{text(name)}) THEN {text(name)} END"
        for name in names
    )
    batch = ", ".join(f"b.{ident('batch' + name)}" for name in LINEAGE)
    stream = ", ".join(f"s.{ident('stream' + name)}" for name in LINEAGE)
    unmatched = " AND stream_right_offset IS NULL" if pins.contract.one_for_one else ""
    ranked = (
        "SELECT *, row_number() OVER (PARTITION BY key, {side}_left_partition, {side}_left_offset"
        " ORDER BY {side}_right_partition, {side}_right_offset) AS place"
        " FROM {inside} WHERE class = '{kind}' AND {side}_left_offset IS NOT NULL"
    )
    return f"""
        WITH b AS ({ranked.format(inside=INSIDE, side="batch", kind="missing")}),
        s AS ({ranked.format(inside=INSIDE, side="stream", kind="extra")}{unmatched}),
        both_sides AS (
            SELECT b.id, s.id AS other_id, 'mismatch' AS class, b.key,
                1::BIGINT AS batch_count, 1::BIGINT AS stream_count, 1::BIGINT AS stream_copies,
                b.batch_row, s.stream_row, {batch}, {stream}
            FROM b JOIN s
                ON b.key IS NOT DISTINCT FROM s.key AND b.place = s.place
                AND b.batch_left_partition = s.stream_left_partition AND b.batch_left_offset = s.stream_left_offset
        )
        SELECT *, list_filter([{differ}]::VARCHAR[], lambda name: name IS NOT NULL) AS columns FROM both_sides
    """


def _unpaired() -> str:
    """What the pairs leave of the differences inside keys: of a row that stands there several times, the other ones."""
    return f"""
        SELECT * FROM (
            SELECT * REPLACE (
                batch_count - (id IN (SELECT id FROM {PAIRED}))::BIGINT AS batch_count,
                stream_count - (id IN (SELECT other_id FROM {PAIRED}))::BIGINT AS stream_count
            )
            FROM {INSIDE}
        ) WHERE batch_count > 0 OR stream_count > 0
    """


def _ignored(pins: Pins, name: str) -> bool:
    tolerance = pins.contract.reconcile.as_tolerances().get(name)
    return tolerance is not None and tolerance.ignore
