"""Compare any two tables, files or folders by key: useful without a contract, and from a notebook."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.connect.home import Home
from plumbline.connect.pinned import connection
from plumbline.connect.plain_rows import plain_rows, told_times
from plumbline.connect.sql_quoting import text
from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import UsageError
from plumbline.contract.lineage import LINEAGE
from plumbline.reconcile.diff.atomic_file import written_whole
from plumbline.reconcile.diff.engine.budget import Budget
from plumbline.reconcile.diff.engine.case_names import CaseNames
from plumbline.reconcile.diff.engine.compare import CLASSES, Comparison, compare
from plumbline.reconcile.diff.engine.frames import with_nan
from plumbline.reconcile.diff.engine.masking import masks
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.diff.engine.side_options import Side, by_right, check_names, shaped
from plumbline.reconcile.diff.engine.side_view import SideView, describe
from plumbline.reconcile.diff.engine.sources import in_digits, open_side, typed_like
from plumbline.reconcile.diff.engine.spill_folder import spill_folder
from plumbline.reconcile.diff.fail_if import FailIf, by_name, crossed, parse_fail_if
from plumbline.reconcile.diff.repair_sql import Repairable, write_repair
from plumbline.reconcile.diff.samples import in_order, plain_json, samples_sql
from plumbline.reconcile.diff.spark.choice import Choice, choose
from plumbline.reconcile.diff.tolerances import parse_tolerances
from plumbline.reconcile.relations.diff import DRIFT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from plumbline.connect.lake import Lake
    from plumbline.reconcile.diff.spark.narrow import Narrowed

Source = str | Path | Any
SHOWN = 20


class Diff:
    """The result of `diff`. It holds its rows in DuckDB until it is closed or collected; `with` closes it.

    `comparison` has the figures as an object, `summary` as the document of `plumbline diff --json`.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        comparison: Comparison,
        spill: tempfile.TemporaryDirectory[str],
        engine: Choice,
        limits: Sequence[FailIf] = (),
        repairable: Repairable | None = None,
        apart: CaseNames | None = None,
    ) -> None:
        self._con = con
        self._apart = apart or CaseNames()
        self.engine = engine
        self._spill = spill  # the drift may lie there in part: it must live as long as the connection
        self._inside = comparison
        self.comparison = comparison.spelled(self._apart.spelled)
        self._limits = limits
        self._repairable = repairable or Repairable()

    @property
    def clean(self) -> bool:
        """Whether no key differs and every column could be compared."""
        return self.comparison.clean

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """The limits of `fail_if` that were crossed: `{"name", "limit", "count", "of"}`."""
        return crossed(self._limits, self.comparison)

    @property
    def failed(self) -> bool:
        """Whether a limit was crossed; without limits, whether anything differs."""
        return bool(self.alerts) if self._limits else not self.clean

    @property
    def within_limits(self) -> bool:
        """Whether there are limits, and none was crossed."""
        return bool(self._limits) and not self.alerts

    @property
    def summary(self) -> dict[str, Any]:
        """`{"left": {"rows"}, "right": {"rows"}, "counts", "columns", "schema", "repeated_keys", "engine": {"name",
        "why"}, "compared", "alerts"}`, plain values. `compared` is `Comparison.by_column`."""
        found = self.comparison
        return {
            "left": {"rows": found.left_rows},
            "right": {"rows": found.right_rows},
            "counts": dict(found.counts),
            "columns": dict(found.columns),
            "schema": [dict(finding) for finding in found.schema],
            "repeated_keys": found.repeated_keys,
            "engine": self.engine.document(),
            "compared": found.by_column(),
            "alerts": self.alerts,
        }

    def drift(self, limit: int | None = None) -> pa.Table:
        """One row per differing key, in order of the key: `class`, the key, `left_count`, `right_count`, `columns`,
        `left_row`, `right_row`, and the lineage of both sides where the tables have it. At most `limit` rows."""
        return self._spelled(self._con.sql(self._ordered(limit)))

    def samples(self, limit: int) -> list[dict[str, Any]]:
        """The first `limit` drift rows of each class, as `drift` has them, in plain values."""
        rows = self._plain(samples_sql(self._inside, limit))
        return [{name: plain_json(value) for name, value in row.items()} for row in rows]

    def write(self, path: str | Path) -> None:
        """Write the drift as a Parquet file; nothing half-written is ever at `path`. Raises SetupError."""
        with written_whole(Path(path), "drift") as waiting:
            if self._apart.names:
                pq.write_table(self.drift(), waiting)
            else:
                self._con.execute(f"COPY ({self._ordered()}) TO {text(str(waiting))} (FORMAT parquet)")

    def write_repair(self, path: str | Path, table: str, dialect: str = "spark") -> None:
        """Write SQL that makes `table`, the right side, like the left one, in the dialect `spark` or `ansi` (DuckDB,
        Trino, PostgreSQL). Raises UsageError where the findings do not say what to write, SetupError."""
        if self._apart.names:
            raise UsageError(
                "a repair script is not written where names of columns differ in case only",
                next_step="not every engine tells them apart: give them other names first",
            )
        target = self._repairable.target(self.comparison, table, dialect)
        with written_whole(Path(path), "repair script") as waiting, waiting.open("w", encoding="utf-8") as file:
            write_repair(self._con, target, file)

    def close(self) -> None:
        """Free the rows; the figures stay."""
        self._con.close()
        self._spill.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def _plain(self, sql: str) -> list[dict[str, Any]]:
        found = self._con.sql(sql)
        return self._spelled(told_times(found)).to_pylist() if self._apart.names else plain_rows(found)

    def _spelled(self, drift: duckdb.DuckDBPyRelation) -> pa.Table:
        return self._apart.table(drift.to_arrow_table(), self.comparison.drift_key)

    def _ordered(self, limit: int | None = None) -> str:
        return f"FROM {DRIFT} ORDER BY {in_order(self._inside)}" + (f" LIMIT {limit}" if limit is not None else "")

    def _repr_html_(self) -> str:
        from plumbline.reconcile.diff.html import page

        return page(self.comparison, self._plain(self._ordered(SHOWN)))


def diff(
    left: Source,
    right: Source,
    key: Sequence[str] | str | None = None,
    *,
    where: str | None = None,
    where_left: str | None = None,
    where_right: str | None = None,
    names: Mapping[str, str] | None = None,
    compute_left: Mapping[str, str] | None = None,
    compute_right: Mapping[str, str] | None = None,
    tolerances: Mapping[str, Tolerance | str] | None = None,
    ignore: Collection[str] | str = (),
    columns: Sequence[str] | str | None = None,
    hide: Collection[str] | str = (),
    hashed: Collection[str] | str = (),
    fail_if: Mapping[str, str] | Iterable[str] | str = (),
    memory: str = "512MB",
    threads: int | None = None,
    home: Home | None = None,
    engine: str = "duckdb",
) -> Diff:
    """Compare `left`, the reference, with `right` by the columns `key`; without a key as multisets of whole rows.

    A side is a path to a Parquet or CSV file, a folder or a glob of them, an Iceberg table of the lake of `home` as
    `namespace.table@snapshot`, a pyarrow Table, a pandas, polars or Spark frame, a DuckDB relation, or anything with
    Arrow's C stream interface. Lineage columns of Plumbline's own tables come along without being compared, unless
    `columns` names them.

    `names` maps columns of the left to their names on the right. `where` chooses rows on both sides, `where_left` and
    `where_right` on one; `compute_left` and `compute_right` map columns to SQL that takes their place or adds them:
    all in SQL over the left's names. Columns in `hide` and `hashed` are compared, but their values are in no output.
    `tolerances` maps columns to rules, as objects or as the command line spells them: {'price': 'abs:0.01'}.
    `fail_if` is as `plumbline.reconcile.diff.fail_if.parse_fail_if` reads it, or a mapping such as
    {'mismatch': '> 1%'}.

    `memory` bounds this process, frames not counted. It takes `threads`, or the machine's, as far as `memory` goes, 110
    MB each. `engine` is duckdb, spark or auto: see
    `plumbline.reconcile.diff.spark`.
    Raises UsageError and SetupError; see `plumbline.reconcile.diff.engine.compare` for the classes.
    """
    keys, hidden = _listed(key), masks(_listed(hide) or [], _listed(hashed) or [])
    rules = Rules(_listed(columns), _listed(ignore) or [], _read(tolerances or {}), masks=hidden)
    ours = Side(_both(where, where_left), {}, compute_left or {})
    theirs = Side(_both(where, where_right), by_right(names or {}), compute_right or {})
    con = connection(f"{Budget.of(memory).duckdb_bytes}B", (spill := spill_folder()).name, threads)
    with _closed_on_failure(con, spill):
        chosen = choose(engine, (left, right), lambda: _lake(home))
        _check_plain(chosen.name != "spark", keys, rules, ours, theirs)
        frames = _frames(con, left, right, home, (keys, rules.columns)) if chosen.name == "spark" else None
        sides, apart = _sides(con, (left, ours), (right, theirs), home, frames)
        keys, rules, names = apart.listed(keys), apart.rules(rules), apart.keyed(names or {})
        limits = parse_fail_if(by_name(fail_if), apart.outside(sides))
        asked_for = (*(keys or ()), *(rules.columns or ()), *rules.ignore)
        rules = replace(rules, carry=[name for name in lineage_of(*sides) if name not in asked_for])
        comparison = _compared(con, keys, frames, rules, memory, Path(spill.name))
    repairable = Repairable(names, tuple(compute_right or ()), rules.tolerances, tuple(rules.masks), sides)
    return Diff(con, comparison, spill, chosen, limits, repairable, apart)


def _listed(names: Collection[str] | str | None) -> list[str] | None:
    """One name is a list of one, not of its letters."""
    return [names] if isinstance(names, str) else None if names is None else list(names)


def _read(tolerances: Mapping[str, Tolerance | str]) -> dict[str, Tolerance]:
    spelled = parse_tolerances(f"{name}={rule}" for name, rule in tolerances.items() if isinstance(rule, str))
    return {name: spelled[name] if isinstance(rule, str) else rule for name, rule in tolerances.items()}


def _compared(
    con: duckdb.DuckDBPyConnection,
    key: Sequence[str] | None,
    frames: tuple[DataFrame, DataFrame] | None,
    rules: Rules,
    memory: str,
    temp_dir: Path,
) -> Comparison:
    """The comparison of the views `left` and `right`; of `frames`, once Spark has narrowed them down to those."""
    narrowed = _narrow(con, frames, key or (), rules) if frames else None
    comparison = compare(con, "left", "right", key, rules, memory=memory, temp_dir=temp_dir)
    return narrowed.whole(con, comparison) if narrowed else comparison


def _check_plain(by_duckdb: bool, key: Sequence[str] | None, rules: Rules, *sides: Side) -> None:
    """Spark finds the keys that may differ by the tables as they are."""
    asked = {
        "compare without a key": key is None,
        "overlook anything in a key": any(name in rules.tolerances for name in key or ()),
        "choose rows, map or compute columns": any(side != Side() for side in sides),
    }
    for what, wanted in asked.items():
        if wanted and not by_duckdb:
            raise UsageError(f"the engine spark does not {what}", next_step="use --engine duckdb, or a view in Spark")


def _frames(
    con: duckdb.DuckDBPyConnection,
    left: Source,
    right: Source,
    home: Home | None,
    names: Sequence[Sequence[str] | None],
) -> tuple[DataFrame, DataFrame]:
    """Both sides in Spark, `left` and `right` as empty tables; `names` are the key and the columns that were asked for,
    None for all."""
    from plumbline.reconcile.diff.spark.frames import create, of_asked, open_frames

    ours, theirs = open_frames(left, right, home or Home.resolve(), lambda: _lake(home))
    key, columns = names
    asked = None if columns is None else {*(key or ()), *columns}
    frames = of_asked(ours, asked), of_asked(theirs, asked)
    for view, frame in zip(("left", "right"), frames, strict=True):
        create(con, view, frame)
    return frames


def _narrow(
    con: duckdb.DuckDBPyConnection, frames: tuple[DataFrame, DataFrame], key: Sequence[str], rules: Rules
) -> Narrowed:
    from plumbline.reconcile.diff.spark.narrow import narrow

    return narrow(con, *frames, key, rules)


def _sides(
    con: duckdb.DuckDBPyConnection,
    left: tuple[Source, Side],
    right: tuple[Source, Side],
    home: Home | None,
    frames: object,
) -> tuple[list[SideView], CaseNames]:
    """The views `left` and `right`, and their columns whose names differ in case only; with `frames` the views are
    there already, and empty."""
    if frames:
        return [describe(con, "left"), describe(con, "right")], CaseNames()
    sources = [
        open_side(con, source, f"{side} source", lambda: _lake(home))
        for side, (source, _) in (("left", left), ("right", right))
    ]
    asked = (*left[1].compute, *right[1].compute, *right[1].names.values())
    apart = CaseNames.of(sources, asked)
    sources = [apart.side(con, side) for side in sources]
    ours, theirs = apart.asked(con, left[1]), apart.asked(con, right[1])
    to_left = theirs.names
    to_right = {ours: theirs for theirs, ours in to_left.items()}
    sources[0] = with_nan(con, left[0], sources[0], sources[1], to_right)
    sources[1] = with_nan(con, right[0], sources[1], sources[0], to_left)
    typed = typed_like(con, sources[0], sources[1], to_left), typed_like(con, sources[1], sources[0], to_right)
    typed = in_digits(con, *typed, to_left), in_digits(con, typed[1], typed[0], to_right)
    sides = [shaped(con, typed[0], "left", ours), shaped(con, typed[1], "right", theirs)]
    check_names(to_right, sides[0])
    return sides, apart


def _both(*conditions: str | None) -> str | None:
    given = [condition for condition in conditions if condition is not None]
    return " AND ".join(f"(\n{condition}\n)" for condition in given) if len(given) > 1 else "".join(given) or None


def lineage_of(*sides: SideView) -> tuple[str, ...]:
    """The lineage columns, if some side has them all: fewer are a stranger's columns of the same name."""
    return LINEAGE if any(set(LINEAGE) <= set(side.columns) for side in sides) else ()


@contextmanager
def _closed_on_failure(con: duckdb.DuckDBPyConnection, spill: tempfile.TemporaryDirectory[str]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        con.close()
        spill.cleanup()
        raise


def _lake(home: Home | None) -> Lake:
    from plumbline.connect.lake import Lake

    return Lake.open(home or Home.resolve())


__all__ = ["CLASSES", "Diff", "diff", "lineage_of"]
