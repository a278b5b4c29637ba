"""The diff of two relations by key: hashes first, rows only where the hashes say that something may differ.

scan      one pass over each side: 16 bytes per row, partitioned on disk           hashing, spill
pair      a group of partitions at a time: which keys do not pair off              candidates, pairing
fetch     the rows of those keys, by a semi-join on the key hash                    exact, statements
compare   value by value, grouped by key, a batch of keys at a time                exact, statements
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import duckdb

from plumbline.connect.machine import threads_within
from plumbline.connect.object_store import store_error
from plumbline.connect.sql_quoting import text
from plumbline.connect.unreadable import file_error
from plumbline.contract.errors import SetupError, UsageError
from plumbline.reconcile.diff.engine.budget import Budget, held_beside
from plumbline.reconcile.diff.engine.candidates import Batch, Batches, find_candidates
from plumbline.reconcile.diff.engine.columns import Plan, drift_names, plan_columns
from plumbline.reconcile.diff.engine.custom_equality import create_macros
from plumbline.reconcile.diff.engine.exact_pass import Exact
from plumbline.reconcile.diff.engine.exact_sql import distances, largest_sql
from plumbline.reconcile.diff.engine.hash_pass import spill_hashes
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.diff.engine.schema_findings import UNCOMPARED
from plumbline.reconcile.diff.engine.side_view import describe, first_line
from plumbline.reconcile.relations.diff import DRIFT

_COLUMNS_AT_ONCE = 20
CLASSES = ("mismatch", "missing", "extra", "duplicate")


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; the differing keys themselves are in the connection's temp view `drift`.

    `counts` are keys of the classes mismatch, missing (only left), extra (only right) and duplicate, and under
    `match` the rows of the left side that are in none of them. `columns` counts the mismatches that each column is
    part of, `largest` has the largest distance among those (moments: in seconds). `schema` lists {column, finding,
    left, right}. `repeated_keys` are the keys that some side holds more than once, drifting or not. `compared` and
    `carried` are column names; without a key `key` is empty.
    """

    left_rows: int
    right_rows: int
    counts: Mapping[str, int]
    columns: Mapping[str, int]
    schema: tuple[dict[str, str | None], ...]
    key: tuple[str, ...]
    compared: tuple[str, ...]
    carried: tuple[str, ...]
    repeated_keys: int
    largest: Mapping[str, int | float]

    @property
    def clean(self) -> bool:
        """No key differs, and no column had to be left out because the other side lacks it."""
        drifted = any(self.counts[name] for name in CLASSES)
        return not drifted and not any(found["finding"] in UNCOMPARED for found in self.schema)

    @property
    def drift_key(self) -> tuple[str, ...]:
        """The key columns by their names in the drift."""
        return tuple(drift_names(self.key).values())

    def spelled(self, names: Mapping[str, str]) -> Comparison:
        """The same with other names of columns: to each the one that people know."""

        def told(name: str | None) -> str:
            return names.get(str(name), str(name))

        return replace(
            self,
            columns={told(name): count for name, count in self.columns.items()},
            schema=tuple({**finding, "column": told(finding["column"])} for finding in self.schema),
            key=tuple(map(told, self.key)),
            compared=tuple(map(told, self.compared)),
            carried=tuple(map(told, self.carried)),
            largest={told(name): size for name, size in self.largest.items()},
        )

    def by_column(self) -> dict[str, dict[str, int | float | None]]:
        """For each compared column of the rows that both sides hold: how many agree in it, how many differ, and the
        largest difference (None where it has none, or nothing of it may be shown). Empty without a key."""
        if not self.key:
            return {}
        paired = self.counts["match"] + self.counts["mismatch"]
        differing = {name: self.columns.get(name, 0) for name in self.compared}
        return {
            name: {"matches": paired - count, "mismatches": count, "largest_difference": self.largest.get(name)}
            for name, count in differing.items()
        }


def compare(
    con: duckdb.DuckDBPyConnection,
    left: str,
    right: str,
    key: Sequence[str] | None,
    rules: Rules | None = None,
    *,
    memory: str = "512MB",
    temp_dir: Path | None = None,
    budget: Budget | None = None,
) -> Comparison:
    """Compare the views `left` (the reference) and `right` of `con` by `key`, as multisets of rows per key; without
    `rules` all columns, exactly.

    Without a key (None) whole rows are compared as multisets: they are missing, extra or duplicate, never a mismatch.

    Leaves the temp view `drift` in `con`, one row per differing key: `class`, the key columns (see `drift_names`),
    `left_count`, `right_count`, `columns` (names of the differing columns of a mismatch), the structs `left_row` and
    `right_row` (the compared columns, or the key where none is compared; NULL when absent). Carried
    columns come along as `left_<column>` and `right_<column>`; with them, `left_rows` and `right_rows` list their
    values for up to 100 rows of a key that occurs more than once.

    `memory` bounds the whole process: DuckDB's limit on `con` is set from it. Spills go to `temp_dir`, which must
    stay while `drift` is read, else to the system's temporary folder. The views are read twice at most. A further
    comparison in `con` replaces `drift`. Raises UsageError for keys, columns and tolerances that do not fit,
    SetupError when a side cannot be read or memory or disk run out.
    """
    budget = budget or Budget.of(memory, held_beside(con))
    plan = plan_columns(describe(con, left), describe(con, right), key, rules or Rules())
    create_macros(con, plan)
    with _foreseen(plan, memory):
        _settle(con, temp_dir, budget)
        rows, batches, exact = _find(con, plan, temp_dir, budget)
        _compare_batches(exact, batches, everything=batches.rows * 2 > sum(rows))
    return _summary(con, plan, rows, exact.repeated_keys)


def _settle(con: duckdb.DuckDBPyConnection, temp_dir: Path | None, budget: Budget) -> None:
    """Keep DuckDB within the budget, and its spills in `temp_dir`."""
    con.execute(f"SET memory_limit = '{budget.duckdb_bytes}B'")
    [(threads,)] = con.execute("SELECT current_setting('threads')").fetchall()
    con.execute(f"SET threads = {threads_within(budget.duckdb_bytes, int(threads))}")
    con.execute("SET preserve_insertion_order = false")
    [(folder,)] = con.execute("SELECT current_setting('temp_directory')").fetchall()
    if temp_dir is not None and folder != str(temp_dir):  # once it has spilled, DuckDB refuses even the same one
        temp_dir.mkdir(parents=True, exist_ok=True)
        con.execute(f"SET temp_directory = {text(str(temp_dir))}")


def _told_of_a_file(plan: Plan, error: Exception) -> None:
    """Raise what it says of a file or a store; of hidden columns no path, which may hold a value."""
    known = (store_error if plan.masked else file_error)(error)
    if known is not None:
        raise known from (None if plan.masked else error)


@contextmanager
def _foreseen(plan: Plan, memory: str) -> Iterator[None]:
    """Turn what can go wrong while reading or spilling into errors that say what to do."""
    sides = f"{plan.left.name}, {plan.right.name}"
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise SetupError(
            f"the comparison does not fit into {memory}: {first_line(error)}",
            where=sides,
            next_step="give more with --memory, or free disk space for spilling",
        ) from error
    except duckdb.Error as error:
        # DuckDB's own words may hold the value that it stumbled over.
        told = f"{type(error).__name__}, not shown as columns are hidden" if plan.masked else first_line(error)
        _told_of_a_file(plan, error)
        if isinstance(error, (duckdb.ConversionException, duckdb.OutOfRangeException)):
            raise UsageError(
                f"a value does not fit the SQL given for rows, columns or tolerances: {told}",
                where=sides,
                next_step="write TRY(...) around it: NULL for such values",
            ) from (None if plan.masked else error)
        raise SetupError(
            f"the comparison stopped: {told}",
            where=sides,
            next_step="check that the files of both sides are complete and that the disk has space for spilling",
        ) from (None if plan.masked else error)
    except OSError as error:
        _told_of_a_file(plan, error)
        raise SetupError(
            f"the row hashes cannot be spilled: {error.strerror or error}",
            where=error.filename,
            next_step="free disk space or set TMPDIR to a larger disk",
        ) from error


def _find(
    con: duckdb.DuckDBPyConnection, plan: Plan, folder: Path | None, budget: Budget
) -> tuple[tuple[int, int], Batches, Exact]:
    """Scan both sides and collect the keys whose rows must be read."""
    ours = spill_hashes(con, plan, "left", folder, budget.block_rows)
    theirs = spill_hashes(con, plan, "right", folder, budget.block_rows)
    exact, batches = Exact(con, plan, folder), Batches(budget.batch_rows)
    for group in find_candidates(ours, theirs, budget.group_rows):
        exact.add_candidates(group)
        batches.add(group)
    rows = ours.rows, theirs.rows
    ours.close()
    theirs.close()
    return rows, batches, exact


def _compare_batches(exact: Exact, batches: Batches, *, everything: bool) -> None:
    cut = batches.cut()
    exact.fetch(cut, everything=everything)
    for batch in cut or [Batch(1, 0)]:  # an empty one leaves an empty drift of the right columns
        _compare_within_memory(exact, batch)
    exact.finish()


def _compare_within_memory(exact: Exact, batch: Batch) -> None:
    """Compare a batch; where its rows are wider than foreseen, halve it until it fits."""
    try:
        exact.compare(batch)
    except duckdb.OutOfMemoryException:
        halves = batch.halves()
        if halves is None:
            raise
        for half in halves:
            _compare_within_memory(exact, half)


def _summary(con: duckdb.DuckDBPyConnection, plan: Plan, rows: tuple[int, int], repeated_keys: int) -> Comparison:
    found = con.execute(f"SELECT class, count(*), sum(left_count) FROM {DRIFT} GROUP BY class").fetchall()
    keys = {name: int(count) for name, count, _ in found}
    drifted_rows = sum(int(count) for _, _, count in found)
    differing = con.execute(
        f"SELECT name, count(*) FROM (SELECT unnest(columns) AS name FROM {DRIFT}) GROUP BY name"
    ).fetchall()
    order = [value.name for value in (plan.keys if plan.keyless else plan.values)]
    return Comparison(
        left_rows=rows[0],
        right_rows=rows[1],
        counts={"match": rows[0] - drifted_rows} | {name: keys.get(name, 0) for name in CLASSES},
        columns=dict(sorted(((n, int(c)) for n, c in differing), key=lambda item: order.index(item[0]))),
        schema=tuple(finding.document() for finding in plan.findings),
        key=tuple(key.name for key in plan.named_keys),
        compared=tuple(order),
        carried=plan.carry,
        repeated_keys=repeated_keys,
        largest=_largest(con, plan, {name for name, _ in differing}),
    )


def _largest(con: duckdb.DuckDBPyConnection, plan: Plan, differing: Collection[str]) -> dict[str, int | float]:
    """A few columns at a time: see statements on structs of many fields."""
    wanted = [(name, distance) for name, distance in distances(plan).items() if name in differing]
    found: dict[str, int | float] = {}
    for first in range(0, len(wanted), _COLUMNS_AT_ONCE):
        some = dict(wanted[first : first + _COLUMNS_AT_ONCE])
        [values] = con.execute(largest_sql(some)).fetchall()
        found |= {name: _plain(value) for name, value in zip(some, values, strict=True) if value is not None}
    return found


def _plain(value: int | float | Decimal) -> int | float:
    return float(value) if isinstance(value, Decimal) else value
