"""The rows that differ, one relation for all classes: the diff by key, then by lineage where a key has several rows.

One left event may match several right ones, so a key may have several rows on each side. Within such a key the
diff runs again with the input coordinates as part of the key: it then says which of the rows is missing or extra.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.lineage import COORDINATES, LINEAGE
from plumbline.reconcile.diff.engine import compare
from plumbline.reconcile.diff.engine.budget import Budget
from plumbline.reconcile.diff.engine.columns import drift_names
from plumbline.reconcile.inputs.pinned_views import BATCH, STREAM, Pins

if TYPE_CHECKING:
    from plumbline.reconcile.diff.engine import Comparison

DIFFERING = "differing"
_SEVERAL = {BATCH: "batch_several", STREAM: "stream_several"}
_UNNAMED = "_left_offset IS NULL AND _right_offset IS NULL"
_ROWS = {"batch": "left", "stream": "right"}


@dataclass(frozen=True)
class Differing:
    """What the diff found beside the rows in the temp table `differing` (see `find`).

    `match` is how many batch rows the engine found equal in the stream table, `batch` and `stream` how many rows it
    read, `schema` what is wrong between the two schemas.
    """

    batch: int
    stream: int
    match: int
    schema: tuple[dict[str, str | None], ...]


def find(pins: Pins) -> Differing:
    """Fill the temp table `differing`: one row per difference, with both rows, their lineage and event times.

    Columns: `id`, `class` (mismatch, missing, extra or duplicate), `key` (struct), `batch_count` and `stream_count`
    (rows of each table it stands for), `stream_copies` (stream rows of its key and lineage), `columns` (that differ),
    `batch_row` and `stream_row` (JSON of the compared columns), and per side `<side>_event_time`,
    `<side>_left_partition` ... `<side>_right_offset`, `<side>_replay_id`.
    """
    con = pins.con
    con.execute("CREATE OR REPLACE SEQUENCE finding_ids")
    first = compare_rows(pins, BATCH, STREAM, tuple(pins.contract.output.key), LINEAGE)
    con.execute(f"CREATE OR REPLACE TABLE several AS {_several_keys(pins)}")
    con.execute(f"CREATE OR REPLACE TABLE {DIFFERING} AS {_by_key(pins)}")
    inside = _by_lineage(pins) if _any(pins, "several") else 0
    return Differing(first.left_rows, first.right_rows, first.counts["match"] + inside, first.schema)


def compare_rows(pins: Pins, left: str, right: str, key: tuple[str, ...], carry: tuple[str, ...]) -> Comparison:
    """Compare two views by `key` under the contract's tolerances; leaves what differs in the view `drift`."""
    columns = [name for name in pins.contract.value_columns if name not in key]
    tolerances = pins.contract.reconcile.as_tolerances()
    return compare(
        pins.con,
        left,
        right,
        key,
        columns=columns,
        ignore=(),
        tolerances={name: rule for name, rule in tolerances.items() if name in columns},
        carry=carry,
        memory=pins.memory,
        budget=Budget.of(pins.memory),
        temp_dir=pins.scratch,
    )


def _several_keys(pins: Pins) -> str:
    keys = ", ".join(f"{ident(new)} AS {ident(name)}" for name, new in drift_names(pins.contract.output.key).items())
    return f"SELECT {keys} FROM drift WHERE drift.class = 'duplicate' OR drift.left_count > 1 OR drift.right_count > 1"


def _by_key(pins: Pins) -> str:
    """Differences of keys with at most one row on each side."""
    coordinates = _lineage_of_drift(LINEAGE)
    return f"{_difference(pins, coordinates)} WHERE class <> 'duplicate' AND left_count <= 1 AND right_count <= 1"


def _by_lineage(pins: Pins) -> int:
    """Differences inside keys with several rows, compared by key and coordinates; returns how many rows agree."""
    con, key = pins.con, pins.contract.output.key
    same_key = " AND ".join(f"several.{ident(name)} IS NOT DISTINCT FROM side.{ident(name)}" for name in key)
    for view, table in _SEVERAL.items():
        con.execute(
            f"CREATE OR REPLACE TABLE {table} AS SELECT side.* FROM {view} side SEMI JOIN several ON {same_key}"
        )
    # Where one of them has no lineage, rows of a key can only be distinguished by their values.
    values = tuple(name for name in pins.contract.value_columns if not _ignored(pins, name))
    named = not any(_any(pins, f"{table} WHERE {_UNNAMED}") for table in _SEVERAL.values())
    inside = COORDINATES if named else values
    carry = tuple(name for name in LINEAGE if name not in inside)
    second = compare_rows(pins, _SEVERAL[BATCH], _SEVERAL[STREAM], (*key, *inside), carry)
    keyed = ", ".join(
        f"CASE WHEN {count} > 0 THEN {ident(name)} END AS {ident(side + name)}"
        for side, count in (("batch", "left_count"), ("stream", "right_count"))
        for name in COORDINATES
        if name in inside
    )
    lineage = ", ".join(filter(None, [keyed, _lineage_of_drift(carry)]))
    con.execute(f"CREATE OR REPLACE TABLE inside AS {_difference(pins, lineage)}")
    if not named:
        con.execute(_count_copies(pins))
    con.execute(_pair_up(pins))
    con.execute(f"INSERT INTO {DIFFERING} BY NAME SELECT * EXCLUDE (other_id) FROM paired")
    con.execute(f"INSERT INTO {DIFFERING} BY NAME {_unpaired()}")
    return second.counts["match"]


def _count_copies(pins: Pins) -> str:
    """Equal rows of a key are copies of one row only where all of them are made from the same records."""
    same = [f"s.{ident(name)} IS NOT DISTINCT FROM inside.key.{ident(name)}" for name in pins.contract.output.key]
    same += [f"s.{ident(name)} IS NOT DISTINCT FROM inside.{ident('stream' + name)}" for name in COORDINATES]
    copies = f"SELECT count(*) FROM {_SEVERAL[STREAM]} s WHERE NOT ({_UNNAMED}) AND {' AND '.join(same)}"
    return f"UPDATE inside SET stream_copies = NULL WHERE stream_copies > 1 AND ({copies}) <> stream_copies"


def _difference(pins: Pins, lineage: str) -> str:
    key = ", ".join(f"{ident(name)} := {ident(new)}" for name, new in drift_names(pins.contract.output.key).items())
    return f"""
        SELECT nextval('finding_ids') AS id, class, struct_pack({key}) AS key,
            left_count AS batch_count, right_count AS stream_count, right_count AS stream_copies, columns,
            CASE WHEN left_count > 0 THEN to_json(left_row) END AS batch_row,
            CASE WHEN right_count > 0 THEN to_json(right_row) END AS stream_row,
            {lineage}
        FROM drift
    """


def _lineage_of_drift(names: tuple[str, ...]) -> str:
    return ", ".join(
        f"{ident(f'{prefix}_{name}')} AS {ident(side + name)}" for side, prefix in _ROWS.items() for name in names
    )


def _pair_up(pins: Pins) -> str:
    """A batch row and a stream row of one left event, with other right sides, are one mismatch."""
    names = [name for name in pins.contract.value_columns if not _ignored(pins, name)]
    differ = ", ".join(
        f"CASE WHEN (batch_row->{text(name)}) IS DISTINCT FROM (stream_row->{text(name)}) THEN {text(name)} END"
        for name in names
    )
    batch = ", ".join(f"b.{ident('batch' + name)}" for name in LINEAGE)
    stream = ", ".join(f"s.{ident('stream' + name)}" for name in LINEAGE)
    ranked = (
        "SELECT *, row_number() OVER (PARTITION BY key, {side}_left_partition, {side}_left_offset"
        " ORDER BY {side}_right_partition, {side}_right_offset) AS place"
        " FROM inside WHERE class = '{kind}' AND {side}_left_offset IS NOT NULL"
    )
    return f"""
        CREATE OR REPLACE TABLE paired AS
        WITH b AS ({ranked.format(side="batch", kind="missing")}),
        s AS ({ranked.format(side="stream", kind="extra")}),
        both_sides AS (
            SELECT b.id, s.id AS other_id, 'mismatch' AS class, b.key, 1 AS batch_count, 1 AS stream_count,
                1 AS stream_copies,
                b.batch_row, s.stream_row, {batch}, {stream}
            FROM b JOIN s
                ON b.key IS NOT DISTINCT FROM s.key AND b.place = s.place
                AND b.batch_left_partition = s.stream_left_partition AND b.batch_left_offset = s.stream_left_offset
        )
        SELECT *, list_filter([{differ}]::VARCHAR[], lambda name: name IS NOT NULL) AS columns FROM both_sides
    """


def _unpaired() -> str:
    """What the pairs leave of the differences inside keys: of a row that stands there several times, the other ones."""
    return """
        SELECT * FROM (
            SELECT * REPLACE (
                batch_count - (id IN (SELECT id FROM paired))::BIGINT AS batch_count,
                stream_count - (id IN (SELECT other_id FROM paired))::BIGINT AS stream_count
            )
            FROM inside
        ) WHERE batch_count > 0 OR stream_count > 0
    """


def _ignored(pins: Pins, name: str) -> bool:
    tolerance = pins.contract.reconcile.as_tolerances().get(name)
    return tolerance is not None and tolerance.ignore


def _any(pins: Pins, table: str) -> bool:
    return pins.con.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None
