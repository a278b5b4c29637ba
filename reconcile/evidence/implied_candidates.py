"""Which archived records can have made a row that does not name them: by its key, its event time and the join fields.

A record counts unless it certainly cannot be behind the row. So a value that is not read here, as a date or one that
comes by an older name, rules nothing out, and neither do quarantine, `where` or lateness: a job of a team's own may
have taken what ours would not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.connect import pinned
from plumbline.connect.json_fields import CERTAIN, field_kind, field_text, readable
from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.archive_columns import archives_of_theirs
from plumbline.contract.lineage import EVENT_TIME
from plumbline.reconcile.diff.engine.columns import drift_names
from plumbline.reconcile.relations.diff import DRIFT
from plumbline.reconcile.relations.implied import BEHIND, CANDIDATES, MAY_BE, UNTOLD
from plumbline.reconcile.relations.inputs import COPIES

if TYPE_CHECKING:
    from plumbline.contract.model import Source
    from plumbline.reconcile.inputs.pinned_views import Pins

UNNAMED = "_left_offset IS NULL AND _right_offset IS NULL"
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_COMPARED = {
    "string": ("VARCHAR",),
    "boolean": ("BOOLEAN",),
    "int": _WHOLE,
    "long": _WHOLE,
    "float": ("FLOAT", "DOUBLE"),
    "double": ("FLOAT", "DOUBLE"),
}
"""Kind of a field to the DuckDB types of a column that it is compared with."""
_TEXTS = ("string", "boolean", "int", "long")
"""Kinds whose values are spelled in one way, so that records are found by them."""


@dataclass(frozen=True)
class Told:
    """An output column that the archive tells: its field, the JSON types that are certain, the column's own type.
    `exact` columns have no tolerance."""

    name: str
    side: str
    source: Source
    field: str
    json: tuple[str, ...]
    kind: str
    exact: bool

    def _read(self) -> tuple[str, str]:
        value = f"{self.side}_value"
        text = field_text(self.source, self.field, value)
        return field_kind(self.source, self.field, value), f"TRY_CAST({text} AS {self.kind})"

    @property
    def unlike(self) -> str:
        """SQL: the record certainly has another value than the row."""
        found, value = self._read()
        sure, column = ", ".join(map(text, self.json)), ident(self.name)
        return f"""CASE WHEN {found} IN ({sure}) THEN {value} IS DISTINCT FROM {column}
            WHEN coalesce({found}, 'NULL') = 'NULL' THEN {column} IS NOT NULL ELSE false END"""

    @property
    def alike(self) -> str:
        """SQL: the record certainly has the row's value, which is not NULL."""
        found, value = self._read()
        return f"coalesce({found} IN ({', '.join(map(text, self.json))}) AND {value} = {ident(self.name)}, false)"


def find_candidates(pins: Pins, *, every: bool = False) -> bool:
    """Fill UNTOLD and CANDIDATES for the rows that DRIFT is about, or for every row. False where no row of them lacks
    its records, or where the stream table has no column by which they are found."""
    join = pins.contract.join
    if not pins.around(pins.stream).any(pins.con, UNNAMED):
        return False
    UNTOLD.fill(pins.con, _untold(pins, every))
    told = _told(pins)
    links = [one for one in told if one.side == "left" and one.name in pins.contract.output.key]
    links = [one for one in links if is_text(pins.contract.left, one.field)]
    if not links or not UNTOLD.any(pins.con):
        return False
    same = [f"u.{ident(one.name)}::VARCHAR IS NOT DISTINCT FROM {spelled(one.source, one.field)}" for one in links]
    # A team's own job may read times that the archive could not.
    near = f"(u.{EVENT_TIME} IS NULL OR a.event_time IS NULL OR epoch_ms(u.{EVENT_TIME}) = epoch_ms(a.event_time))"
    _may_be(pins, "left", f"{UNTOLD} u", [*same, near])
    theirs = enumerate(spelled(pins.contract.right, right) for _, right in join.pairs)
    _may_be(pins, "right", f"{MAY_BE['left']} u", [f"u.plumbline_on_{i} = {field}" for i, field in theirs])
    CANDIDATES.fill(pins.con, _candidates(pins, told, links))
    return True


def can_tell(pins: Pins) -> bool:
    """Whether archives can tell what rows were made from: both are there, written by us and in JSON, the join fields
    and one of the key's are spelled in one way, and no unmatched right event gives a row."""
    left, right = pins.contract.left, pins.contract.right
    joined = all(is_text(left, one) and is_text(right, other) for one, other in pins.contract.join.pairs)
    keyed = [c for c in pins.contract.output_columns if c.name in pins.contract.output.key and c.sql is None]
    found = any(c.source == pins.contract.join.left and is_text(left, c.field or "") for c in keyed)
    ours = not archives_of_theirs(pins.contract)
    held = ours and all(readable(s) and pins.snapshots[s.archive] is not None for s in (left, right))
    return held and joined and found and not pins.contract.join.keeps_right


def is_text(source: Source, field: str) -> bool:
    """Whether the field's values are spelled in one way, and by no older name."""
    return source.fields.get(field) in _TEXTS and field not in source.aliases


def _untold(pins: Pins, every: bool) -> str:
    """The rows without coordinates that have a key of DRIFT, or an event time of its rows; or all of them."""
    rows, names = pins.around(pins.stream), drift_names(pins.contract.output.key)
    has = set(pins.con.sql(f"FROM {rows} LIMIT 0").columns)
    columns = ", ".join(ident(one.name) for one in pins.contract.output_columns if one.name in has)
    same = " AND ".join(f"s.{ident(name)} IS NOT DISTINCT FROM d.{ident(new)}" for name, new in names.items())
    times = " UNION ".join(f"SELECT {ident(f'{side}_{EVENT_TIME}')} FROM {DRIFT}" for side in ("left", "right"))
    wanted = "true" if every else f"{EVENT_TIME} IN ({times}) OR EXISTS (SELECT 1 FROM {DRIFT} d WHERE {same})"
    return f"""
        SELECT row_number() OVER () AS plumbline_row, * FROM (
            SELECT DISTINCT {columns}, {EVENT_TIME} FROM {rows} s WHERE {UNNAMED} AND ({wanted})
        )
    """


def _told(pins: Pins) -> list[Told]:
    """The columns of UNTOLD that the archive tells."""
    shown = pins.con.sql(f"FROM {UNTOLD} LIMIT 0")
    kinds = dict(zip(shown.columns, map(str, shown.types), strict=True))
    tolerances, sides = pins.contract.reconcile.as_tolerances(), {pins.contract.join.left: "left"}
    told = []
    for column in pins.contract.output_columns:
        source = pins.contract.sources.get(column.source or "")
        if column.sql is not None or column.field is None or source is None or column.field in source.aliases:
            continue
        kind = source.fields.get(column.field, "")
        if kinds.get(column.name) in _COMPARED.get(kind, ()):
            side = sides.get(column.source or "", "right")
            exact = column.name not in tolerances
            told.append(Told(column.name, side, source, column.field, CERTAIN[kind], kinds[column.name], exact))
    return told


def spelled(source: Source, field: str) -> str:
    """SQL of one field of the record `a`, as text; NULL where the value is not JSON."""
    return field_text(source, field, "a.value")


def _may_be(pins: Pins, side: str, rows: str, conditions: list[str]) -> None:
    """Fill MAY_BE of one side with the archived records that meet the conditions with one of the rows `u`."""
    source = pins.contract.source_of(side)
    reach, view = pins.archived(side, around=True), BEHIND[side]
    pruned = reach.iceberg("event_time")
    columns = ("topic", "partition", "offset", "event_time", "value")
    wanted = None if pruned is None else f"({pruned}) or event_time is null"
    name = view.name
    pinned.scan(pins.con, pins.lake, source.archive, pins.snapshots[source.archive], view=name, row_filter=wanted,
                columns=columns, schema="archive")  # fmt: skip
    on = [pair[side == "right"] for pair in pins.contract.join.pairs]
    fields = ", ".join(f"any_value({spelled(source, field)}) AS plumbline_on_{i}" for i, field in enumerate(on))
    MAY_BE[side].fill(
        pins.con,
        f"""
        SELECT a.partition, a."offset", any_value(a.event_time) AS event_time, any_value(a.value) AS value,
            any_value(coalesce(c.first_partition, a.partition)) AS event_partition,
            any_value(coalesce(c.first_offset, a."offset")) AS event_offset, {fields}
        FROM (
            SELECT partition, "offset", event_time, TRY(decode(value)) AS value FROM {view}
            WHERE topic = {text(source.topic)} AND (event_time IS NULL OR {reach.sql("event_time")})
        ) a
        LEFT JOIN {COPIES[side]} c ON c.partition = a.partition AND c."offset" = a."offset"
        SEMI JOIN {rows} ON {" AND ".join(conditions)}
        GROUP BY a.partition, a."offset"
        """,
    )


def _candidates(pins: Pins, told: list[Told], links: list[Told]) -> str:
    """Each row of UNTOLD beside each left record and each match of it, and beside the left record alone."""
    join, key = pins.contract.join, pins.contract.output.key
    low, high = (bound * 1_000 for bound in pins.within_ms)
    same = [f"u.{ident(one.name)}::VARCHAR IS NOT DISTINCT FROM {spelled(one.source, one.field)}" for one in links]
    same.append(f"(u.{EVENT_TIME} IS NULL OR a.event_time IS NULL"
                f" OR epoch_ms(u.{EVENT_TIME}) = epoch_ms(a.event_time))")  # fmt: skip
    on = " AND ".join(f"l.plumbline_on_{i} = r.plumbline_on_{i}" for i in range(len(join.pairs)))
    has = pins.con.sql(f"FROM {UNTOLD} LIMIT 0").columns
    mine = {column.name for column in pins.contract.output_columns if column.source == join.right} & set(has)
    padded = " AND ".join([str(join.keeps_left).lower(), *(f"{ident(name)} IS NULL" for name in sorted(mine))])
    left, right = ([one for one in told if one.side == side] for side in ("left", "right"))
    place = "left_place[1] AS _left_partition, left_place[2] AS _left_offset"
    return f"""
        WITH lefts AS (
            SELECT u.*, a.value AS left_value, a.event_time AS left_time, (a.partition, a."offset") AS left_place,
                (a.event_partition, a.event_offset) AS left_event, a.* LIKE 'plumbline_on_%'
            FROM {UNTOLD} u JOIN {MAY_BE["left"]} a ON {" AND ".join(same)}
        ),
        pairs AS (
            SELECT l.*, r.value AS right_value, (r.partition, r."offset") AS right_place,
                (r.event_partition, r.event_offset) AS right_event,
                epoch_us(r.event_time) - epoch_us(left_time) AS apart
            FROM lefts l JOIN {MAY_BE["right"]} r ON {on}
        )
        SELECT plumbline_row, {place}, right_place[1] AS _right_partition, right_place[2] AS _right_offset,
            {{'l': left_event, 'r': right_event}} AS events,
            coalesce(apart BETWEEN {low} AND {high}, false) AS inside, {_marks(left, right, key)}
        FROM pairs WHERE {_not_unlike([*left, *right], key)}
        UNION ALL
        SELECT plumbline_row, {place}, NULL, NULL, {{'l': left_event, 'r': NULL}}, true, {_marks(left, [], key)}
        FROM lefts WHERE {padded} AND {_not_unlike(left, key)}
    """


def _not_unlike(columns: list[Told], key: list[str]) -> str:
    """SQL: no column of the key is another one than the record's."""
    return " AND ".join(["true", *(f"NOT ({one.unlike})" for one in columns if one.name in key)])


def _marks(left: list[Told], right: list[Told], key: list[str]) -> str:
    """SQL of `strict` and of how many columns of each side are unlike and alike the record's."""
    marks = [" AND ".join(["true", *(f"NOT ({one.unlike})" for one in (*left, *right))]) + " AS strict"]
    for side, columns in (("left", left), ("right", right)):
        unlike = " + ".join(["0", *(f"({one.unlike})::INTEGER" for one in columns if one.exact)])
        alike = " + ".join(["0", *(f"({one.alike})::INTEGER" for one in columns if one.exact and one.name not in key)])
        marks += [f"({unlike})::BIGINT AS {side}_unlike", f"({alike})::BIGINT AS {side}_alike"]
    return ", ".join(marks)
