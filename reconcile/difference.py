"""Compare any two tables, files or folders by key: useful without a contract, and from a notebook."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from connect.home import Home
from connect.pinned import connection
from contract.equality import Tolerance
from contract.errors import SetupError
from contract.lineage import LINEAGE
from reconcile.engine.compare import CLASSES, Comparison, compare
from reconcile.engine.quoting import ident, text
from reconcile.engine.sides import Relation, describe, first_line
from reconcile.engine.sources import open_side
from reconcile.engine.statements import DRIFT
from reconcile.spark_engine.choice import Choice, choose

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from connect.lake import Lake
    from reconcile.spark_engine.narrow import Narrowed

Source = str | Path | Any
SHOWN = 20


class Diff:
    """The result of `diff`. It holds its rows in DuckDB until it is closed or collected.

    `comparison` has the figures as an object, `summary` as the document of `plumbline diff --json`.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        comparison: Comparison,
        spill: tempfile.TemporaryDirectory[str],
        engine: Choice,
    ) -> None:
        self._con = con
        self.engine = engine
        self._spill = spill  # the drift may lie there in part: it must live as long as the connection
        self.comparison = comparison

    @property
    def clean(self) -> bool:
        """Whether no key differs and every column could be compared."""
        return self.comparison.clean

    @property
    def summary(self) -> dict[str, Any]:
        """`{"left": {"rows"}, "right": {"rows"}, "counts", "columns", "schema", "repeated_keys", "engine": {"name",
        "why"}}`, plain values."""
        found = self.comparison
        return {
            "left": {"rows": found.left_rows},
            "right": {"rows": found.right_rows},
            "counts": dict(found.counts),
            "columns": dict(found.columns),
            "schema": [dict(finding) for finding in found.schema],
            "repeated_keys": found.repeated_keys,
            "engine": self.engine.document(),
        }

    def drift(self, limit: int | None = None) -> pa.Table:
        """One row per differing key, in order of the key: `class`, the key, `left_count`, `right_count`, `columns`,
        `left_row`, `right_row`, and the lineage of both sides where the tables have it. At most `limit` rows."""
        return self._con.sql(self._ordered(limit)).to_arrow_table()

    def write(self, path: str | Path) -> None:
        """Write the drift as a Parquet file; nothing half-written is ever at `path`. Raises SetupError."""
        target = Path(path)
        waiting = target.with_name(f".{target.name}.writing")
        try:
            self._con.execute(f"COPY ({self._ordered()}) TO {text(str(waiting))} (FORMAT parquet)")
            waiting.replace(target)
        except (duckdb.Error, OSError) as error:
            waiting.unlink(missing_ok=True)
            raise SetupError(
                f"the drift cannot be written: {first_line(error)}",
                where=str(target),
                next_step="name a file in a folder that exists and is writable",
            ) from error

    def close(self) -> None:
        """Free the rows; the figures stay."""
        self._con.close()
        self._spill.cleanup()

    def _ordered(self, limit: int | None = None) -> str:
        key = ", ".join(ident(name) for name in self.comparison.key)
        return f"FROM {DRIFT} ORDER BY {key}, class" + (f" LIMIT {limit}" if limit is not None else "")

    def _repr_html_(self) -> str:
        from reconcile.difference_html import page

        return page(self.comparison, self.drift(SHOWN).to_pylist())


def diff(
    left: Source,
    right: Source,
    key: Sequence[str] | str,
    *,
    tolerances: Mapping[str, Tolerance] | None = None,
    ignore: Collection[str] = (),
    columns: Sequence[str] | None = None,
    memory: str = "512MB",
    home: Home | None = None,
    engine: str = "duckdb",
) -> Diff:
    """Compare `left`, the reference, with `right` by the columns `key`.

    A side is a path to a Parquet or CSV file, a folder or a glob of them, an Iceberg table of the lake of `home` as
    `namespace.table@snapshot`, a pyarrow Table or a pandas frame. Lineage columns of Plumbline's own tables come along
    without being compared, unless `columns` names them. `memory` bounds this process, frames not counted. `engine` is
    duckdb, spark (a side may be a Spark frame too) or auto: see `reconcile.spark_engine`. Raises UsageError and
    SetupError; see `reconcile.engine.compare` for the classes.
    """
    keys = [key] if isinstance(key, str) else list(key)
    spill = tempfile.TemporaryDirectory(prefix="plumbline-")
    con = connection(memory, spill.name)
    with _closed_on_failure(con, spill):
        chosen = choose(engine, (left, right), lambda: _lake(home))
        frames = _frames(con, left, right, home) if chosen.name == "spark" else None
        sides = [
            describe(con, view) if frames else open_side(con, source, view, lambda: _lake(home))
            for source, view in ((left, "left"), (right, "right"))
        ]
        carried = [name for name in lineage_of(*sides) if name not in (*keys, *(columns or ()), *ignore)]
        rules: dict[str, Any] = {"columns": columns, "ignore": ignore, "tolerances": tolerances, "carry": carried}
        narrowed = _narrow(con, frames, keys, rules) if frames else None
        comparison = compare(con, "left", "right", keys, **rules, memory=memory, temp_dir=Path(spill.name))
        if narrowed is not None:
            comparison = narrowed.whole(con, comparison)
    return Diff(con, comparison, spill, chosen)


def _frames(
    con: duckdb.DuckDBPyConnection, left: Source, right: Source, home: Home | None
) -> tuple[DataFrame, DataFrame]:
    from reconcile.spark_engine.sides import create, open_frames

    frames = open_frames(left, right, home or Home.resolve(), lambda: _lake(home))
    for view, frame in zip(("left", "right"), frames, strict=True):
        create(con, view, frame)
    return frames


def _narrow(
    con: duckdb.DuckDBPyConnection, frames: tuple[DataFrame, DataFrame], key: Sequence[str], rules: dict[str, Any]
) -> Narrowed:
    from reconcile.spark_engine.narrow import narrow

    return narrow(con, *frames, key, **rules)


def lineage_of(*sides: Relation) -> tuple[str, ...]:
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
    from connect.lake import Lake

    return Lake.open(home or Home.resolve())


__all__ = ["CLASSES", "Diff", "diff", "lineage_of"]
