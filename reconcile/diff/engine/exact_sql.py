"""The statements of the second pass, one function each. See `exact` for their order."""

from __future__ import annotations

from collections.abc import Mapping

from plumbline.connect.sql_quoting import column, ident, text
from plumbline.reconcile.diff.engine.candidates import Batch
from plumbline.reconcile.diff.engine.columns import Plan, drift_names
from plumbline.reconcile.diff.engine.compared_column import Compared, sort_key
from plumbline.reconcile.diff.engine.hash_pass import key_hash
from plumbline.reconcile.diff.engine.side_view import PLACE
from plumbline.reconcile.relations.diff import DRIFT

SCRATCH = "plumbline_diff"
CANDIDATES = f"{SCRATCH}.candidates"
PLACES = {"left": f"{SCRATCH}.left_places", "right": f"{SCRATCH}.right_places"}
FETCHED = {"left": f"{SCRATCH}.left_rows", "right": f"{SCRATCH}.right_rows"}
PAIRS, REPEATED = f"{SCRATCH}.pairs", f"{SCRATCH}.repeated"
DRIFT_ROWS = f"{SCRATCH}.drift"
WIDE = 50
"""Of more columns rows also carry a mark of each value. Every expression over a struct has room for 2,048 whole ones:
one for each of its fields takes memory and time by the square of their number."""
LISTED_ROWS = 100
"""At most so many rows of a repeated key are listed in `left_rows` and `right_rows`."""


def fetch_sql(plan: Plan, side: str, only: str) -> str:
    """The rows of one side that satisfy `only`: key hash, canonical key, and a record of lineage and plain values."""
    named = zip(plan.keys, _key_names(plan), strict=True)
    keys = ", ".join(f"{key.value(side)} AS {name}" for key, name in named)
    return f"""
        SELECT {key_hash(plan.keys, side)} AS key_hash, {keys}, {_record(plan, side)} AS record
        FROM {plan.side(side).sql}
        WHERE {only}
    """


def candidates_sql(plan: Plan, side: str) -> str:
    """The condition on the rows of one side that their key is a candidate.

    Where rows have places, those are looked at first: DuckDB then skips all that lies between them.
    """
    of_key = f"{key_hash(plan.keys, side)} IN (SELECT key_hash FROM {CANDIDATES})"
    if not plan.side(side).placed:
        return of_key
    file, row = (f"{name} IN (SELECT {name} FROM {PLACES[side]})" for name in PLACE)
    return f"{file} AND {row} AND {of_key}"


def pairs_sql(plan: Plan, batch: Batch) -> str:
    """One row per key of the batch: how many rows each side has, and the least of its records."""
    keys = _keys(plan)
    return f"""
        CREATE OR REPLACE TABLE {PAIRS} AS
        SELECT key_hash, {keys},
               count(ours) AS left_count, count(theirs) AS right_count,
               min(ours) AS ours, min(theirs) AS theirs
        FROM (
            SELECT key_hash, {keys}, record AS ours, NULL AS theirs
            FROM {FETCHED["left"]} WHERE {_within(batch)}
            UNION ALL
            SELECT key_hash, {keys}, NULL AS ours, record AS theirs
            FROM {FETCHED["right"]} WHERE {_within(batch)}
        )
        GROUP BY key_hash, {keys}
    """


def repeated_sql(plan: Plan, batch: Batch) -> str:
    """One row per key that some side has more than once: whether both sides hold the same rows equally often, and the
    least row that a side has more often than the other, `left_more` and `right_more`.

    Equal rows are counted together first, so a million copies of one row are one group.
    """
    keys = _keys(plan)
    return f"""
        CREATE OR REPLACE TABLE {REPEATED} AS
        WITH several AS (
            SELECT key_hash FROM {PAIRS} WHERE left_count > 1 OR right_count > 1
        ),
        signed AS (
            SELECT key_hash, {keys}, 1 AS sign, {_row_key(plan, "left")} AS row_key,
                   {_lineage("left", plan)} AS left_lineage, NULL AS right_lineage
            FROM {FETCHED["left"]} WHERE {_within(batch)} AND key_hash IN (FROM several)
            UNION ALL
            SELECT key_hash, {keys}, -1 AS sign, {_row_key(plan, "right")} AS row_key,
                   NULL AS left_lineage, {_lineage("right", plan)} AS right_lineage
            FROM {FETCHED["right"]} WHERE {_within(batch)} AND key_hash IN (FROM several)
        ),
        equal_rows AS (
            SELECT key_hash, {keys}, row_key, sum(sign) AS surplus, count(*) AS copies,
                   min(left_lineage, {LISTED_ROWS}) AS left_some, min(right_lineage, {LISTED_ROWS}) AS right_some
            FROM signed GROUP BY key_hash, {keys}, row_key
        )
        SELECT key_hash, {keys}, bool_and(surplus = 0) AS same,
               min(row_key) FILTER (surplus > 0) AS left_more, min(row_key) FILTER (surplus < 0) AS right_more,
               {_listed("left_some")} AS left_rows, {_listed("right_some")} AS right_rows
        FROM equal_rows GROUP BY key_hash, {keys} HAVING sum(copies) > 1
    """


def plain_drift_sql(plan: Plan) -> str:
    """`drift_sql` where no key is repeated and no lineage is carried: without its joins, which hold every row again."""
    return f"""
        WITH classified AS (
            SELECT *, {_differing(plan)} AS differing,
                   CASE WHEN right_count = 0 THEN 'missing'
                        WHEN left_count = 0 THEN 'extra' ELSE 'mismatch' END AS found
            FROM {PAIRS}
        )
        SELECT found AS class, {_named_keys(plan)} left_count, right_count,
               CASE WHEN found = 'mismatch' THEN differing ELSE [] END AS columns,
               {_shown_row(plan, "ours")} AS left_row, {_shown_row(plan, "theirs")} AS right_row
        FROM classified WHERE found <> 'mismatch' OR len(differing) > 0
    """


def drift_sql(plan: Plan, batch: Batch) -> str:
    """The drift rows among the pairs: their class, counts, differing columns, values and lineage of both sides.

    Of a repeated key a row is shown that the side has more often than the other, if there is one.
    """
    return f"""
        WITH left_unpaired AS ({_unpaired(plan, batch, "left")}),
        right_unpaired AS ({_unpaired(plan, batch, "right")}),
        classified AS (
            SELECT pairs.* REPLACE (
                       coalesce(left_unpaired.record, ours) AS ours, coalesce(right_unpaired.record, theirs) AS theirs
                   ), {_columns_of("repeated", plan)}
                   CASE WHEN left_count = 1 AND right_count = 1 THEN {_differing(plan)}
                        ELSE []::VARCHAR[] END AS differing,
                   CASE WHEN right_count = 0 THEN 'missing'
                        WHEN left_count = 0 THEN 'extra'
                        WHEN left_count = 1 AND right_count = 1
                            THEN CASE WHEN len(differing) > 0 THEN 'mismatch' ELSE 'match' END
                        WHEN repeated.same THEN 'match'
                        ELSE 'duplicate' END AS found
            FROM {PAIRS} AS pairs
            LEFT JOIN {REPEATED} AS repeated ON {_same_key(plan, "pairs", "repeated")}
            LEFT JOIN left_unpaired ON {_same_key(plan, "pairs", "left_unpaired")}
            LEFT JOIN right_unpaired ON {_same_key(plan, "pairs", "right_unpaired")}
        )
        SELECT found AS class, {_named_keys(plan)} left_count, right_count, differing AS columns,
               {_shown_row(plan, "ours")} AS left_row, {_shown_row(plan, "theirs")} AS right_row {_carried(plan)}
        FROM classified WHERE found <> 'match'
    """


def largest_sql(some: Mapping[str, str]) -> str:
    """One row: for each of some `distances` of columns the largest among the mismatches that the column is part of."""
    columns = (
        f"max({distance}) FILTER (list_contains(columns, {text(name)})) AS {ident(name)}"
        for name, distance in some.items()
    )
    return f"SELECT {', '.join(columns)} FROM {DRIFT} WHERE class = 'mismatch'"


def distances(plan: Plan) -> dict[str, str]:
    """Column to SQL of the distance of its two values, where it has one."""
    found = ((value.name, value.distance("left_row", "right_row")) for value in plan.values)
    return {name: distance for name, distance in found if distance is not None}


def _key_names(plan: Plan) -> list[str]:
    """The names of the key columns inside the engine's tables, free of clashes with its own."""
    return [f"key_{position}" for position in range(len(plan.keys))]


def _keys(plan: Plan) -> str:
    return ", ".join(_key_names(plan))


def _same_key(plan: Plan, one: str, other: str) -> str:
    names = (f"{one}.{name} IS NOT DISTINCT FROM {other}.{name}" for name in _key_names(plan))
    return " AND ".join([f"{one}.key_hash = {other}.key_hash", *names])


def _named_keys(plan: Plan) -> str:
    named = zip(_key_names(plan), plan.named_keys, strict=False)
    names = drift_names([key.name for key in plan.named_keys])
    return "".join(f"{key.shown(name)} AS {ident(names[key.name])}, " for name, key in named)


def _within(batch: Batch) -> str:
    return f"key_hash BETWEEN {batch.low} AND {batch.high}"


def _record(plan: Plan, side: str) -> str:
    """A struct of the lineage, then the plain values: `min` of it is the row of the least lineage."""
    row = f"'row': {_packed([value.name for value in plan.values or plan.keys])}"
    if len(plan.values) > WIDE:
        row += f", 'marks': [{', '.join(_mark(value.value(side)) for value in plan.values)}]"
        row += f", 'grids': [{', '.join(_mark(value.gridded(side)) for value in _on_grids(plan))}]::BLOB[]"
    if not plan.carry:
        return f"{{{row}}}"
    return f"{{'lineage': struct_pack({', '.join(_carried_field(plan, side, c) for c in plan.carry)}), {row}}}"


def _shown_row(plan: Plan, record: str) -> str:
    """The plain values of a record, or what may be shown of them; NULL where the side has no row."""
    columns = plan.values or plan.keys
    if not any(value.mask for value in columns):
        return f"{record}.row"
    fields = (f"{ident(value.name)} := {value.shown(column(value.name, record + '.row'))}" for value in columns)
    return f"CASE WHEN {record} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"


def _packed(names: list[str]) -> str:
    return f"struct_pack({', '.join(f'{ident(name)} := {ident(name)}' for name in names)})"


def _carried_field(plan: Plan, side: str, name: str) -> str:
    """A carried column, or a typed NULL on a side that lacks it."""
    own, other = plan.side(side).columns, plan.side("right" if side == "left" else "left").columns
    value = column(name) if name in own else f"NULL::{other[name]}"
    return f"{ident(name)} := {value}"


def _lineage(side: str, plan: Plan) -> str:
    return "record.lineage" if plan.carry else "NULL::INTEGER"


def _row_key(plan: Plan, side: str) -> str:
    """One value that is equal for equal rows, tolerances taken by their grid."""
    if not plan.values:
        return "0"
    if len(plan.values) > WIDE:
        on_grids = [str(place) for place, value in enumerate(plan.values, start=1) if value in _on_grids(plan)]
        marks = f"list_filter(record.marks, lambda mark, place: place NOT IN ({', '.join(on_grids)}))"
        return sort_key(f"{{'marks': {marks if on_grids else 'record.marks'}, 'grids': record.grids}}")
    fields = (f"{ident(value.name)} := {_comparable(value, side)}" for value in plan.values)
    return sort_key(f"struct_pack({', '.join(fields)})")


def _comparable(value: Compared, side: str) -> str:
    return value.gridded(side, "record.row")


def _mark(value: str) -> str:
    """An injective encoding as a BLOB: of short values alone create_sort_key() makes a BIGINT."""
    return f"create_sort_key({value}, 'ASC NULLS FIRST', '', 'ASC NULLS FIRST')"


def _on_grids(plan: Plan) -> list[Compared]:
    return [value for value in plan.values if value.tolerance]


def _listed(some: str) -> str:
    return f"list_slice(list_sort(flatten(list({some}))), 1, {LISTED_ROWS})"


def _unpaired(plan: Plan, batch: Batch, side: str) -> str:
    """Of each repeated key the least record of the row that `repeated` says the side has more often."""
    keys = ", ".join(f"fetched.{name}" for name in _key_names(plan))
    return f"""
        SELECT fetched.key_hash, {keys}, min(record) AS record
        FROM {FETCHED[side]} AS fetched
        JOIN {REPEATED} AS repeated ON {_same_key(plan, "fetched", "repeated")}
        WHERE fetched.{_within(batch)} AND {_row_key(plan, side)} = repeated.{side}_more
        GROUP BY fetched.key_hash, {keys}
    """


def _differing(plan: Plan) -> str:
    """SQL of the list of the names of the columns that differ between `ours` and `theirs`."""
    if not plan.values:
        return "[]::VARCHAR[]"
    if len(plan.values) > WIDE:
        return _differing_marks(plan)
    tests = (
        f"CASE WHEN {value.differs('ours.row', 'theirs.row')} THEN {text(value.name)} END" for value in plan.values
    )
    return f"list_filter([{', '.join(tests)}], lambda name: name IS NOT NULL)"


def _differing_marks(plan: Plan) -> str:
    """The same by the marks; only a column with a tolerance is looked at by itself."""
    names = ", ".join(text(value.name) for value in plan.values)
    forgiven = ", ".join(
        f"CASE WHEN NOT {value.differs('ours.row', 'theirs.row')} THEN {text(value.name)} END"
        for value in plan.values
        if value.tolerance or value.sql
    )
    return (
        f"list_filter([{names}], lambda name, place: ours.marks[place] IS DISTINCT FROM theirs.marks[place]"
        f" AND NOT list_contains([{forgiven}]::VARCHAR[], name))"
    )


def _columns_of(alias: str, plan: Plan) -> str:
    return f"{alias}.left_rows, {alias}.right_rows," if plan.carry else ""


def _carried(plan: Plan) -> str:
    """The lineage of the shown row of each side, and the lineage of all rows of a repeated key."""
    if not plan.carry:
        return ""
    fields = [
        f"{column(name, record + '.lineage')} AS {ident(f'{side}_{name}')}"
        for side, record in (("left", "ours"), ("right", "theirs"))
        for name in plan.carry
    ]
    return ", " + ", ".join([*fields, "left_rows", "right_rows"])
