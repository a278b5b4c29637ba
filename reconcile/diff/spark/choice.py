"""Which engine compares two tables, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from plumbline.connect.table_plan import plan_files
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.paths import files_of
from plumbline.reconcile.diff.engine.side_view import readable
from plumbline.reconcile.diff.engine.sources import named_snapshot
from plumbline.reconcile.diff.spark.frames import is_frame

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake

ENGINES = ("duckdb", "spark", "auto")
MOST_BYTES = 100 * 10**9
"""Of both sides together, as they are stored. Up to there `auto` takes DuckDB: one machine reads that in a night, and
Spark on the same machine takes longer."""


@dataclass(frozen=True)
class Choice:
    """`name` is duckdb or spark, `why` one clause for people."""

    name: str
    why: str

    def document(self) -> dict[str, str]:
        return {"name": self.name, "why": self.why}


def refuse_unknown(engine: str) -> None:
    """Raise UsageError for a name that no engine has."""
    if engine not in ENGINES:
        raise UsageError(f"engine {engine!r} is unknown", next_step=f"use one of {', '.join(ENGINES)}")


def by_size(size: int, told: str) -> Choice:
    """What `auto` takes for so many bytes; `told` says of what they are, with {} for their number."""
    name, than = ("spark", "more") if size > MOST_BYTES else ("duckdb", "not more")
    return Choice(name, f"{told.format(f'{size:,} bytes')}, {than} than {MOST_BYTES:,}")


def choose(engine: str, sides: tuple[Any, Any], lake: Callable[[], Lake]) -> Choice:
    """The engine for two sides. Raises UsageError for an unknown name."""
    refuse_unknown(engine)
    if engine != "auto":
        return Choice(engine, "asked for")
    if any(map(is_frame, sides)):
        return Choice("spark", "a side is a Spark frame")
    places = [place for side in sides for place in _places(side, lake)]
    remote = sorted({scheme for scheme, _ in places if scheme not in ("", "file")})
    if remote:
        return Choice("spark", f"the data is on {', '.join(remote)}, which DuckDB reads through this process only")
    return by_size(sum(size for _, size in places), "both sides have {}")


def _places(side: Any, lake: Callable[[], Lake]) -> list[tuple[str, int]]:
    """The file system's scheme and the size in bytes of each file of a side; nothing for what is in memory."""
    if not isinstance(side, (str, Path)):
        return []
    files = files_of(str(side))
    if files is not None:
        with readable(str(side), files.paths):
            return [("file", Path(file).stat().st_size) for file in files.paths]
    table, snapshot = named_snapshot(str(side), lake)
    stored = [task.file for task in plan_files(lake().load(table).scan(snapshot_id=snapshot), table)]
    return [(urlsplit(file.file_path).scheme, file.file_size_in_bytes) for file in stored]
